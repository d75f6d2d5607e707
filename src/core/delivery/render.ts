import { and, eq, sql } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { agents, aliases, domains, mailboxes, tenants } from '../../schema/accounts.ts'
import { traces } from '../../schema/journal.ts'
import { type RecipientKind, templateVersions } from '../../schema/letters.ts'
import { approvals, type SendInput, sends } from '../../schema/sending.ts'
import { CANARIES_OF_TENANT } from '../accounts/dlp-policy.ts'
import { signDkim } from '../accounts/domains/dkim.ts'
import { newestAlias, signerOf } from '../accounts/domains/sending-domain.ts'
import { oneClickHeaders, unsubscribeUrl } from '../contacts/unsubscribe.ts'
import { prepared } from '../ground/ctx.ts'
import { sha256 } from '../ground/hash.ts'
import { ringAll, ringOutbox, type SendBell } from '../journal/bells.ts'
import { sendEventStatement } from '../journal/event-rows.ts'
import { appendTrace } from '../journal/traces.ts'
import { type HumanizerNote, humanize } from '../letters/humanizer/humanize.ts'
import { chosenStyle } from '../letters/humanizer/style.ts'
import { buildMessage } from '../letters/message.ts'
import { keepRendered, type Rendered, readFiles } from '../letters/rendered.ts'
import { compileTemplate, renderTemplate } from '../letters/rendering.ts'
import { refund } from '../limits/reservations.ts'
import { bodyKeyOf, keepBody } from '../mail/body.ts'
import { letterOf } from '../mail/letter.ts'
import { messageIdOf, sentStatements } from '../mail/store.ts'
import { contentRefusal } from '../policy/judge.ts'
import type { Canary } from '../reading/dlp/canary.ts'
import { isToStay, screenLetter } from '../reading/dlp/content.ts'
import type { Party } from '../reading/party.ts'
import { textOfHtml } from '../reading/text/html.ts'
import { largeInput } from '../sending/prepare.ts'
import { RING_AGAIN_MS } from '../sending/settle.ts'
import { type RecordRow, readRecord, recordStatement } from '../signals/trust-score.ts'
import { giveUp } from './dead-letters.ts'
import { LOCKS_AT_MOST, type Locked, lockForRendering } from './lock.ts'
import { isReserved, trustHeaders } from './trust-headers.ts'

/** Renders several sends side by side, and rings delivery for those that may leave. Each has a result of its own. */
export async function renderSends(
  env: Env,
  bells: SendBell[],
): Promise<PromiseSettledResult<{ isReady: boolean }>[]> {
  const rendered = await Promise.allSettled(bells.map((bell) => renderSend(env, bell, () => new Date())))
  const isReady = (each: (typeof rendered)[number] | undefined) =>
    each?.status === 'fulfilled' && each.value.isReady
  await ringAll(
    env.DELIVER,
    bells.filter((_, position) => isReady(rendered[position])),
  )
  return rendered
}

/**
 * Renders one send into the bytes that will leave and put them where delivery and approval find them. Answers whether
 * the send is now ready to be delivered. What cannot be rendered fails, and its key and windows are given back.
 */
export async function renderSend(env: Env, bell: SendBell, clock: () => Date): Promise<{ isReady: boolean }> {
  const locked = await lockForRendering(env, bell, clock())
  if (!locked) return { isReady: false }
  if (locked.send.locks > LOCKS_AT_MOST) {
    await giveUp(locked, 'render', 'rendering stopped making progress', clock())
    return { isReady: false }
  }
  const made = await compose(locked, clock())
  if ('refusal' in made) {
    await fail(locked, made, clock())
    return { isReady: false }
  }
  const key = await keepRendered(env, locked.send, made.rendered)
  return { isReady: await finish(locked, key, made, clock()) }
}

/** Message-IDs of the thread that a reply names, newest kept. */
const REFERENCES_AT_MOST = 20

type Composed = {
  rendered: Rendered
  humanizer: HumanizerNote | null
  input: SendInput
  /** The attached domain that it is from. */
  domainId: string | null
}

/** Why there is no message; `reason` where a rule has refused its content. */
type Refused = { refusal: string; reason?: string }

async function compose(locked: Locked, now: Date): Promise<Composed | Refused> {
  const { env, send } = locked
  const input = send.input ?? (await largeInput(env, send.inputKey))
  if (!input) return { refusal: 'the stored input is gone' }
  const [[about], record] = await Promise.all([
    senderQuery(locked),
    recordStatement({ env, now }, { ...send, agentId: null }).first<RecordRow>(),
  ])
  if (!about) return { refusal: 'the mailbox is gone' }
  const { alias, domain } = about
  const signer = domain && (await signerOf(env, domain))
  if (domain && !signer) {
    return {
      refusal: `the key of ${domain.domain} cannot be opened: add the domain anew if TOKEN_SECRET was changed`,
    }
  }
  const written = await contentOf(locked, input, about.physicalAddress)
  if ('refusal' in written) return written
  // The content was judged as it was asked for. What only its making has brought together is seen here.
  const policy = { ...about.dlp, canaries: JSON.parse(about.dlp.canaries) as Canary[] }
  const screened = screenLetter(send.tenantId, policy, written)
  const refused = contentRefusal(screened.facts)
  if (refused) return { refusal: refused.detail, reason: refused.reason }
  const content = isToStay(screened.facts) ? written : screened.clean
  const parties = (kind: RecipientKind): Party[] =>
    send.recipients.filter((each) => each.kind === kind).map(({ email, name }) => ({ email, name }))
  const { headers: ownHeaders, ...original } = content
  const draft = {
    messageId: `${send.id}@${settings(env).mailDomain}`,
    date: now,
    from: { email: alias ?? about.address, name: about.displayName },
    to: parties('to'),
    cc: parties('cc'),
    bcc: parties('bcc'),
    replyTo: input.replyTo ? { email: input.replyTo, name: null } : null,
    headers: {
      ...merged(input.headers, { ...replyHeaders(input), ...ownHeaders }),
      ...(record ? trustHeaders(readRecord(record, now)) : {}),
      'X-Moltpost-Send-Id': send.id,
    },
    attachments: await readFiles(env, input.files ?? []),
  }
  const style = chosenStyle([
    { enabled: input.humanize, style: input.humanizeStyle },
    { enabled: about.agentConfig?.humanizer_enabled, style: about.agentConfig?.humanizer_style },
    about.humanizer,
  ])
  const values = [input.payload, about.physicalAddress]
  const reworded = style && (await humanize(env, original, { style, sendId: send.id, values }))
  let humanizer = reworded?.note ?? null
  let wording = reworded?.wording ?? original
  if (humanizer && !isToStay(screenLetter(send.tenantId, policy, wording).facts)) {
    humanizer = { ...humanizer, used: 'off', fallbackReason: 'rejected' }
    wording = original
  }
  let built = await buildMessage({ ...draft, ...wording })
  if (!built.ok && humanizer && humanizer.used !== 'off') {
    humanizer = { ...humanizer, used: 'off', fallbackReason: 'failed' }
    built = await buildMessage({ ...draft, ...original })
  }
  if (!built.ok) return { refusal: `${built.field}: ${built.detail}` }
  const { messageId, from, to, cc, bcc, replyTo, subject, text, html, headers } = built.mail
  const plain = new TextDecoder().decode(built.raw)
  const raw = signer ? await signDkim(plain, signer, now) : plain
  const hash = await sha256(raw)
  const files = input.files ?? []
  const rendered = {
    sha256: hash,
    messageId,
    from,
    to,
    cc,
    bcc,
    replyTo,
    subject,
    text,
    html,
    headers,
    raw,
    files,
  }
  return { rendered, humanizer, input, domainId: domain?.id ?? null }
}

/** What rendering must know of whom a send is from. */
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

/** RFC 5322, section 3.6.4: what the message answers, and the thread so far. */
function replyHeaders({ reply }: SendInput): Record<string, string> {
  if (!reply) return {}
  const thread = [...new Set([...reply.references, reply.rfcId])].slice(-REFERENCES_AT_MOST)
  return { 'In-Reply-To': `<${reply.rfcId}>`, References: thread.map((id) => `<${id}>`).join(' ') }
}

/** The caller's fields, but for those that the system sets itself or keeps for itself, in whatever case they are spelt. */
function merged(asked: Record<string, string>, own: Record<string, string>): Record<string, string> {
  const names = new Set(Object.keys(own).map((name) => name.toLowerCase()))
  const others = Object.entries(asked).filter(([name]) => !names.has(name.toLowerCase()) && !isReserved(name))
  return { ...Object.fromEntries(others), ...own }
}

type Content = {
  subject: string
  html: string | null
  text: string | null
  headers: Record<string, string>
}

/** Mail that brings only HTML gets a text of the same words: many readers, and every other agent, read that. */
function withText<Written extends { text: string | null; html: string | null }>(written: Written): Written {
  return written.text === null && written.html !== null
    ? { ...written, text: textOfHtml(written.html) }
    : written
}

/** The content in the version that was judged, whatever has been published since. */
async function contentOf(
  { env, db, send }: Locked,
  input: SendInput,
  physicalAddress: string | null,
): Promise<Content | { refusal: string }> {
  if (input.inline) return { ...withText(input.inline), headers: {} }
  const judged = sql`${traces.body} -> 'facts' -> 'template'`
  const [version] = await db
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
  if (!version) return { refusal: 'the template version that was judged is gone' }
  const template = compileTemplate(version)
  if (!template.ok) return { refusal: `${template.part}, line ${template.line}: ${template.detail}` }
  const link = await linkOf({ env, send }, input)
  const system = {
    ...(link === null ? {} : { unsubscribe_url: link }),
    ...(physicalAddress === null ? {} : { physical_address: physicalAddress }),
  }
  const rendered = renderTemplate(template.compiled, input.payload, system)
  if (!rendered.ok) return { refusal: rendered.detail }
  const headers = version.type === 'marketing' && link !== null ? oneClickHeaders(link) : {}
  return { ...rendered, headers }
}

/** A message has one text for all who get it, so that only the sole recipient of one can be given a link of their own. */
async function linkOf({ env, send }: Pick<Locked, 'env' | 'send'>, input: SendInput) {
  const [only, ...others] = send.recipients
  if (!only || others.length > 0) return null
  const { tenantId } = send
  return await unsubscribeUrl(env, { tenantId, contact: only.contact, campaignId: input.campaignId })
}

async function finish(
  locked: Locked,
  key: string,
  { rendered, humanizer, input, domainId }: Composed,
  now: Date,
): Promise<boolean> {
  const { env, db, send, hold } = locked
  const ringAgain = new Date(now.getTime() + RING_AGAIN_MS)
  const statements = [
    db
      .update(sends)
      .set({
        state: sql`iif(${sends.state} = 'rendering', 'ready', ${sends.state})`,
        renderedKey: key,
        renderedSha256: rendered.sha256,
        messageId: rendered.messageId,
        domainId,
        locks: 0,
        lockUntil: null,
        nextAt: sql`iif(${sends.state} = 'rendering', ${ringAgain.getTime()},
          (SELECT p.expires_at FROM approvals p
           WHERE p.tenant_id = ${sends.tenantId} AND p.id = ${sends.approvalId}))`,
        updatedAt: now,
      })
      .where(isHeld({ send, hold }))
      .returning({ state: sends.state }),
    appendTrace(db, hold, 'render', now, {
      sha256: rendered.sha256,
      messageId: rendered.messageId,
      ...(humanizer ? { humanizer } : {}),
    }),
    db
      .update(approvals)
      .set({ sha256: rendered.sha256, noticeAt: now })
      .where(
        and(
          eq(approvals.tenantId, send.tenantId),
          eq(approvals.id, send.approvalId ?? ''),
          eq(approvals.status, 'pending'),
        ),
      ),
  ].map((query) => prepared(env, query))
  const sent = input.isComposed && humanizer === null ? [] : await sentCopy(locked, input, rendered, now)
  const [changed] = await env.DB.batch<{ state: string }>([...statements, ...sent])
  return changed?.results[0]?.state === 'ready'
}

/** What was written whole is in Sent already; what a template made, or the humanizer changed, goes there as it leaves. */
async function sentCopy(
  { env, send }: Locked,
  input: SendInput,
  rendered: Rendered,
  now: Date,
): Promise<D1PreparedStatement[]> {
  const { subject, text, html, from } = rendered
  const messageId = messageIdOf(send.id)
  const letter = letterOf(
    {
      sendId: send.id,
      tenantId: send.tenantId,
      mailboxId: send.mailboxId,
      sender: { address: from.email, displayName: from.name },
      contacts: send.recipients.map((recipient) => ({ ...recipient, here: false })),
      input: { ...input, inline: { subject, text, html } },
      isLarge: false,
      mailDomain: settings(env).mailDomain,
    },
    now,
  )
  const written = input.inline?.text === null ? { text: null, html } : { text, html }
  const body = await keepBody(env, bodyKeyOf(send.tenantId, messageId), written)
  return sentStatements(env, [{ ...letter, ...body }], now, null)
}

async function fail({ env, db, send, hold }: Locked, { refusal, reason }: Refused, now: Date): Promise<void> {
  const statements = [
    db
      .update(sends)
      .set({
        state: reason === undefined ? 'failed' : 'blocked',
        reason: reason ?? 'render_failed',
        detail: refusal,
        // What must not leave is not kept either.
        ...(reason === undefined ? {} : { input: null, inputKey: null }),
        burnedKey: null,
        nextAt: null,
        lockUntil: null,
        updatedAt: now,
      })
      .where(isHeld({ send, hold })),
    appendTrace(db, hold, 'render', now, { refused: refusal }),
    db
      .update(approvals)
      .set({ status: 'superseded', decidedAt: now, decidedBy: 'system:render' })
      .where(
        and(
          eq(approvals.tenantId, send.tenantId),
          eq(approvals.id, send.approvalId ?? ''),
          eq(approvals.status, 'pending'),
        ),
      ),
  ].map((query) => prepared(env, query))
  await env.DB.batch([
    ...statements,
    sendEventStatement(env, hold, 'message.failed', ['failed', 'blocked'], now),
  ])
  await refund({ env, now }, send.tenantId, [send.id])
  if (reason !== undefined && send.inputKey !== null) await env.MAIL.delete(send.inputKey)
  await ringOutbox(env, [send.tenantId])
}

function isHeld({ send, hold }: Pick<Locked, 'send' | 'hold'>) {
  return and(eq(sends.tenantId, send.tenantId), eq(sends.id, send.id), eq(sends.lockToken, hold.token))
}
