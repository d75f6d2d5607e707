import {
  issueSmtpCredential,
  listSmtpCredentials,
  revokeSmtpCredential,
  type SmtpCredential,
} from '../../core/accounts/smtp-credentials.ts'
import { settings } from '../../env.ts'
import { body, createRoute, type HttpContext, json, router, showsSecret, z } from '../http.ts'
import { me } from '../me.ts'
import { ERRORS, jsonOnly, stamp } from './words.ts'

const CredentialView = z
  .object({
    id: z.string().openapi({ example: 'smtp_abc123' }),
    name: z.string().nullable(),
    username: z.string().openapi({ example: 'research-bot@moltpost.test' }),
    host: z.string(),
    ports: z
      .array(z.int())
      .openapi({ description: 'The port for STARTTLS, and the port for TLS from the start.' }),
    created_by: z.string().openapi({ example: 'key:key_abc123' }),
    created_at: z.string(),
    last_used_at: z.string().nullable().openapi({ description: 'Accurate to the minute.' }),
  })
  .openapi('SmtpCredential')

const Id = z.string().min(1).max(100)
const common = { tags: ['smtp-credentials'], security: [{ bearer: [] }] }

export const smtpCredentials = router()

smtpCredentials.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/smtp-credentials',
    summary: 'List SMTP credentials',
    description: 'The credentials of the caller’s own mailbox, newest first, without revoked ones.',
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(100).default(20),
        cursor: Id.optional(),
      }),
    },
    responses: {
      200: json(
        z.object({
          data: z.array(CredentialView),
          has_more: z.boolean(),
          next_cursor: z.string().nullable(),
        }),
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const { mailbox } = await me(c)
    const found = await listSmtpCredentials(c.var.ctx, mailbox.id, { before: cursor, limit: limit + 1 })
    const rows = found.slice(0, limit)
    const has_more = found.length > limit
    return c.json(
      {
        data: rows.map((row) => view(c, row, mailbox.address)),
        has_more,
        next_cursor: has_more ? (rows.at(-1)?.id ?? null) : null,
      },
      200,
    )
  },
)

smtpCredentials.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/smtp-credentials',
    summary: 'Issue a new SMTP credential',
    description: `The \`password\` is shown once. It can only send, from the caller's own mailbox. Its messages
pass the same rules as any other.`,
    middleware: [jsonOnly],
    request: body(
      z.object({ name: z.string().trim().min(1).max(100).optional() }).openapi('SmtpCredentialRequest'),
    ),
    responses: {
      201: json(
        CredentialView.extend({ password: z.string() }),
        'Created. Plaintext password returned once.',
      ),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { name } = c.req.valid('json')
    const { mailbox } = await me(c)
    const { credential, password } = await issueSmtpCredential(c.var.ctx, mailbox, name ?? null)
    showsSecret(c)
    return c.json({ ...view(c, credential, mailbox.address), password }, 201)
  },
)

smtpCredentials.openapi(
  createRoute({
    ...common,
    method: 'delete',
    path: '/smtp-credentials/{id}',
    summary: 'Revoke an SMTP credential',
    description: 'Sessions that are open can no longer use it, either.',
    request: { params: z.object({ id: Id }) },
    responses: { 204: { description: 'Revoked' }, ...ERRORS },
  }),
  async (c) => {
    await revokeSmtpCredential(c.var.ctx, c.req.valid('param').id)
    return c.body(null, 204)
  },
)

function view(c: HttpContext, row: SmtpCredential, username: string): z.infer<typeof CredentialView> {
  const { host, ports } = settings(c.env).smtpSubmission
  return {
    id: row.id,
    name: row.name,
    username,
    host,
    ports,
    created_by: row.createdBy,
    created_at: stamp(row.createdAt),
    last_used_at: row.lastUsedAt && stamp(row.lastUsedAt),
  }
}
