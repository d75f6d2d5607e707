import { carrierPort } from '../carriers/index.ts'
import { deliverSends } from '../core/delivery/deliver.ts'
import type { SendBell } from '../core/journal/bells.ts'
import type { Env } from '../env.ts'

/** Delivers the sends, with the carriers of this installation. */
export async function deliver(env: Env, bells: SendBell[]): Promise<PromiseSettledResult<unknown>[]> {
  return await deliverSends(env, bells, carrierPort(env))
}
