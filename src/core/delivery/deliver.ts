import type { Env } from '../../env.ts'
import { ringAll, type SendBell } from '../journal/bells.ts'
import { readRendered } from '../letters/rendered.ts'

import { callCarrier, contentOf, type Turn } from './call.ts'
import type { CarrierName, CarrierPort } from './carrier.ts'
import { choose, parseWeights, servable, type Weights } from './choice.ts'
import { giveUp } from './dead-letters.ts'
import { healthyOf } from './health.ts'
import { LOCKS_AT_MOST, type Locked, lockForDelivery } from './lock.ts'
import { ownCarriersOf, ownDelivery } from './mailbox.ts'
import { remainingRecipients } from './recipients.ts'
import { waitForCarrier } from './retry.ts'

/** Delivers several sends side by side. Each has a result of its own. */
export async function deliverSends(
  env: Env,
  bells: SendBell[],
  port: CarrierPort,
): Promise<PromiseSettledResult<void>[]> {
  return await Promise.allSettled(bells.map((bell) => deliverSend(env, bell, port, () => new Date())))
}

/**
 * Takes one send as far as it can go now: first to our own mailboxes, then to a carrier chosen by weight and health. After
 * a definite refusal the next carrier is asked at once.
 */
export async function deliverSend(
  env: Env,
  bell: SendBell,
  port: CarrierPort,
  clock: () => Date,
): Promise<void> {
  const locked = await lockForDelivery(env, bell, clock(), replayable(port))
  if (!locked) return
  const { send } = locked
  if (send.locks > LOCKS_AT_MOST) {
    return await giveUp(locked, 'deliver', 'delivery stopped making progress', clock())
  }
  const rendered = await readRendered(env, send.renderedKey)
  if (!rendered) return await giveUp(locked, 'deliver', 'the rendered message is gone', clock())
  const recipients = await remainingRecipients(locked)
  if (recipients.length === 0) {
    return await giveUp(locked, 'deliver', 'no recipient is left to be served', clock())
  }
  const emails = (isInternal: boolean) =>
    recipients.filter((each) => each.isInternal === isInternal).map(({ email }) => email)
  const carriers = port.open(ownDelivery(env, clock))
  const turn: Turn = { locked, rendered, content: contentOf(env, rendered), clock, carriers }
  const isDone = await deliverInside(turn, emails(true), emails(false).length > 0)
  if (!isDone) await deliverOutside(turn, port, emails(false))
}

function replayable({ capabilities }: CarrierPort): string[] {
  return Object.entries(capabilities).flatMap(([name, { idempotencyMs }]) =>
    idempotencyMs === null ? [] : name,
  )
}

/** Returns whether this turn is over. A send pinned to an outside carrier is resolved there first. */
async function deliverInside(turn: Turn, recipients: string[], hasOthers: boolean): Promise<boolean> {
  const { send } = turn.locked
  const carrier = turn.carriers.get('internal')
  const isPinnedOutside = send.ambiguousAt !== null && send.carrier !== 'internal'
  if (recipients.length === 0 || !carrier || isPinnedOutside) return false
  const otherwise = hasOthers ? 'other_recipients' : null
  const { goesOn } = await callCarrier(
    turn,
    { carrier, reportsByMail: false },
    { open: recipients, asked: recipients, postponed: [], otherwise },
  )
  return !goesOn
}

async function deliverOutside(turn: Turn, port: CarrierPort, recipients: string[]): Promise<void> {
  const { locked, rendered, carriers, clock } = turn
  const { env, send } = locked
  const weights = new Map([...(await weightsOf(locked))].filter(([name]) => carriers.has(name)))
  const pinned = send.ambiguousAt ? (send.carrier as CarrierName) : null
  const healthy = await healthyOf(env, [...weights.keys()], clock())
  const excluded = new Set<CarrierName>()
  const next = () => choose({ weights, healthy, excluded, pinned, random: Math.random })
  let open = recipients
  let postponed: string[] = []
  // An ambiguous attempt is repeated for the same recipients; the others follow after it.
  let repeated = pinned && send.pinnedRecipients
  for (let name = next(); ; ) {
    const carrier = name === null ? undefined : carriers.get(name)
    if (name === null || !carrier) {
      const afterMs = await waitForCarrier(locked, clock())
      if (afterMs !== null) await ringAll(env.DELIVER, [{ ...locked.hold, afterMs }])
      return
    }
    excluded.add(name)
    const following = pinned === null ? next() : null
    const { reportsByMail } = port.capabilities[name]
    const asked = repeated ?? servable(port.capabilities[name], rendered, open)
    const otherwise = following ? 'next_carrier' : null
    const called = await callCarrier(turn, { carrier, reportsByMail }, { open, asked, postponed, otherwise })
    if (!called.goesOn) return
    repeated = null
    if (called.waiting.length > 0) {
      open = called.waiting
      postponed = called.postponed
    } else if (following === null) return
    else {
      name = following
      open = called.unserved
      postponed = []
    }
  }
}

async function weightsOf(locked: Locked): Promise<Weights> {
  const own = await ownCarriersOf(locked)
  if (own === null || own.length === 0) return parseWeights(locked.env.CARRIERS)
  return parseWeights(own.map(({ carrier, weight }) => `${carrier}:${weight}`).join(', '))
}
