import { migrateLocally } from './core/ground/migrations.ts'
import { statement } from './core/ground/sql.ts'
import { seedDemo } from './core/local/demo.ts'
import { sweep } from './core/overview/sweep.ts'
import { isAtWorker, statesIn } from './core/policy/states.ts'
import type { Env } from './env.ts'

/** The least time between two sweeps, in ms. Requests start them, because cron never fires in local development. */
const SWEEP_EVERY_MS = 1_000

let opened: Promise<void> | null = null
let sweptAt = 0

/**
 * Does what wrangler and cron do in production: migrates the database and writes the demo world before the first answer,
 * and runs the sweep with later requests. Does nothing unless LOCAL is "1".
 */
export async function openLocally(env: Env, ctx: ExecutionContext): Promise<void> {
  if (env.LOCAL !== '1') return
  opened ??= open(env).catch((error: unknown) => {
    opened = null
    throw error
  })
  await opened
  const now = Date.now()
  if (now - sweptAt < SWEEP_EVERY_MS) return
  sweptAt = now
  ctx.waitUntil(sweep(env, new Date(now)).then(() => undefined))
}

async function open(env: Env): Promise<void> {
  await migrateLocally(env)
  await seedDemo(env, new Date())
  await resumeSends(env, new Date())
}

/** Local queues and their consumers end with the process, so their locks and bells are lost: makes those sends due now. */
async function resumeSends(env: Env, now: Date): Promise<void> {
  await makeDue.run(env, { now: now.getTime() })
}

const makeDue = statement(
  `UPDATE sends SET next_at = :now, lock_until = iif(lock_until IS NULL, NULL, :now)
     WHERE state IN ${statesIn((facts) => facts.waitsFor === 'verdict' || isAtWorker(facts))}
       OR (state = 'pending_approval' AND rendered_key IS NULL)`,
)
