import { createKey, type Key, listKeys, revokeKey, rotateKey, updateKey } from '../../core/accounts/keys.ts'
import { body, createRoute, json, router, showsSecret, z } from '../http.ts'
import { Id, listOf, Page, page, Stamp } from './words.ts'

const Permission = z.enum(['read', 'send', 'manage', 'approve', 'loosen'])

const Scope = z.object({ mailboxId: Id, permissions: z.array(Permission).min(1) })

const KeyFields = {
  label: z.string().min(1).max(200).nullable(),
  scopeAllMailboxes: z.boolean(),
  mailboxScopes: z.array(Scope).max(100),
  permissions: z.array(Permission).min(1),
  expiresAt: Stamp.nullable(),
}

type Scoping = {
  scopeAllMailboxes?: boolean | undefined
  mailboxScopes?: z.infer<typeof Scope>[] | undefined
}

/** Both fields may be given if they agree; `mailboxScopes` alone is enough. */
function refuseContradiction(
  { scopeAllMailboxes, mailboxScopes }: Scoping,
  context: z.core.$RefinementCtx<Scoping>,
) {
  const issue = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
  const named = (mailboxScopes ?? []).map(({ mailboxId }) => mailboxId)
  if (scopeAllMailboxes === true && named.length > 0)
    issue('scopeAllMailboxes', 'must be false, or left out, if mailboxScopes names mailboxes')
  if (scopeAllMailboxes === false && named.length === 0)
    issue('mailboxScopes', 'must name at least one mailbox if scopeAllMailboxes is false')
  if (scopeAllMailboxes === undefined && mailboxScopes?.length === 0)
    issue('mailboxScopes', 'must name at least one mailbox. For all mailboxes: scopeAllMailboxes true')
  if (new Set(named).size < named.length) issue('mailboxScopes', 'names a mailbox twice')
}

/** The scopes that a request asks for: null for all mailboxes, undefined if it does not say. */
function scopesOf({ scopeAllMailboxes, mailboxScopes }: Scoping) {
  return scopeAllMailboxes === true ? null : mailboxScopes
}

const KeyBody = z
  .object({
    tenantId: Id.optional(),
    label: KeyFields.label.default(null),
    agentId: Id.nullable().default(null),
    scopeAllMailboxes: KeyFields.scopeAllMailboxes.optional().openapi({
      description: 'Default: true, or false if mailboxScopes names mailboxes.',
    }),
    mailboxScopes: KeyFields.mailboxScopes.optional(),
    permissions: KeyFields.permissions.default(['read', 'send', 'manage']),
    expiresAt: KeyFields.expiresAt.optional().openapi({
      description:
        'Null for never. Default: when the key that makes this request expires, or never if it does not expire.',
    }),
  })
  .superRefine(refuseContradiction)
  .openapi('KeyRequest')

const KeyChange = z
  .object({ tenantId: Id.optional(), ...z.object(KeyFields).partial().shape })
  .superRefine(refuseContradiction)
  .openapi('KeyChange')

const KeyView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    keyPrefix: z.string(),
    label: z.string().nullable(),
    agentId: z.string().nullable(),
    scopeAllMailboxes: z.boolean(),
    mailboxScopes: z.array(Scope),
    permissions: z.array(Permission),
    status: z.enum(['active', 'revoked', 'expired']),
    createdBy: z.string().openapi({
      example: 'key:key_abc123',
      description: 'Who made it: `key:` or `human:` with the id, or `system:registration`.',
    }),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
    revokedAt: z.string().nullable(),
  })
  .openapi('Key')

const Params = z.object({ keyId: Id })

export const keys = router()

keys.openapi(
  createRoute({
    method: 'post',
    path: '/agent/keys',
    tags: ['keys'],
    summary: 'Create an API key',
    description:
      'The answer carries the secret as `rawKey`, once. A key can grant only what it has itself: permissions, mailboxes, its agent, and time. What it made ends with it.',
    security: [{ bearer: [] }],
    request: body(KeyBody),
    responses: { 200: json(KeyView.extend({ rawKey: z.string() }), 'The key, with its secret') },
  }),
  async (c) => {
    const { label, agentId, permissions, expiresAt, ...scoping } = c.req.valid('json')
    const scopes = scopesOf(scoping) ?? null
    const lasting = expiresAt === undefined ? {} : { expiresAt }
    const created = await createKey(c.var.ctx, { label, agentId, permissions, scopes, ...lasting })
    showsSecret(c)
    return c.json({ ...view(created.key, c.var.now), rawKey: created.secret }, 200)
  },
)

keys.openapi(
  createRoute({
    method: 'get',
    path: '/agent/keys',
    tags: ['keys'],
    summary: 'List the keys of the tenant',
    security: [{ bearer: [] }],
    request: { query: Page },
    responses: { 200: json(listOf(KeyView)) },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const rows = await listKeys(c.var.ctx, { before: cursor, limit })
    return c.json(
      page(
        rows,
        limit,
        (key) => key.id,
        (key) => view(key, c.var.now),
      ),
      200,
    )
  },
)

keys.openapi(
  createRoute({
    method: 'patch',
    path: '/agent/keys/{keyId}',
    tags: ['keys'],
    summary: 'Change the label, permissions or scopes of a key',
    security: [{ bearer: [] }],
    request: { params: Params, ...body(KeyChange) },
    responses: { 200: json(KeyView) },
  }),
  async (c) => {
    const { label, permissions, expiresAt, scopeAllMailboxes, mailboxScopes } = c.req.valid('json')
    const scopes = scopesOf({ scopeAllMailboxes, mailboxScopes })
    const key = await updateKey(c.var.ctx, c.req.valid('param').keyId, {
      ...(label === undefined ? {} : { label }),
      ...(permissions === undefined ? {} : { permissions }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(scopes === undefined ? {} : { scopes }),
    })
    return c.json(view(key, c.var.now), 200)
  },
)

keys.openapi(
  createRoute({
    method: 'post',
    path: '/agent/keys/{keyId}/rotate',
    tags: ['keys'],
    summary: 'Give a key a new secret',
    description:
      'The answer carries the new secret as `rawKey`, once. The old secret stops working at once. All else stays: the id, what the key made, and its sends.',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(KeyView.extend({ rawKey: z.string() }), 'The key, with its new secret') },
  }),
  async (c) => {
    const { key, secret } = await rotateKey(c.var.ctx, c.req.valid('param').keyId)
    showsSecret(c)
    return c.json({ ...view(key, c.var.now), rawKey: secret }, 200)
  },
)

keys.openapi(
  createRoute({
    method: 'delete',
    path: '/agent/keys/{keyId}',
    tags: ['keys'],
    summary: 'Revoke a key; it takes effect with the next request',
    description: 'What the key made ends with it: keys, SMTP credentials and webhooks.',
    security: [{ bearer: [] }],
    request: { params: Params },
    responses: { 200: json(KeyView) },
  }),
  async (c) => c.json(view(await revokeKey(c.var.ctx, c.req.valid('param').keyId), c.var.now), 200),
)

function view(key: Key, now: Date): z.infer<typeof KeyView> {
  const isExpired = key.expiresAt !== null && key.expiresAt <= now
  return {
    id: key.id,
    tenantId: key.tenantId,
    keyPrefix: key.prefix,
    label: key.label,
    agentId: key.agentId,
    scopeAllMailboxes: key.scopes === null,
    mailboxScopes: key.scopes ?? [],
    permissions: key.permissions,
    status: key.revokedAt ? 'revoked' : isExpired ? 'expired' : 'active',
    createdBy: key.createdBy,
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
  }
}
