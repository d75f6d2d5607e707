import { and, eq, sql } from 'drizzle-orm'
import { type Env, type SendBell, settings } from '../../env.ts'
import {
  agents,
  approvals,
  mailboxes,
  type RecipientKind,
  type SendInput,
  sends,
  templateVersions,
  tenants,
  traces,
} from '../../schema.ts'
import { bury } from '../dead-letters.ts'
import { type HumanizerNote, humanize } from '../humanizer/humanize.ts'
import { chosenStyle } from '../humanizer/style.ts'
import { buildMessage, type Party } from '../message.ts'
import { keepRendered, type Rendered, sha256 } from '../rendered.ts'
import { compileTemplate, renderTemplate } from '../rendering.ts'
import { refund } from '../reservations.ts'
import { RING_AGAIN_MS } from '../send/decide.ts'
import { largeInput } from '../send/prepare.ts'
import { appendTrace } from '../traces.ts'
import { oneClickHeaders, unsubscribeUrl } from '../unsubscribe.ts'
import { CLAIMS_AT_MOST, type Claimed, claimForRendering } from './claim.ts'

/**
 * Render one send into the bytes that will leave and put them where delivery and approval find them. Answers whether
 * the send is now ready to be delivered. What cannot be rendered fails, and its key and windows are given back.
 */
export async function renderSend(env: Env, bell: SendBell, clock: () => Date): Promise<{ isReady: boolean }> {
  const claimed = await claimForRendering(env, bell, clock())
  if (!claimed) return { isReady: false }
  if (claimed.send.claims > CLAIMS_AT_MOST) {
    await bury(claimed, 'render', 'rendering stopped making progress', clock())
    return { isReady: false }
  }
  const made = await compose(claimed, clock())
  if ('refusal' in made) {
    await fail(claimed, made.refusal, clock())
    return { isReady: false }
  }
  const key = await keepRendered(env, claimed.send.id, made.rendered)
  return { isReady: await finish(claimed, key, made, clock()) }
}

type Composed = { rendered: Rendered; humanizer: HumanizerNote | null }

async function compose(claimed: Claimed, now: Date): Promise<Composed | { refusal: string }> {
  const { env, db, send } = claimed
  const input = send.input ?? (await largeInput(env, send.inputKey))
  if (!input) return { refusal: 'the stored input is gone' }
  const [about] = await db
    .select({
      address: mailboxes.address,
      displayName: mailboxes.displayName,
      physicalAddress: tenants.physicalAddress,
      humanizer: { enabled: mailboxes.humanizerEnabled, style: mailboxes.humanizerStyle },
      agentConfig: agents.config,
    })
    .from(mailboxes)
    .innerJoin(tenants, eq(tenants.id, mailboxes.tenantId))
    .leftJoin(agents, and(eq(agents.tenantId, mailboxes.tenantId), eq(agents.id, send.agentId ?? '')))
    .where(and(eq(mailboxes.tenantId, send.tenantId), eq(mailboxes.id, send.mailboxId)))
  if (!about) return { refusal: 'the mailbox is gone' }

  const content = await contentOf(claimed, input, about.physicalAddress)
  if ('refusal' in content) return content
  const parties = (kind: RecipientKind): Party[] =>
    send.recipients.filter((each) => each.kind === kind).map(({ email, name }) => ({ email, name }))
  const { headers: ownHeaders, ...original } = content
  const draft = {
    messageId: `${send.id}@${settings(env).mailDomain}`,
    date: now,
    from: { email: about.address, name: about.displayName },
    to: parties('to'),
    cc: parties('cc'),
    bcc: parties('bcc'),
    replyTo: input.replyTo ? { email: input.replyTo, name: null } : null,
    headers: { ...merged(input.headers, ownHeaders), 'X-Moltpost-Send-Id': send.id },
  }
  const style = chosenStyle([
    { enabled: input.humanize, style: input.humanizeStyle },
    { enabled: about.agentConfig?.humanizer_enabled, style: about.agentConfig?.humanizer_style },
    about.humanizer,
  ])
  const values = [input.payload, about.physicalAddress]
  const reworded = style && (await humanize(env, original, { style, sendId: send.id, values }))
  let humanizer = reworded?.note ?? null
  let built = await buildMessage({ ...draft, ...(reworded?.wording ?? original) })
  if (!built.ok && humanizer && humanizer.used !== 'off') {
    humanizer = { ...humanizer, used: 'off', fallbackReason: 'failed' }
    built = await buildMessage({ ...draft, ...original })
  }
  if (!built.ok) return { refusal: `${built.field}: ${built.detail}` }
  const { messageId, from, to, cc, bcc, replyTo, subject, text, html, headers } = built.mail
  const raw = new TextDecoder().decode(built.raw)
  const hash = await sha256(built.raw)
  const rendered = { sha256: hash, messageId, from, to, cc, bcc, replyTo, subject, text, html, headers, raw }
  return { rendered, humanizer }
}

/** The caller's fields, but for those that the system sets itself, in whatever case they are spelt. */
function merged(asked: Record<string, string>, own: Record<string, string>): Record<string, string> {
  const names = new Set(Object.keys(own).map((name) => name.toLowerCase()))
  const others = Object.entries(asked).filter(([name]) => !names.has(name.toLowerCase()))
  return { ...Object.fromEntries(others), ...own }
}

type Content = {
  subject: string
  html: string | null
  text: string | null
  headers: Record<string, string>
}

/** The content in the version that was judged, whatever has been published since. */
async function contentOf(
  { env, db, send }: Claimed,
  input: SendInput,
  physicalAddress: string | null,
): Promise<Content | { refusal: string }> {
  if (input.inline) return { ...input.inline, headers: {} }
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
async function linkOf({ env, send }: Pick<Claimed, 'env' | 'send'>, input: SendInput) {
  const [only, ...others] = send.recipients
  if (!only || others.length > 0) return null
  const { tenantId } = send
  return await unsubscribeUrl(env, { tenantId, contact: only.contact, campaignId: input.campaignId })
}

async function finish(
  { db, send, hold }: Claimed,
  key: string,
  { rendered, humanizer }: Composed,
  now: Date,
): Promise<boolean> {
  const ringAgain = new Date(now.getTime() + RING_AGAIN_MS)
  const [changed] = await db.batch([
    db
      .update(sends)
      .set({
        state: sql`iif(${sends.state} = 'rendering', 'ready', ${sends.state})`,
        renderedKey: key,
        renderedSha256: rendered.sha256,
        messageId: rendered.messageId,
        claims: 0,
        claimUntil: null,
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
      .set({ sha256: rendered.sha256 })
      .where(
        and(
          eq(approvals.tenantId, send.tenantId),
          eq(approvals.id, send.approvalId ?? ''),
          eq(approvals.status, 'pending'),
        ),
      ),
  ])
  return changed[0]?.state === 'ready'
}

async function fail({ env, db, send, hold }: Claimed, refusal: string, now: Date): Promise<void> {
  await db.batch([
    db
      .update(sends)
      .set({
        state: 'failed',
        reason: 'render_failed',
        detail: refusal,
        burnedKey: null,
        nextAt: null,
        claimUntil: null,
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
  ])
  await refund({ env, now }, send.tenantId, [send.id])
}

function isHeld({ send, hold }: Pick<Claimed, 'send' | 'hold'>) {
  return and(eq(sends.tenantId, send.tenantId), eq(sends.id, send.id), eq(sends.claimToken, hold.token))
}
