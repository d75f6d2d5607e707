/**
 * SQL: the suppression in the row `row` applies at `:now` to a send of these campaigns, a list of SQL expressions. A
 * suppression of the scope `campaign` applies to its own campaign only; every other to all sends.
 */
export const applies = (
  row: string,
  campaigns: string,
) => `((${row}.expires_at IS NULL OR ${row}.expires_at > :now)
  AND (${row}.scope <> 'campaign' OR ${row}.campaign_id IN (${campaigns})))`

/** SQL to sort by: of several suppressions of a contact, the widest is reported. */
export const widestFirst = (row: string) =>
  `CASE ${row}.scope WHEN 'global' THEN 0 WHEN 'tenant' THEN 1 ELSE 2 END`
