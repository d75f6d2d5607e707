import type { Env } from '../../env.ts'
import { sha256 } from '../ground/hash.ts'
import { statement } from '../ground/sql.ts'

/** An address may be given out only if no other tenant has it now. */
const GIVE = statement(`
  INSERT INTO given_addresses (hash, tenant_id, at)
  SELECT :hash, :tenantId, :now
  WHERE NOT EXISTS (SELECT 1 FROM mailboxes m WHERE m.contact = :contact AND m.tenant_id <> :tenantId)
    AND NOT EXISTS (SELECT 1 FROM aliases x WHERE x.contact = :contact AND x.tenant_id <> :tenantId)
  ON CONFLICT (hash) DO NOTHING`)

const TENANT_OF = statement<{ tenant_id: string }>(
  'SELECT tenant_id FROM given_addresses WHERE hash = :hash AND tenant_id = :tenantId',
)

/**
 * Takes an address for a tenant, for ever: nobody else can open it again, even after its mailbox is deleted or the tenant is
 * erased. Otherwise a stranger could read the mail that still comes to it. Returns false if it was given to another tenant
 * before. Its insert decides: of several tenants at the same time, one gets the address.
 */
export async function takeAddress(
  { env, now }: { env: Env; now: Date },
  tenantId: string,
  contact: string,
): Promise<boolean> {
  const hash = await sha256(contact)
  const [, own] = await env.DB.batch([
    GIVE.bind(env, { hash, tenantId, contact, now: now.getTime() }),
    TENANT_OF.bind(env, { hash, tenantId }),
  ])
  return TENANT_OF.rows(own as D1Result).length === 1
}
