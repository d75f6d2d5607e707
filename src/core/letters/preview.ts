import { eq } from 'drizzle-orm'
import { settings } from '../../env.ts'
import { tenants } from '../../schema/accounts.ts'
import type { Ctx } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import {
  compileTemplate,
  missingVariables,
  type Payload,
  renderTemplate,
  type Template,
  unfitVariables,
} from './rendering.ts'

/** Rounds of filling in missing values: a filled value may open a branch that needs more. */
const ROUNDS = 5

/**
 * What a send of this content with this payload would say. Two values are samples: the unsubscribe link, because each
 * recipient gets another one, and the physical address, if it is not set. Throws
 * `template_render_failed` if the content cannot be rendered.
 */
export async function previewContent(
  ctx: Ctx,
  content: Template,
  payload: Payload,
): Promise<{ subject: string; html: string | null; text: string | null }> {
  const [tenant] = await ctx.db
    .select({ physicalAddress: tenants.physicalAddress })
    .from(tenants)
    .where(eq(tenants.id, ctx.tenantId))
  const compilation = compileTemplate(content)
  if (!compilation.ok) {
    const { part, line, detail } = compilation
    throw new Fault('template_render_failed', `${part}, line ${line}: ${detail}`, { field: part, line })
  }
  const system = {
    unsubscribe_url: `${settings(ctx.env).publicUrl}/u/sample`,
    ...(tenant?.physicalAddress ? { physical_address: tenant.physicalAddress } : {}),
  }
  const given = { physical_address: '[physical address]', ...payload }
  const rendered = renderTemplate(compilation.compiled, given, system)
  if (!rendered.ok) {
    const { detail, missing, unfit } = rendered
    throw new Fault('template_render_failed', `The template cannot be rendered: ${detail}.`, {
      field: 'payload',
      missing: [...missing, ...unfit.map(({ name }) => name)],
    })
  }
  const { subject, html, text } = rendered
  return { subject, html, text }
}

/** A sample for every variable that rendering needs: its name in brackets, or a number. */
export function samplePayload(content: Template & { variables: { name: string; type: string }[] }): Payload {
  const sample = new Map<string, unknown>()
  for (const { name, type } of content.variables) sample.set(name, type === 'number' ? 14 : `[${name}]`)
  const compilation = compileTemplate(content)
  if (!compilation.ok) return Object.fromEntries(sample)
  const system = { unsubscribe_url: '', physical_address: '' }
  for (let round = 0; round < ROUNDS; round++) {
    const missing = missingVariables(compilation.compiled, Object.fromEntries(sample), system)
    if (missing.length === 0) break
    for (const path of missing) fill(sample, path.split('.'), `[${path}]`)
  }
  const given = { ...Object.fromEntries(sample) }
  for (const { name } of unfitVariables(compilation.compiled, given, system)) {
    fill(sample, name.split('.'), `https://example.com/${encodeURIComponent(name)}`)
  }
  return Object.fromEntries(sample)
}

function fill(into: Map<string, unknown>, [name = '', ...rest]: string[], value: string) {
  if (rest.length === 0) return into.set(name, value)
  const held = into.get(name)
  const inner = new Map(Object.entries(typeof held === 'object' && held !== null ? held : {}))
  fill(inner, rest, value)
  return into.set(name, Object.fromEntries(inner))
}
