import { DurableObject } from 'cloudflare:workers'
import {
  type Limits,
  type Unit,
  type WindowSnapshot,
  type WindowUse,
  windowEnd,
  windowRefusal,
  windowStart,
} from '../core/policy/windows.ts'

/** One send that asks for a unit of its windows. Without `spend` nothing is spent. */
export type WindowRequest = {
  sendId: string
  mailboxId: string
  /** The mailbox in whose windows and cooldowns the send counts, if it is another one. */
  windowId?: string
  contacts: string[]
  spend: boolean
  leavesAt: number
  cooldownMs: number
}

type WindowAnswer = { sendId: string; spent: boolean; snapshot: WindowSnapshot }

type Usage = Record<Unit, { start: number; used: number }>
type Stored = {
  at: number
  mailboxId: string
  spends: { contact: string; before: number | null }[]
  snapshot: WindowSnapshot
}

const UNITS: Unit[] = ['hour', 'day', 'month']
const KEPT_MS = 86_400_000
/** The row of the plan's windows, beside the rows of the mailboxes. */
const PLAN = '*'

/**
 * One object per tenant: the windows and cooldowns of its mailboxes, and its plan's limits. Judging and spending is one
 * synchronous turn, so concurrent sends cannot exceed a limit. A reservation belongs to a send id: asked twice, spent once.
 */
export class RateWindow extends DurableObject {
  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as never)
    ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS usage (scope TEXT PRIMARY KEY, usage TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS cooldowns (
        mailbox_id TEXT NOT NULL, contact TEXT NOT NULL, at INTEGER NOT NULL, send_id TEXT NOT NULL,
        PRIMARY KEY (mailbox_id, contact)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS reservations (
        send_id TEXT PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
    `)
  }

  /** Judges the requests in order, and spends if asked and allowed. Later requests see what earlier ones spent. */
  reserve(
    requests: WindowRequest[],
    limits: Record<string, Limits>,
    plan: Limits,
    now: number,
  ): WindowAnswer[] {
    return this.ctx.storage.transactionSync(() => {
      const { answers, spent, usages } = this.judged(requests, limits, plan, now)
      if (spent.length > 0) this.keepSpent(spent, usages, now)
      return answers
    })
  }

  /** What `reserve` would answer. Spends nothing. */
  peek(requests: WindowRequest[], limits: Record<string, Limits>, plan: Limits, now: number): WindowAnswer[] {
    return this.judged(requests, limits, plan, now).answers
  }

  /** Gives back what sends had reserved in windows that have not ended since. Unknown sends are ignored. */
  refund(sendIds: string[], now: number): void {
    this.ctx.storage.transactionSync(() => {
      for (const sendId of sendIds) {
        const stored = this.reservations([sendId]).get(sendId)
        if (!stored) continue
        for (const scope of [stored.mailboxId, PLAN]) {
          const usage = this.usage(scope, now)
          for (const unit of UNITS) {
            if (windowStart(unit, stored.at) !== usage[unit].start) continue
            usage[unit].used = Math.max(0, usage[unit].used - 1)
          }
          this.keep(scope, usage)
        }
        for (const { contact, before } of stored.spends) {
          const key = [stored.mailboxId, contact, sendId]
          if (before === null) {
            this.ctx.storage.sql.exec(
              'DELETE FROM cooldowns WHERE mailbox_id = ? AND contact = ? AND send_id = ?',
              ...key,
            )
          } else {
            this.ctx.storage.sql.exec(
              'UPDATE cooldowns SET at = ? WHERE mailbox_id = ? AND contact = ? AND send_id = ?',
              before,
              ...key,
            )
          }
        }
        this.ctx.storage.sql.exec('DELETE FROM reservations WHERE send_id = ?', sendId)
      }
    })
  }

  /** How much of the windows of a mailbox and of the plan is used now. Spends nothing. */
  look(mailboxId: string, limits: Limits, plan: Limits, now: number): WindowUse[] {
    return [
      ...uses('mailbox', this.usage(mailboxId, now), limits, now),
      ...uses('plan', this.usage(PLAN, now), plan, now),
    ]
  }

  /** Deletes everything. */
  async erase(): Promise<void> {
    this.ctx.storage.sql.exec('DELETE FROM usage; DELETE FROM cooldowns; DELETE FROM reservations')
    this.ctx.storage.kv.delete('tidyAt')
    await this.ctx.storage.deleteAlarm()
  }

  override async alarm() {
    const now = Date.now()
    this.ctx.storage.sql.exec('DELETE FROM reservations WHERE at < ?', now - KEPT_MS)
    this.ctx.storage.sql.exec('DELETE FROM cooldowns WHERE at < ?', now - KEPT_MS)
    this.ctx.storage.kv.delete('tidyAt')
  }

  /** Judges in order and spends in memory only. */
  private judged(requests: WindowRequest[], limits: Record<string, Limits>, plan: Limits, now: number) {
    const known = this.reservations(requests.map((request) => request.sendId))
    const lastSent = this.lastSent(requests)
    const usages = new Map<string, Usage>()
    const usage = (scope: string) => {
      const use = usages.get(scope) ?? this.usage(scope, now)
      usages.set(scope, use)
      return use
    }
    const spent: (Stored & { sendId: string })[] = []
    const answers = requests.map((request): WindowAnswer => {
      const { sendId } = request
      const mailboxId = windowOf(request)
      const stored = known.get(sendId)
      if (stored) return { sendId, spent: true, snapshot: stored.snapshot }

      const contacts = request.cooldownMs === 0 ? [] : request.contacts
      const spends = contacts.map((contact) => ({
        contact,
        before: lastSent.get(pair(mailboxId, contact)) ?? null,
      }))
      const snapshot: WindowSnapshot = {
        cooldowns: spends
          .map(({ contact, before }) => ({ contact, until: (before ?? 0) + request.cooldownMs }))
          .filter(({ until }) => until > now),
        windows: [
          ...uses('mailbox', usage(mailboxId), limits[request.mailboxId], now),
          ...uses('plan', usage(PLAN), plan, now),
        ],
      }
      if (!request.spend || windowRefusal(snapshot, request.leavesAt)) {
        return { sendId, spent: false, snapshot }
      }
      for (const scope of [mailboxId, PLAN]) for (const unit of UNITS) usage(scope)[unit].used += 1
      for (const contact of contacts) lastSent.set(pair(mailboxId, contact), now)
      spent.push({ sendId, at: now, mailboxId, spends, snapshot })
      return { sendId, spent: true, snapshot }
    })
    return { answers, spent, usages }
  }

  private reservations(sendIds: string[]): Map<string, Stored> {
    const rows = this.ctx.storage.sql.exec(
      'SELECT send_id, body FROM reservations WHERE send_id IN (SELECT value FROM json_each(?))',
      JSON.stringify(sendIds),
    )
    return new Map([...rows].map((row) => [String(row.send_id), JSON.parse(String(row.body)) as Stored]))
  }

  /** When each mailbox last sent to each contact, for the requests that a cooldown could refuse. */
  private lastSent(requests: WindowRequest[]): Map<string, number> {
    const asked = requests
      .filter((request) => request.cooldownMs > 0)
      .flatMap((request) => request.contacts.map((contact) => [windowOf(request), contact]))
    if (asked.length === 0) return new Map()
    const rows = this.ctx.storage.sql.exec(
      `SELECT c.mailbox_id, c.contact, c.at FROM json_each(?) a
       CROSS JOIN cooldowns c ON c.mailbox_id = a.value ->> 0 AND c.contact = a.value ->> 1`,
      JSON.stringify(asked),
    )
    return new Map(
      [...rows].map((row) => [pair(String(row.mailbox_id), String(row.contact)), Number(row.at)]),
    )
  }

  private keepSpent(spent: (Stored & { sendId: string })[], usages: Map<string, Usage>, now: number) {
    const { sql } = this.ctx.storage
    sql.exec(
      `INSERT INTO reservations (send_id, at, body)
       SELECT value ->> 0, ?2, value ->> 1 FROM json_each(?1)`,
      JSON.stringify(spent.map(({ sendId, ...stored }) => [sendId, JSON.stringify(stored)])),
      now,
    )
    const cooled = spent.flatMap(({ sendId, mailboxId, spends }) =>
      spends.map(({ contact }) => [mailboxId, contact, sendId]),
    )
    if (cooled.length > 0) {
      sql.exec(
        `INSERT INTO cooldowns (mailbox_id, contact, at, send_id)
         SELECT value ->> 0, value ->> 1, ?2, value ->> 2 FROM json_each(?1) WHERE true
         ON CONFLICT DO UPDATE SET at = excluded.at, send_id = excluded.send_id`,
        JSON.stringify(cooled),
        now,
      )
    }
    const changed = new Set([PLAN, ...spent.map(({ mailboxId }) => mailboxId)])
    for (const [scope, usage] of usages) if (changed.has(scope)) this.keep(scope, usage)
    this.tidyLater(now)
  }

  private usage(scope: string, now: number): Usage {
    const [row] = this.ctx.storage.sql.exec('SELECT usage FROM usage WHERE scope = ?', scope).toArray()
    const stored = row ? (JSON.parse(String(row.usage)) as Usage) : null
    const current = (unit: Unit) => {
      const start = windowStart(unit, now)
      const kept = stored?.[unit]
      return kept && kept.start >= start ? kept : { start, used: 0 }
    }
    return { hour: current('hour'), day: current('day'), month: current('month') }
  }

  private keep(scope: string, usage: Usage) {
    this.ctx.storage.sql.exec(
      'INSERT INTO usage (scope, usage) VALUES (?, ?) ON CONFLICT DO UPDATE SET usage = excluded.usage',
      scope,
      JSON.stringify(usage),
    )
  }

  private tidyLater(now: number) {
    if (this.ctx.storage.kv.get('tidyAt')) return
    this.ctx.storage.kv.put('tidyAt', now + KEPT_MS)
    void this.ctx.storage.setAlarm(Date.now() + KEPT_MS)
  }
}

const windowOf = ({ mailboxId, windowId = mailboxId }: WindowRequest) => windowId

const pair = (mailboxId: string, contact: string) => `${mailboxId} ${contact}`

function uses(scope: 'mailbox' | 'plan', usage: Usage, limits: Limits | undefined, now: number): WindowUse[] {
  return UNITS.flatMap((unit) => {
    const limit = limits?.[unit] ?? null
    if (limit === null) return []
    return [{ scope, unit, limit, used: usage[unit].used, resetsAt: windowEnd(unit, now) }]
  })
}
