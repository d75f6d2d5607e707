import { AsyncLocalStorage } from 'node:async_hooks'

/** All that a line of the log can say: ids, codes and numbers. There is no field for what anybody wrote. */
export type Facts = {
  requestId?: string
  tenantId?: string | null
  sendId?: string | null
  /** The ids of a batch's first and how many it asked for. */
  sends?: number
  arrivalId?: string
  deliveryId?: string
  archiveId?: string
  domainId?: string
  bondId?: string
  /** Which door was knocked at, and at which of its routes: the pattern, never the address that was asked for. */
  surface?: string | null
  method?: string
  route?: string
  tool?: string
  status?: number
  ms?: number
  queue?: string
  job?: string
  carrier?: string
  count?: number
  /** What came of it, and the code that says why. */
  outcome?: string
  reason?: string | null
}

type Level = 'info' | 'warn' | 'error'

/** What is being learnt of the request that is under way. */
const underWay = new AsyncLocalStorage<Facts>()

/** Does the work under these facts: each line that is written meanwhile bears them, and what is learnt is added to them. */
export async function within<Result>(facts: Facts, work: (facts: Facts) => Promise<Result>): Promise<Result> {
  return await underWay.run(facts, () => work(facts))
}

/** Adds to what the line of the request under way will say; of no effect outside of one. */
export function learn(facts: Facts): void {
  const known = underWay.getStore()
  if (known) Object.assign(known, facts)
}

/** Does a job that nobody waits for an answer of, and writes its one line: what it says came of it, or that it failed. */
export async function timed(event: string, work: () => Promise<Facts>): Promise<void> {
  const startedAt = Date.now()
  await within({}, async () => {
    try {
      const facts = await work()
      tell('info', event, { outcome: 'done', ...facts, ms: Date.now() - startedAt })
    } catch (error) {
      tellFailure(event, error, { outcome: 'failed', ms: Date.now() - startedAt })
      throw error
    }
  })
}

/** Writes one line of JSON: the one place where this Worker writes to its log. */
export function tell(level: Level, event: string, facts: Facts = {}): void {
  write(level, event, facts, {})
}

/** As `tell`, of something that broke. */
export function tellFailure(event: string, error: unknown, facts: Facts = {}, level: Level = 'error'): void {
  write(level, event, facts, describe(error))
}

function write(level: Level, event: string, facts: Facts, more: object) {
  const said = Object.entries({ ...underWay.getStore(), ...facts }).flatMap(([name, value]) => {
    if (value === null || value === undefined) return []
    return [[name, typeof value === 'number' ? value : name === 'reason' ? masked(value) : plain(value)]]
  })
  const line = { time: new Date().toISOString(), level, event, ...Object.fromEntries(said), ...more }
  const print = level === 'info' ? console.log : level === 'warn' ? console.warn : console.error
  print(JSON.stringify(line))
}

/** Ids and codes as they are. Whatever else has come to stand in their place is not repeated. */
function plain(value: string): string {
  return /^[\w.:{}/*+-]{1,160}$/.test(value) ? value : '…'
}

/** What a log may say of an error: its kind, its message without what the message quotes, and its place. */
function describe(error: unknown): { error: string; at: string[] } {
  if (!(error instanceof Error)) return { error: typeof error, at: [] }
  const reason = error.cause instanceof Error ? error.cause : error
  const at = (error.stack ?? '').match(/^ +at .*:\d+:\d+\)?$/gm) ?? []
  return { error: `${reason.name}: ${masked(reason.message)}`, at: at.slice(0, 8).map((each) => each.trim()) }
}

/**
 * A message can repeat what it was given: a query's its values, a parser's the text before its mistake, a fetch's its
 * address. Whatever is quoted, long, or looks like an address of any kind is left out, and all that follows `params:`.
 */
function masked(message: string): string {
  return message
    .replace(/params:[\s\S]*$/, 'params: …')
    .replace(/"[^"]*"?|'[^']*'?|`[^`]*`?|“[^”]*”?/g, '"…"')
    .replace(/\S*(@|:\/\/)\S*|\b\d+\.\d+\.\d+\.\d+\b|\b[\da-f]*:[\da-f]*:[\da-f:.]+|\S{32,}/gi, '…')
    .slice(0, 300)
}
