import { tracing } from 'cloudflare:workers'
import { CAPABILITIES } from '../carriers/capability.ts'
import { carriers, choose, isWatched, parseWeights, type Weights } from '../carriers/index.ts'
import { servable } from '../carriers/message.ts'
import { bounceDomain } from '../core/accounts/domains/records.ts'
import { depart, putBack, recordOutcome, remainingRecipients } from '../core/delivery/attempt.ts'
import type { Carrier, CarrierName, Outcome, OutgoingMessage } from '../core/delivery/carrier.ts'
import { bury } from '../core/delivery/dead-letters.ts'
import { LOCKS_AT_MOST, type Locked, lockForDelivery } from '../core/delivery/lock.ts'
import { carriersOf, receive } from '../core/delivery/mailbox.ts'
import { sha256 } from '../core/ground/hash.ts'
import { ringAll, type SendBell } from '../core/journal/bells.ts'
import { type Rendered, readFiles, readRendered } from '../core/letters/rendered.ts'
import { returnPath } from '../core/reading/bounces/return-path.ts'
import { type Env, settings } from '../env.ts'

const REPLAYABLE = Object.entries(CAPABILITIES).flatMap(([name, { idempotencyMs }]) =>
  idempotencyMs === null ? [] : name,
)

type Clock = () => Date

/** Deliver each send, side by side. */
export async function deliver(env: Env, bells: SendBell[]): Promise<PromiseSettledResult<unknown>[]> {
  return await Promise.allSettled(bells.map((bell) => deliverSend(env, bell, () => new Date())))
}

/**
 * Take one send and carry it as far as it will go now: our own recipients first, then a carrier chosen by weight and
 * health, and after a definite refusal the next one at once.
 */
export async function deliverSend(env: Env, bell: SendBell, clock: Clock): Promise<void> {
  const locked = await lockForDelivery(env, bell, clock(), REPLAYABLE)
  if (!locked) return
  if (locked.send.locks > LOCKS_AT_MOST) {
    await bury(locked, 'deliver', 'delivery stopped making progress', clock())
    return
  }
  const rendered = await readRendered(env, locked.send.renderedKey)
  if (!rendered) {
    await bury(locked, 'deliver', 'the rendered message is gone', clock())
    return
  }
  const recipients = await remainingRecipients(locked)
  const ours = recipients.filter(({ isOurs }) => isOurs).map(({ email }) => email)
  const others = recipients.filter(({ isOurs }) => !isOurs).map(({ email }) => email)
  if (recipients.length === 0) {
    await bury(locked, 'deliver', 'no recipient is left to be served', clock())
    return
  }
  const known = carriersFor(env, clock)
  const own = known.get('internal')
  const isPinnedOutside = locked.send.ambiguousAt !== null && locked.send.carrier !== 'internal'
  if (ours.length > 0 && own && !isPinnedOutside) {
    const then = others.length > 0 ? 'other_recipients' : null
    const message = await messageFor(locked, rendered, ours)
    const { state } = await attempt(locked, own, message, ours, then, clock)
    if (state !== 'claimed') return
  }
  await deliverOutside(locked, rendered, others, known, clock)
}

async function deliverOutside(
  locked: Locked,
  rendered: Rendered,
  recipients: string[],
  known: Map<CarrierName, Carrier>,
  clock: Clock,
): Promise<void> {
  const { env, send } = locked
  const weights = usable(await weightsOf(locked), known)
  const pinned = send.ambiguousAt ? (send.carrier as CarrierName) : null
  let open = recipients
  // What had no clear answer is repeated to the same recipients, and the others have their turn after it.
  let repeated = pinned && send.pinnedRecipients
  const excluded = new Set<CarrierName>()
  const healthy = await healthyOf(env, weights, clock())
  const next = () => choose({ weights, healthy, excluded, pinned, random: Math.random })
  for (let name = next(); ; ) {
    const carrier = name === null ? undefined : known.get(name)
    if (name === null || !carrier) {
      await ringAgain(locked, await putBack(locked, clock()))
      return
    }
    excluded.add(name)
    const following = pinned === null ? next() : null
    const message = await messageFor(locked, rendered, open)
    const then = following ? 'next_carrier' : null
    const asked = repeated ?? servable(name, message, open)
    const { state, waiting } = await attempt(locked, carrier, message, asked, then, clock)
    repeated = null
    if (state !== 'claimed') return
    if (waiting.length > 0) open = waiting
    else if (following === null) return
    else name = following
  }
}

/** One call to one carrier for those asked for. `waiting` are the other recipients, where they have their turn now. */
async function attempt(
  locked: Locked,
  carrier: Carrier,
  message: OutgoingMessage,
  asked: string[],
  otherwise: 'next_carrier' | 'other_recipients' | null,
  clock: Clock,
): Promise<{ state: string; waiting: string[] }> {
  const departure = await depart(locked, carrier.name, asked, clock())
  if (!departure.departed) {
    return { state: departure.state === 'claimed' ? 'lost' : departure.state, waiting: [] }
  }
  const idempotencyKey = await keyFor(locked.send.id, asked)
  const envelopeFrom = carrier.name === 'smtp' ? await bounceAddress(locked, message) : message.envelopeFrom
  const startedAt = Date.now()
  const outcome = await tracing.enterSpan('carrier', async (span) => {
    const answer = await carrier.send({ ...message, recipients: asked, idempotencyKey, envelopeFrom })
    span.setAttributes({ carrier: carrier.name, sendId: message.sendId, outcome: answer.kind })
    return answer
  })
  const latencyMs = Date.now() - startedAt
  if (isWatched(carrier.name)) {
    const isWell = outcome.kind === 'accepted' || outcome.kind === 'refused_permanent'
    await health(locked.env, carrier.name).report(isWell, clock().getTime())
  }
  // An answer about those asked leaves the others their turn; any other answer holds for all of the message.
  const waiting = settles(outcome, asked) ? message.recipients.filter((email) => !asked.includes(email)) : []
  const then = waiting.length > 0 ? 'other_recipients' : otherwise
  const attempted = waiting.length > 0 ? asked : message.recipients
  const { state, waitMs } = await recordOutcome(locked, attempted, outcome, {
    now: clock(),
    carrier: carrier.name,
    asked,
    replayableMs: carrier.idempotencyMs,
    then,
    latencyMs,
  })
  await ringAgain(locked, waitMs)
  return { state, waiting }
}

function settles(outcome: Outcome, asked: string[]): boolean {
  if (outcome.kind === 'accepted') return true
  return outcome.kind === 'refused_permanent' && outcome.recipients.length >= asked.length
}

/** The same recipients under the same key: for fewer of them it would be another message to the carrier. */
async function keyFor(sendId: string, recipients: string[]): Promise<string> {
  return `${sendId}-${(await sha256(recipients.join(','))).slice(0, 16)}`
}

async function ringAgain({ env, hold }: Locked, afterMs: number | null): Promise<void> {
  if (afterMs !== null) await ringAll(env.DELIVER, [{ ...hold, afterMs }])
}

function carriersFor(env: Env, clock: Clock): Map<CarrierName, Carrier> {
  return carriers(env, {
    clientName: settings(env).mailDomain,
    timeoutMs: env.CARRIER_TIMEOUT_MS ? Number(env.CARRIER_TIMEOUT_MS) : undefined,
    capture: settings(env).isLocal ? { db: env.DB, now: clock } : undefined,
    email: env.EMAIL,
    internal: {
      deliver: async (message) => {
        const refused = await receive(env, clock(), message)
        return refused.map((email) => ({
          email,
          permanent: true,
          code: '550',
          detail: '5.1.1 no such mailbox',
        }))
      },
    },
  })
}

async function weightsOf(locked: Locked): Promise<Weights> {
  const own = await carriersOf(locked)
  if (own === null || own.length === 0) return parseWeights(locked.env.CARRIERS)
  return parseWeights(own.map(({ carrier, weight }) => `${carrier}:${weight}`).join(', '))
}

function usable(weights: Weights, known: Map<CarrierName, Carrier>): Weights {
  return new Map([...weights].filter(([name]) => known.has(name)))
}

async function healthyOf(env: Env, weights: Weights, now: Date): Promise<Set<CarrierName>> {
  const names = [...weights.keys()]
  const permitted = await Promise.all(
    names.map((name) => !isWatched(name) || names.length === 1 || health(env, name).permit(now.getTime())),
  )
  return new Set(names.filter((_, position) => permitted[position]))
}

function health(env: Env, carrier: CarrierName) {
  return env.CARRIER_HEALTH.get(env.CARRIER_HEALTH.idFromName(carrier))
}

/** Where a relay reports to: an address that names the send and proves it. Other carriers report by events. */
async function bounceAddress({ env, send }: Locked, { envelopeFrom }: OutgoingMessage): Promise<string> {
  const { tokenSecret, mailDomain } = settings(env)
  if (tokenSecret === null) return envelopeFrom
  // In the domain of the author, so that SPF speaks for it too.
  const domain =
    send.domainId === null ? mailDomain : bounceDomain(envelopeFrom.slice(envelopeFrom.lastIndexOf('@') + 1))
  return await returnPath(tokenSecret, domain, send.id)
}

async function messageFor(
  { env, send }: Locked,
  rendered: Rendered,
  recipients: string[],
): Promise<OutgoingMessage> {
  const { from, to, cc, bcc, replyTo, subject, text, html, headers, messageId, raw } = rendered
  return {
    tenantId: send.tenantId,
    sendId: send.id,
    idempotencyKey: send.id,
    messageId,
    envelopeFrom: from.email,
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
    attachments: await readFiles(env, rendered.files ?? []),
    raw: new TextEncoder().encode(raw),
  }
}
