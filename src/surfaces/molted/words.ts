import { parseAddress } from '../../core/ground/address.ts'
import { type HttpContext, z } from '../http.ts'

/** Parts of requests and answers that several routes of this surface share. */
export const Id = z.string().min(1).max(100)

/** A length of time in minutes: fractions are allowed, from one second to a day. */
export const Minutes = z
  .number()
  .min(1 / 60, 'must be at least one second: 0.0166…')
  .max(1440)

export const Email = z
  .string()
  .max(320)
  .refine((text) => parseAddress(text) !== null, 'is not an email address')
  .openapi({ format: 'email', example: 'alice@example.com' })

/** An ISO 8601 time with its zone, read as a moment. */
export const Stamp = z.iso
  .datetime({ offset: true })
  .transform((text) => new Date(text))
  .openapi({ type: 'string', format: 'date-time', example: '2026-04-17T14:32:00Z' })

/** How deep a payload may be nested: SQLite reads JSON to a depth of 1,000, and no template looks half as far. */
const DEPTH_AT_MOST = 100

/** Template variables and their values. */
export const Payload = z
  .record(z.string(), z.unknown())
  .refine((payload) => isShallow(payload), `is nested deeper than ${DEPTH_AT_MOST} levels`)

function isShallow(payload: unknown): boolean {
  let level: unknown[] = [payload]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_AT_MOST) return false
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
  return true
}

export const ErrorView = z.object({
  statusCode: z.int().openapi({ example: 403 }),
  error: z.string().openapi({ example: 'mailbox_scope_denied' }),
  message: z.string(),
  field: z.string().optional().openapi({ description: 'The part of the request that is wrong.' }),
})

/** How lists are paged. An answer has at most `limit` rows. `cursor` is the `nextCursor` of the previous answer. */
export const Page = z.object({
  tenantId: Id.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().min(1).max(100).optional(),
})

export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })

/** One page of rows. The cursor is the id of the last row. It is null if the page is not full, so that none follows. */
export function page<Row, Item>(
  rows: Row[],
  limit: number,
  id: (row: Row) => string,
  view: (row: Row) => Item,
) {
  const last = rows.length === limit ? rows.at(-1) : undefined
  return { items: rows.map(view), nextCursor: last === undefined ? null : id(last) }
}

/** Who a request speaks for: the X-Agent-Id header first, then what the body names. */
export function agentNamed(c: HttpContext, id: string | undefined, name: string | undefined) {
  const header = c.req.header('x-agent-id')
  return header ? { id: header, name: null } : { id: id ?? null, name: name ?? null }
}
