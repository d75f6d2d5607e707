import type { Env } from '../../env.ts'
import { newId } from '../ground/ids.ts'
import { rateWindow, refund } from './reservations.ts'

type Throttled = { isLet: true; giveBack: () => Promise<void> } | { isLet: false; retryAt: Date }

/**
 * Counts one use of whatever `name` stands for in its UTC hour and day, or tells when there is room again. Of any number
 * at once no more are let through than the limits say; nobody's sends are counted there.
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
  if (answer?.spent) return { isLet: true, giveBack: () => refund(at, name, [id]) }
  // Where the day is used up too, coming back in the next hour would be in vain.
  const full = (answer?.snapshot.windows ?? []).filter(({ used, limit }) => used >= limit)
  return { isLet: false, retryAt: new Date(Math.max(now + 1_000, ...full.map(({ resetsAt }) => resetsAt))) }
}
