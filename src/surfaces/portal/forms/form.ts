import type { Context } from 'hono'

export type Form = Record<string, string | undefined>

/** What is wrong with a form, and the field it is about; the field is empty where the fault is about the form as a whole. */
export type Wrong = { field: string; message: string }

/** The text fields of a posted form; an empty object if the form cannot be read. */
export async function formOf(c: Context): Promise<Form> {
  const form = await c.req.parseBody().catch(() => ({}))
  return Object.fromEntries(
    Object.entries(form).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}

/** An uploaded file as text, or null if there is none. */
export async function fileOf(c: Context, name: string): Promise<string | null> {
  const form: Record<string, unknown> = await c.req.parseBody().catch(() => ({}))
  const file = form[name]
  return file instanceof File && file.size > 0 ? await file.text() : null
}
