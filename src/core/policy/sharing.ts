/**
 * SQL: the ids of the mailboxes with which a mailbox shares its windows and its risk budget, itself among them. `row` is the
 * name of its row.
 */
export const sharing = (row: string) => `(
  SELECT coalesce(${row}.shares_with, ${row}.id) UNION ALL
  SELECT b.id FROM mailboxes b WHERE b.tenant_id = ${row}.tenant_id
    AND b.shares_with = coalesce(${row}.shares_with, ${row}.id))`
