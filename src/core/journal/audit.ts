import { randomBytes } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { auditDetails, auditEntries } from '../../schema/journal.ts'
import { type Actor, actorName, type Db } from '../ground/ctx.ts'
import { newId } from '../ground/ids.ts'
import { commitmentTo } from './commitment.ts'

/**
 * One governed change: `noun.verb`, and the id of the changed object. Personal data belongs only in the detail, which is
 * outside the chain and can be erased. Secrets belong in neither.
 */
export type AuditRecord = {
  action: `${string}.${string}`
  target: string | null
  detail?: Record<string, unknown>
}

/** Whose log it is, and who acts. A `Ctx` is one. The tenant may also be an SQL expression. */
export type Author = { db: Db; now: Date; tenantId: string | SQL; actor: Actor }

/** SQL: the statement directly before this one changed a row. */
export const CHANGED = sql`changes() > 0`

/**
 * The queries that add entries to a tenant's audit log. They belong in the batch of the change they record, directly after
 * it. They write only if it changed a row or, if a `condition` is given, if that holds. For `DB.batch` of D1, pass each
 * through `prepared`.
 */
export function audited({ db, now, tenantId, actor }: Author, records: AuditRecord[], condition = CHANGED) {
  const rows = JSON.stringify(
    records.map(({ action, target, detail = {} }) => {
      const [salt, text] = [randomBytes(16).toString('hex'), JSON.stringify(detail)]
      const commitment = commitmentTo(salt, text)
      return { id: newId('aud', now), action, target, commitment, salt, detail: text }
    }),
  )
  return [
    db.insert(auditEntries).select(sql`
      SELECT ${tenantId},
        1 + coalesce((SELECT max(a.seq) FROM audit_entries a WHERE a.tenant_id = ${tenantId}), 0) + r.key,
        r.value ->> 'id', ${now.getTime()}, ${actorName(actor)}, r.value ->> 'action', r.value ->> 'target',
        r.value ->> 'commitment', NULL, NULL
      FROM json_each(${rows}) r WHERE ${condition}`),
    db.insert(auditDetails).select(sql`
      SELECT ${tenantId}, r.value ->> 'id', r.value ->> 'salt', r.value ->> 'detail'
      FROM json_each(${rows}) r WHERE ${CHANGED}`),
  ] as const
}
