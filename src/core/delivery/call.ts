import { tracing } from 'cloudflare:workers'
import { type Env, settings } from '../../env.ts'
import { bounceDomain } from '../accounts/domains/records.ts'
import { sha256 } from '../ground/hash.ts'
import { ringAll } from '../journal/bells.ts'
import { type Rendered, readFiles } from '../letters/rendered.ts'
import { returnPath } from '../reading/bounces/return-path.ts'

import type { Carrier, CarrierName, Outcome, OutgoingMessage } from './carrier.ts'
import { depart } from './depart.ts'
import { reportHealth } from './health.ts'
import type { Locked } from './lock.ts'
import type { Following } from './next-state.ts'
import { recordOutcome, refusedBy } from './outcome.ts'

/** The files and the bytes of a message. */
type Content = Pick<OutgoingMessage, 'attachments' | 'raw'>

/** One locked send while it is being delivered. */
export type Turn = {
  locked: Locked
  rendered: Rendered
  content: () => Promise<Content>
  carriers: ReadonlyMap<CarrierName, Carrier>
  clock: () => Date
}

type Call = {
  /** The recipients that this carrier still has to be asked for. */
  open: string[]
  /** Those of them that this call is for. */
  asked: string[]
  /** Recipients that were refused for now by earlier calls of this turn. */
  postponed: string[]
  /** What follows at once if this carrier has been asked for all of them. */
  otherwise: Following
}

type Called = {
  /** The send is still locked, and more is to be done at once. */
  goesOn: boolean
  /** The recipients that this carrier still has to be asked for. */
  waiting: string[]
  /** The recipients that were refused for now in this turn. */
  postponed: string[]
  /** The recipients for the next carrier, once none is waiting. */
  unserved: string[]
}

/** One call to one carrier, recorded before and after. */
export async function callCarrier(
  turn: Turn,
  { carrier, reportsByMail }: { carrier: Carrier; reportsByMail: boolean },
  { open, asked, postponed, otherwise }: Call,
): Promise<Called> {
  const { locked, clock } = turn
  const { env, send, hold } = locked
  const message = await messageFor(turn, reportsByMail, asked)
  const departure = await depart(locked, carrier.name, { asked, open: [...open, ...postponed] }, clock())
  if (!departure.departed) return { goesOn: false, waiting: [], postponed, unserved: [] }
  const { outcome, latencyMs } = await timedCall(carrier, message)
  await reportHealth(env, carrier.name, outcome, clock())
  // An answer about those asked leaves the others a call of their own; any other answer is about the whole message.
  const isTheirs = isAboutRecipients(outcome, asked)
  const waiting = isTheirs ? open.filter((email) => !asked.includes(email)) : []
  const later = [...postponed, ...(isTheirs ? refusedForNow(outcome) : [])]
  const isLast = waiting.length === 0
  const settled = isTheirs ? asked : open
  const { state, waitMs } = await recordOutcome(
    locked,
    isLast ? [...settled, ...postponed] : asked,
    outcome,
    {
      now: clock(),
      carrier: carrier.name,
      asked,
      isPostponed: later.length > 0,
      callsInRound: reportsByMail ? send.recipients.length : 1,
      replayableMs: carrier.idempotencyMs,
      following: isLast ? otherwise : 'other_recipients',
      latencyMs,
    },
  )
  if (waitMs !== null) await ringAll(env.DELIVER, [{ ...hold, afterMs: waitMs }])
  const unserved = isTheirs ? later : [...open, ...postponed]
  return { goesOn: state === 'claimed', waiting, postponed: later, unserved }
}

async function timedCall(carrier: Carrier, message: OutgoingMessage) {
  const startedAt = Date.now()
  const outcome = await tracing.enterSpan('carrier', async (span) => {
    const answer = await carrier.send(message)
    span.setAttributes({ carrier: carrier.name, sendId: message.sendId, outcome: answer.kind })
    return answer
  })
  return { outcome, latencyMs: Date.now() - startedAt }
}

function isAboutRecipients(outcome: Outcome, asked: string[]): boolean {
  if (outcome.kind === 'accepted') return true
  return 'recipients' in outcome && outcome.recipients.length >= asked.length
}

/** The recipients that may be tried again. */
function refusedForNow(outcome: Outcome): string[] {
  return refusedBy(outcome).flatMap(({ email, permanent }) => (permanent ? [] : email))
}

/** Gives the content of a message, and reads it once: at a relay, each recipient has a call of their own. */
export function contentOf(env: Env, { files, raw }: Rendered): () => Promise<Content> {
  let reading: Promise<Content> | null = null
  const read = async () => ({
    attachments: await readFiles(env, files ?? []),
    raw: new TextEncoder().encode(raw),
  })
  return () => {
    reading ??= read()
    return reading
  }
}

async function messageFor(
  { locked: { env, send }, rendered, content }: Turn,
  reportsByMail: boolean,
  recipients: string[],
): Promise<OutgoingMessage> {
  const { from, to, cc, bcc, replyTo, subject, text, html, headers, messageId } = rendered
  return {
    tenantId: send.tenantId,
    sendId: send.id,
    idempotencyKey: await idempotencyKeyOf(send.id, recipients),
    messageId,
    envelopeFrom: reportsByMail
      ? await bounceAddress(env, send, { from: from.email, recipients })
      : from.email,
    recipients,
    from,
    to,
    cc,
    bcc,
    replyTo,
    subject,
    text,
    html,
    headers: { ...headers, 'Message-ID': `<${messageId}>` },
    ...(await content()),
  }
}

/** One key for one set of recipients: to a carrier, the same message to fewer recipients is another message. */
async function idempotencyKeyOf(sendId: string, recipients: string[]): Promise<string> {
  return `${sendId}-${(await sha256(recipients.join(','))).slice(0, 16)}`
}

/**
 * The address to which a relay reports bounces. It names the send and the one recipient of the call, with a proof. Other
 * carriers report by events.
 */
async function bounceAddress(
  env: Env,
  send: Locked['send'],
  { from, recipients }: { from: string; recipients: string[] },
): Promise<string> {
  const { tokenSecret, mailDomain } = settings(env)
  if (tokenSecret === null) return from
  const [only, ...others] = recipients
  const position = send.recipients.findIndex(({ email }) => email === only)
  if (others.length > 0 || position < 0)
    throw new Error('a return path is for exactly one recipient of the send')
  // In the author's domain, so that its SPF record covers this address, too.
  const domain = send.domainId === null ? mailDomain : bounceDomain(from.slice(from.lastIndexOf('@') + 1))
  return await returnPath(tokenSecret, domain, { sendId: send.id, position })
}
