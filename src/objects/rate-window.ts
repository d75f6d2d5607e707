import { DurableObject } from 'cloudflare:workers'
import {
  type Limits,
  type Unit,
  type WindowSnapshot,
  type WindowUse,
  windowEnd,
  windowRefusal,
  windowStart,
} from '../core/windows.ts'

/** One send that asks for a unit of its windows. Without `spend` they are only looked at. */
export type WindowRequest = {
  sendId: string
  mailboxId: string
  contacts: string[]
  spend: boolean
  leavesAt: number
  cooldownMs: number
}

export type WindowAnswer = { sendId: string; spent: boolean; snapshot: WindowSnapshot }

type Usage = Record<Unit, { start: number; used: number }>
type Stored = {
  at: number
  mailboxId: string
  spends: { contact: string; before: number | null }[]
  snapshot: WindowSnapshot
}

const UNITS: Unit[] = ['hour', 'day', 'month']
const KEPT_MS = 86_400_000
/** The plan's windows live in the row of this name, beside the rows of the mailboxes. */
const PLAN = '*'

/**
 * One object per tenant: every window and cooldown of its mailboxes, and its plan's caps. Judging and spending is one
 * synchronous turn, so concurrent sends cannot overshoot. A reservation is keyed by send id: asked twice, spent once.
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

  /** Judges each request in order, spending where asked and nothing refuses. Later requests see what earlier ones spent. */
  reserve(
    requests: WindowRequest[],
    limits: Record<string, Limits>,
    plan: Limits,
    now: number,
  ): WindowAnswer[] {
    return this.ctx.storage.transactionSync(() => {
      const usages = new Map<string, Usage>()
      const changed = new Set<string>()
      const usage = (scope: string) => {
        const known = usages.get(scope) ?? this.usage(scope, now)
        usages.set(scope, known)
        return known
      }
      const answers = requests.map((request): WindowAnswer => {
        const stored = this.reservation(request.sendId)
        if (stored) return { sendId: request.sendId, spent: true, snapshot: stored.snapshot }

        const cooldowns = this.cooldowns(request)
        const snapshot: WindowSnapshot = {
          cooldowns: cooldowns
            .map(({ contact, at }) => ({ contact, until: (at ?? 0) + request.cooldownMs }))
            .filter(({ until }) => until > now),
          windows: [
            ...uses('mailbox', usage(request.mailboxId), limits[request.mailboxId], now),
            ...uses('plan', usage(PLAN), plan, now),
          ],
        }
        if (!request.spend || windowRefusal(snapshot, request.leavesAt)) {
          return { sendId: request.sendId, spent: false, snapshot }
        }
        for (const scope of [request.mailboxId, PLAN]) {
          for (const unit of UNITS) usage(scope)[unit].used += 1
          changed.add(scope)
        }
        this.spend(request, snapshot, cooldowns, now)
        return { sendId: request.sendId, spent: true, snapshot }
      })
      for (const scope of changed) this.keep(scope, usage(scope))
      if (changed.size > 0) this.tidyLater(now)
      return answers
    })
  }

  /** Gives back what a send had reserved, where its windows have not turned over since. Unknown sends are ignored. */
  refund(sendIds: string[], now: number): void {
    this.ctx.storage.transactionSync(() => {
      for (const sendId of sendIds) {
        const stored = this.reservation(sendId)
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
          const mine = [stored.mailboxId, contact, sendId]
          if (before === null) {
            this.ctx.storage.sql.exec(
              'DELETE FROM cooldowns WHERE mailbox_id = ? AND contact = ? AND send_id = ?',
              ...mine,
            )
          } else {
            this.ctx.storage.sql.exec(
              'UPDATE cooldowns SET at = ? WHERE mailbox_id = ? AND contact = ? AND send_id = ?',
              before,
              ...mine,
            )
          }
        }
        this.ctx.storage.sql.exec('DELETE FROM reservations WHERE send_id = ?', sendId)
      }
    })
  }

  /** How far the windows of a mailbox and of the plan are used now; spends nothing. */
  look(mailboxId: string, limits: Limits, plan: Limits, now: number): WindowUse[] {
    return [
      ...uses('mailbox', this.usage(mailboxId, now), limits, now),
      ...uses('plan', this.usage(PLAN, now), plan, now),
    ]
  }

  override async alarm() {
    const now = Date.now()
    this.ctx.storage.sql.exec('DELETE FROM reservations WHERE at < ?', now - KEPT_MS)
    this.ctx.storage.sql.exec('DELETE FROM cooldowns WHERE at < ?', now - KEPT_MS)
    this.ctx.storage.kv.delete('tidyAt')
  }

  private reservation(sendId: string): Stored | null {
    const [row] = this.ctx.storage.sql
      .exec('SELECT body FROM reservations WHERE send_id = ?', sendId)
      .toArray()
    return row ? (JSON.parse(String(row.body)) as Stored) : null
  }

  private cooldowns(request: WindowRequest): { contact: string; at: number | null }[] {
    if (request.cooldownMs === 0) return []
    return request.contacts.map((contact) => {
      const [row] = this.ctx.storage.sql
        .exec('SELECT at FROM cooldowns WHERE mailbox_id = ? AND contact = ?', request.mailboxId, contact)
        .toArray()
      return { contact, at: row ? Number(row.at) : null }
    })
  }

  private spend(
    request: WindowRequest,
    snapshot: WindowSnapshot,
    cooldowns: { contact: string; at: number | null }[],
    now: number,
  ) {
    for (const { contact } of cooldowns) {
      this.ctx.storage.sql.exec(
        `INSERT INTO cooldowns (mailbox_id, contact, at, send_id) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET at = excluded.at, send_id = excluded.send_id`,
        request.mailboxId,
        contact,
        now,
        request.sendId,
      )
    }
    const spends = cooldowns.map(({ contact, at }) => ({ contact, before: at }))
    const stored: Stored = { at: now, mailboxId: request.mailboxId, spends, snapshot }
    this.ctx.storage.sql.exec(
      'INSERT INTO reservations (send_id, at, body) VALUES (?, ?, ?)',
      request.sendId,
      now,
      JSON.stringify(stored),
    )
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

function uses(scope: 'mailbox' | 'plan', usage: Usage, limits: Limits | undefined, now: number): WindowUse[] {
  return UNITS.flatMap((unit) => {
    const limit = limits?.[unit] ?? null
    if (limit === null) return []
    return [{ scope, unit, limit, used: usage[unit].used, resetsAt: windowEnd(unit, now) }]
  })
}
