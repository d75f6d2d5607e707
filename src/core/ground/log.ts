import { AsyncLocalStorage } from 'node:async_hooks'

/** The fields of a log line: ids, codes and numbers. There is no field for texts that people wrote. */
export type Facts = {
  requestId?: string
  tenantId?: string | null
  sendId?: string | null
  /** How many sends a batch asked for. */
  sends?: number
  arrivalId?: string
  deliveryId?: string
  archiveId?: string
  domainId?: string
  bondId?: string
  /** The surface and the route. `route` is the pattern of the route, never the requested URL. */
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
  /** The outcome, and the code of its reason. */
  outcome?: string
  reason?: string | null
}

type Level = 'info' | 'warn' | 'error'

/** The facts of the current request. */
const current = new AsyncLocalStorage<Facts>()

/** Runs the work with these facts: every line logged meanwhile has them, and `learn` adds to them. */
export async function within<Result>(facts: Facts, work: (facts: Facts) => Promise<Result>): Promise<Result> {
  return await current.run(facts, () => work(facts))
}

/** Adds facts to the current request's log line. Has no effect outside `within`. */
export function learn(facts: Facts): void {
  const known = current.getStore()
  if (known) Object.assign(known, facts)
}

/** Runs a background job and logs one line: the facts it returns, or that it failed. */
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

/** Logs one line of JSON. This file is the only place where the Worker writes to its log. */
export function tell(level: Level, event: string, facts: Facts = {}): void {
  write(level, event, facts, {})
}

/** As `tell`, for an error. */
export function tellFailure(event: string, error: unknown, facts: Facts = {}, level: Level = 'error'): void {
  write(level, event, facts, describe(error))
}

function write(level: Level, event: string, facts: Facts, more: object) {
  const said = Object.entries({ ...current.getStore(), ...facts }).flatMap(([name, value]) => {
    if (value === null || value === undefined) return []
    return [[name, typeof value === 'number' ? value : name === 'reason' ? masked(value) : plain(value)]]
  })
  const line = { time: new Date().toISOString(), level, event, ...Object.fromEntries(said), ...more }
  const print = level === 'info' ? console.log : level === 'warn' ? console.warn : console.error
  print(JSON.stringify(line))
}

/** Returns an id or a code unchanged. Any other text is replaced, because it may be private. */
function plain(value: string): string {
  return /^[\w.:{}/*+-]{1,160}$/.test(value) ? value : '…'
}

/** What a log may say about an error: its name, its masked message, and its stack. */
function describe(error: unknown): { error: string; at: string[] } {
  if (!(error instanceof Error)) return { error: typeof error, at: [] }
  const reason = error.cause instanceof Error ? error.cause : error
  const at = (error.stack ?? '').match(/^ +at .*:\d+:\d+\)?$/gm) ?? []
  return { error: `${reason.name}: ${masked(reason.message)}`, at: at.slice(0, 8).map((each) => each.trim()) }
}

/**
 * An error message can repeat private input: the values of a query, the text that a parser read, the URL of a fetch. This
 * removes what is quoted, what is long, what looks like an address of any kind, and all that follows `params:`.
 */
function masked(message: string): string {
  return message
    .replace(/params:[\s\S]*$/, 'params: …')
    .replace(/"[^"]*"?|'[^']*'?|`[^`]*`?|“[^”]*”?/g, '"…"')
    .replace(/\S*(@|:\/\/)\S*|\b\d+\.\d+\.\d+\.\d+\b|\b[\da-f]*:[\da-f]*:[\da-f:.]+|\S{32,}/gi, '…')
    .slice(0, 300)
}
