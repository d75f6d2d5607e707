import type { Context } from 'hono'

export type Form = Record<string, string | undefined>

/** What is wrong with a form, and in which of its fields; of the form as a whole where that is empty. */
export type Wrong = { field: string; message: string }

/** The text fields of a posted form; none where it cannot be read. */
export async function formOf(c: Context): Promise<Form> {
  const form = await c.req.parseBody().catch(() => ({}))
  return Object.fromEntries(
    Object.entries(form).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}

/** An uploaded file as text, or null where there is none. */
export async function fileOf(c: Context, name: string): Promise<string | null> {
  const form: Record<string, unknown> = await c.req.parseBody().catch(() => ({}))
  const file = form[name]
  return file instanceof File && file.size > 0 ? await file.text() : null
}
