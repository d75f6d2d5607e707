import { createKey, type Key, listKeys, revokeKey, updateKey } from '../../core/accounts/keys.ts'
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

const KeyBody = z
  .object({
    tenantId: Id.optional(),
    label: KeyFields.label.default(null),
    agentId: Id.nullable().default(null),
    scopeAllMailboxes: KeyFields.scopeAllMailboxes.default(true),
    mailboxScopes: KeyFields.mailboxScopes.default([]),
    permissions: KeyFields.permissions.default(['read', 'send', 'manage']),
    expiresAt: KeyFields.expiresAt.default(null),
  })
  .refine((key) => key.scopeAllMailboxes || key.mailboxScopes.length > 0, {
    path: ['mailboxScopes'],
    message: 'must name at least one mailbox where scopeAllMailboxes is false',
  })
  .openapi('KeyRequest')

const KeyChange = z
  .object({ tenantId: Id.optional(), ...z.object(KeyFields).partial().shape })
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
      'The answer carries the secret as `rawKey`, once. A key can grant only what it holds itself.',
    security: [{ bearer: [] }],
    request: body(KeyBody),
    responses: { 200: json(KeyView.extend({ rawKey: z.string() }), 'The key, with its secret') },
  }),
  async (c) => {
    const { label, agentId, permissions, expiresAt, ...scoping } = c.req.valid('json')
    const scopes = scoping.scopeAllMailboxes ? null : scoping.mailboxScopes
    const created = await createKey(c.var.ctx, { label, agentId, permissions, scopes, expiresAt })
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
    const scopes = scopeAllMailboxes === true ? null : mailboxScopes
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
    method: 'delete',
    path: '/agent/keys/{keyId}',
    tags: ['keys'],
    summary: 'Revoke a key; it takes effect with the next request',
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
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
  }
}
