import { type Env, settings } from '../../env.ts'
import { newId } from '../ground/ids.ts'
import { isLoopback, networkOf } from '../ground/network.ts'
import { rateWindow, refund } from './reservations.ts'

type Throttled = { isAllowed: true; giveBack: () => Promise<void> } | { isAllowed: false; retryAt: Date }

/**
 * Counts one use of `name` in its UTC hour and day, or tells when the next one is allowed. Concurrent calls never exceed the
 * limits. These uses are not sends and do not count against any mailbox.
 */
export async function throttle(
  at: { env: Env; now: Date },
  name: string,
  { hour, day }: { hour: number; day: number },
): Promise<Throttled> {
  const now = at.now.getTime()
  const id = newId('use', at.now)
  const use = { sendId: id, mailboxId: name, contacts: [], spend: true, leavesAt: now, cooldownMs: 0 }
  const endless = { hour: null, day: null, month: null }
  const limits = { [name]: { hour, day, month: null } }
  const [answer] = await rateWindow(at, name).reserve([use], limits, endless, now)
  if (answer?.spent) return { isAllowed: true, giveBack: () => refund(at, name, [id]) }
  // If the day is used up, too, the next hour would be too early.
  const full = (answer?.snapshot.windows ?? []).filter(({ used, limit }) => used >= limit)
  return {
    isAllowed: false,
    retryAt: new Date(Math.max(now + 1_000, ...full.map(({ resetsAt }) => resetsAt))),
  }
}

/**
 * Counts one use for the network of a client. Returns when the next use is allowed, or null if this one is. In local
 * development requests from this machine are not counted. Clients without a known address are counted together.
 */
export async function throttleNetwork(
  at: { env: Env; now: Date },
  name: string,
  clientAddress: string | null,
  limits: { hour: number; day: number },
): Promise<Date | null> {
  const isHere = clientAddress === null || isLoopback(clientAddress)
  if (settings(at.env).isLocal && isHere) return null
  const network = (clientAddress === null ? null : networkOf(clientAddress)) ?? 'unknown'
  const counted = await throttle(at, `${name} from ${network}`, limits)
  return counted.isAllowed ? null : counted.retryAt
}
