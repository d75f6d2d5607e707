/**
 * SQL: the suppression `x` applies at `:now` to a send. One with the scope `campaign` applies only if its campaign is among
 * `campaigns`, a list of SQL expressions: a send belongs to the campaign it names and to that of its template.
 */
export const suppresses = (campaigns: string) => `((x.expires_at IS NULL OR x.expires_at > :now)
  AND (x.scope <> 'campaign' OR x.campaign_id IN (${campaigns})))`
