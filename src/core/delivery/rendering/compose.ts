import { and, eq, sql } from 'drizzle-orm'
import { settings } from '../../../env.ts'
import { agents, aliases, domains, mailboxes, tenants } from '../../../schema/accounts.ts'
import type { RecipientKind } from '../../../schema/letters.ts'
import type { SendInput } from '../../../schema/sending.ts'
import { CANARIES_OF_TENANT } from '../../accounts/dlp-policy.ts'
import { type DkimSigner, signDkim } from '../../accounts/domains/dkim.ts'
import { newestAlias, signerOf } from '../../accounts/domains/sending-domain.ts'
import { sha256 } from '../../ground/hash.ts'
import { type HumanizerNote, humanize } from '../../letters/humanizer/humanize.ts'
import { chosenStyle } from '../../letters/humanizer/style.ts'
import { type Built, buildMessage } from '../../letters/message/build.ts'
import type { Draft } from '../../letters/message/draft.ts'
import { leavingFields } from '../../letters/message/foreign-fields.ts'
import { type Rendered, readFiles } from '../../letters/rendered.ts'
import { contentRefusal } from '../../policy/rules.ts'
import type { Canary } from '../../reading/dlp/canary.ts'
import { type DlpPolicy, isToStay, screenLetter } from '../../reading/dlp/content.ts'
import type { Party } from '../../reading/party.ts'
import { largeInput } from '../../sending/prepare.ts'
import { type RecordRow, readRecord, recordStatement } from '../../signals/trust-score.ts'
import type { Locked } from '../lock.ts'
import { type Content, contentOf } from './content.ts'
import { trustHeaders } from './trust-headers.ts'

/** Message-IDs of the thread that a reply names, newest kept. */
const REFERENCES_AT_MOST = 20

export type Composed = {
  rendered: Rendered
  humanizer: HumanizerNote | null
  input: SendInput
  /** The attached domain that the message is from. */
  domainId: string | null
}

/** Why there is no message. `reason` is given if a rule refused the content. */
export type Refused = { refusal: string; reason?: string }

/** Makes the message of a send, signed if it is from an attached domain. */
export async function compose(locked: Locked, now: Date): Promise<Composed | Refused> {
  const { env, send } = locked
  const input = send.input ?? (await largeInput(env, send.inputKey))
  if (!input) return { refusal: 'the stored input is gone' }
  const [[sender], record] = await Promise.all([
    senderQuery(locked),
    recordStatement({ env, now }, { ...send, agentId: null }).first<RecordRow>(),
  ])
  if (!sender) return { refusal: 'the mailbox is gone' }
  const { domain } = sender
  const signer = domain && (await signerOf(env, domain))
  if (domain && !signer) {
    return {
      refusal: `the key of ${domain.domain} cannot be opened: add the domain anew if TOKEN_SECRET was changed`,
    }
  }
  const policy = { ...sender.dlp, canaries: JSON.parse(sender.dlp.canaries) as Canary[] }
  const content = screened(send.tenantId, policy, await contentOf(locked, input, sender.physicalAddress))
  if ('refusal' in content) return content
  const trust = record ? trustHeaders(readRecord(record, now)) : {}
  const draft = await draftOf(locked, input, sender, { ...content.headers, ...trust }, now)
  const { built, humanizer } = await build(locked, input, sender, { draft, content, policy })
  if (!built.ok) return { refusal: `${built.field}: ${built.detail}` }
  const rendered = await renderedOf(built, signer, input, now)
  return { rendered, humanizer, input, domainId: domain?.id ?? null }
}

type Sender = NonNullable<Awaited<ReturnType<typeof senderQuery>>[number]>

/** What rendering must know of the sender. */
function senderQuery({ db, send }: Locked) {
  return db
    .select({
      address: mailboxes.address,
      alias: aliases.address,
      domain: domains,
      displayName: mailboxes.displayName,
      physicalAddress: tenants.physicalAddress,
      humanizer: { enabled: mailboxes.humanizerEnabled, style: mailboxes.humanizerStyle },
      agentConfig: agents.config,
      dlp: { mode: tenants.dlpMode, disabledRules: tenants.dlpDisabled, canaries: CANARIES_OF_TENANT },
    })
    .from(mailboxes)
    .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
    .leftJoin(
      aliases,
      and(
        eq(aliases.tenantId, mailboxes.tenantId),
        eq(aliases.mailboxId, mailboxes.id),
        eq(aliases.domainId, sql.raw(newestAlias('mailboxes.tenant_id', 'mailboxes.id'))),
      ),
    )
    .leftJoin(domains, and(eq(domains.tenantId, aliases.tenantId), eq(domains.id, aliases.domainId)))
    .leftJoin(agents, and(eq(agents.tenantId, mailboxes.tenantId), eq(agents.id, send.agentId ?? '')))
    .where(and(eq(mailboxes.tenantId, send.tenantId), eq(mailboxes.id, send.mailboxId)))
}

/** The request was screened before; rendering a template may bring together what no part contained. */
function screened(tenantId: string, policy: DlpPolicy, written: Content | Refused): Content | Refused {
  if ('refusal' in written) return written
  const { facts, clean } = screenLetter(tenantId, policy, written)
  const refused = contentRefusal(facts)
  if (refused) return { refusal: refused.detail, reason: refused.reason }
  return isToStay(facts) ? written : clean
}

/** The message without its words. */
async function draftOf(
  { env, send }: Locked,
  input: SendInput,
  sender: Sender,
  own: Record<string, string>,
  now: Date,
): Promise<Omit<Draft, 'subject' | 'text' | 'html'>> {
  const parties = (kind: RecipientKind): Party[] =>
    send.recipients.filter((each) => each.kind === kind).map(({ email, name }) => ({ email, name }))
  return {
    messageId: `${send.id}@${settings(env).mailDomain}`,
    date: now,
    from: { email: sender.alias ?? sender.address, name: sender.displayName },
    to: parties('to'),
    cc: parties('cc'),
    bcc: parties('bcc'),
    replyTo: input.replyTo ? { email: input.replyTo, name: null } : null,
    headers: {
      ...merged(input.headers, { ...replyHeaders(input), ...own }),
      'X-Moltpost-Send-Id': send.id,
    },
    attachments: await readFiles(env, input.files ?? []),
  }
}

type Making = {
  draft: Omit<Draft, 'subject' | 'text' | 'html'>
  content: Content
  policy: DlpPolicy
}

/** Builds the message, humanized if that is wanted. If the new wording breaks a rule or the message, the original is used. */
async function build(
  { env, send }: Locked,
  input: SendInput,
  sender: Sender,
  { draft, content, policy }: Making,
): Promise<{ built: Built; humanizer: HumanizerNote | null }> {
  const { headers: _, ...original } = content
  const style = chosenStyle([
    { enabled: input.humanize, style: input.humanizeStyle },
    { enabled: sender.agentConfig?.humanizer_enabled, style: sender.agentConfig?.humanizer_style },
    sender.humanizer,
  ])
  if (!style) return { built: await buildMessage({ ...draft, ...original }), humanizer: null }
  const values = [input.payload, sender.physicalAddress]
  const { wording, note } = await humanize(env, original, { style, sendId: send.id, values })
  const asWritten = async (fallbackReason: 'rejected' | 'failed') => ({
    built: await buildMessage({ ...draft, ...original }),
    humanizer: { ...note, used: 'off' as const, fallbackReason },
  })
  if (!isToStay(screenLetter(send.tenantId, policy, wording).facts)) return await asWritten('rejected')
  const built = await buildMessage({ ...draft, ...wording })
  return built.ok || note.used === 'off' ? { built, humanizer: note } : await asWritten('failed')
}

async function renderedOf(
  { mail, raw: bytes }: Extract<Built, { ok: true }>,
  signer: DkimSigner | null,
  input: SendInput,
  now: Date,
): Promise<Rendered> {
  const { messageId, from, to, cc, bcc, replyTo, subject, text, html, headers } = mail
  const plain = new TextDecoder().decode(bytes)
  const raw = signer ? await signDkim(plain, signer, now) : plain
  return {
    sha256: await sha256(raw),
    ...{ messageId, from, to, cc, bcc, replyTo, subject, text, html, headers },
    raw,
    files: input.files ?? [],
  }
}

/** RFC 5322, section 3.6.4: the message that this one replies to, and the thread so far. */
function replyHeaders({ reply }: SendInput): Record<string, string> {
  if (!reply) return {}
  const thread = [...new Set([...reply.references, reply.rfcId])].slice(-REFERENCES_AT_MOST)
  return { 'In-Reply-To': `<${reply.rfcId}>`, References: thread.map((id) => `<${id}>`).join(' ') }
}

/** The caller's header fields that may leave, and the service's own in place of those with their names. */
function merged(asked: Record<string, string>, own: Record<string, string>): Record<string, string> {
  const names = new Set(Object.keys(own).map((name) => name.toLowerCase()))
  const others = Object.entries(leavingFields(asked)).filter(([name]) => !names.has(name.toLowerCase()))
  return { ...Object.fromEntries(others), ...own }
}
