import type { Env } from '../../../env.ts'
import type { DkimSigner } from './dkim.ts'
import { openDkimKey } from './dkim-key.ts'

/** SQL: the domain of a mailbox's newest alias. The mailbox writes from that alias. Both arguments are SQL. */
export const newestAlias = (tenantId: string, mailboxId: string) => `(
  SELECT x.domain_id FROM aliases x WHERE x.tenant_id = ${tenantId} AND x.mailbox_id = ${mailboxId}
  ORDER BY x.created_at DESC, x.domain_id DESC LIMIT 1)`

/** SQL: joins the newest alias (as `al`) and its domain (as `dm`) to a mailbox. */
export const joinSender = (mailbox: string) => `
  LEFT JOIN aliases al ON al.tenant_id = ${mailbox}.tenant_id AND al.mailbox_id = ${mailbox}.id
    AND al.domain_id = ${newestAlias(`${mailbox}.tenant_id`, `${mailbox}.id`)}
  LEFT JOIN domains dm ON dm.tenant_id = al.tenant_id AND dm.id = al.domain_id`

/** SQL: the address of the mailbox that receives mail for `contact`. `contact` may be an alias in an attached domain. */
export const mailboxContact = (contact: string) => `coalesce((
  SELECT b.contact FROM aliases x JOIN mailboxes b ON b.tenant_id = x.tenant_id AND b.id = x.mailbox_id
  WHERE x.contact = ${contact}), ${contact})`

/** What rendering needs of an attached domain. */
type SendingDomain = {
  tenantId: string
  id: string
  domain: string
  selector: string
  sealedKey: string
}

/** The DKIM signer of a domain, or null if its key was sealed under another TOKEN_SECRET. */
export async function signerOf(
  env: Env,
  { tenantId, id, domain, selector, sealedKey }: SendingDomain,
): Promise<DkimSigner | null> {
  const key = await openDkimKey(env, { tenantId, domainId: id }, sealedKey)
  return key && { domain, selector, key }
}
