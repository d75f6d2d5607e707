import { and, eq, sql } from 'drizzle-orm'
import { traces } from '../../../schema/journal.ts'
import { templateVersions } from '../../../schema/letters.ts'
import type { SendInput } from '../../../schema/sending.ts'
import { oneClickHeaders, unsubscribeUrl } from '../../contacts/unsubscribe.ts'
import { compileTemplate, renderTemplate } from '../../letters/rendering.ts'
import { textOfHtml } from '../../reading/text/html.ts'
import type { Locked } from '../lock.ts'

export type Content = {
  subject: string
  html: string | null
  text: string | null
  headers: Record<string, string>
}

/** The words of a send: as written, or from the template version that was judged, even if a newer one is published. */
export async function contentOf(
  locked: Locked,
  input: SendInput,
  physicalAddress: string | null,
): Promise<Content | { refusal: string }> {
  if (input.inline) return { ...withText(input.inline), headers: await ownUnsubscribe(locked, input) }
  const [version] = await judgedVersion(locked)
  if (!version) return { refusal: 'the template version that was judged is gone' }
  const template = compileTemplate(version)
  if (!template.ok) return { refusal: `${template.part}, line ${template.line}: ${template.detail}` }
  const link = await unsubscribeLink(locked, input)
  const system = {
    ...(link === null ? {} : { unsubscribe_url: link }),
    ...(physicalAddress === null ? {} : { physical_address: physicalAddress }),
  }
  const rendered = renderTemplate(template.compiled, input.payload, system)
  if (!rendered.ok) return { refusal: rendered.detail }
  const headers = version.type === 'marketing' && link !== null ? oneClickHeaders(link) : {}
  return { ...rendered, headers }
}

function judgedVersion({ db, send }: Locked) {
  const judged = sql`${traces.body} -> 'facts' -> 'template'`
  return db
    .select({
      subject: templateVersions.subject,
      html: templateVersions.html,
      text: templateVersions.text,
      type: sql<string>`${judged} ->> 'type'`,
    })
    .from(traces)
    .innerJoin(
      templateVersions,
      and(
        eq(templateVersions.tenantId, traces.tenantId),
        sql`${templateVersions.templateId} = ${judged} ->> 'id'`,
        sql`${templateVersions.version} = ${judged} ->> 'version'`,
      ),
    )
    .where(and(eq(traces.tenantId, send.tenantId), eq(traces.sendId, send.id), eq(traces.seq, 0)))
}

/** A message with HTML only gets a text with the same words: many mail programs, and every agent, read the text. */
function withText<Written extends { text: string | null; html: string | null }>(written: Written): Written {
  return written.text === null && written.html !== null
    ? { ...written, text: textOfHtml(written.html) }
    : written
}

/** Our unsubscribe fields for a message that came with some of its sender; none if it has several recipients. */
async function ownUnsubscribe(locked: Locked, input: SendInput): Promise<Record<string, string>> {
  const link = input.asksUnsubscribe ? await unsubscribeLink(locked, input) : null
  return link === null ? {} : oneClickHeaders(link)
}

/** All recipients of a message get the same text, so only a sole recipient can have an unsubscribe link. */
async function unsubscribeLink({ env, send }: Locked, { campaignId }: SendInput): Promise<string | null> {
  const [only, ...others] = send.recipients
  if (!only || others.length > 0) return null
  return await unsubscribeUrl(env, { tenantId: send.tenantId, contact: only.contact, campaignId })
}
