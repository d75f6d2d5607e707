import type { MiddlewareHandler } from 'hono'
import type { Sender } from '../../core/accounts/sender.ts'
import {
  accountStats,
  freeze,
  listAccounts,
  mustBeOperator,
  unfreeze,
} from '../../core/governance/operator.ts'
import { type App, body, createRoute, json, presentedKey, z } from '../http.ts'
import { AccountFacts, accountFacts } from './account.ts'
import { agentIdOf, ERRORS, routes, stamp } from './words.ts'

const OperatorAccount = AccountFacts.extend({
  agent_id: z.string().openapi({ example: 'outreach-agent' }),
  frozen_by: z.string().nullable(),
  frozen_at: z.string().nullable(),
  updated_at: z.string(),
}).openapi('OperatorAccount')

const Stats = z
  .object({
    total_accounts: z.int(),
    active_accounts: z.int(),
    frozen_accounts: z.int(),
    total_messages_sent: z.int(),
    total_messages_received: z.int(),
    total_internal: z.int(),
    total_external: z.int(),
    total_bounced: z.int(),
    total_spam_complaints: z.int(),
  })
  .openapi('OperatorStats')

const common = { tags: ['operator'], security: [{ operator: [] }] }
const params = z.object({ agent_id: z.string().min(1).max(64).openapi({ example: 'outreach-agent' }) })

/** These routes accept only the operator's key. */
export const operatorOnly: MiddlewareHandler<App> = async (c, next) => {
  mustBeOperator(c.env, presentedKey(c))
  await next()
}

export const operator = routes()

operator.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/admin/email/accounts',
    summary: 'The email accounts of all tenants, by address',
    description: 'The X-Next-Cursor header of a full page is the `cursor` of the next one.',
    request: {
      query: z.object({
        status: z.enum(['active', 'suspended', 'deactivated']).optional(),
        frozen_only: z.stringbool().default(false).openapi({ type: 'boolean', default: false }),
        limit: z.coerce.number().int().min(1).max(500).default(100),
        cursor: z.string().max(320).optional(),
      }),
    },
    responses: { 200: json(z.array(OperatorAccount)), ...ERRORS },
  }),
  async (c) => {
    const { status = null, frozen_only, limit, cursor } = c.req.valid('query')
    const found = await listAccounts(c.env, {
      ...{ status, isFrozenOnly: frozen_only, limit, after: cursor ?? null },
    })
    const last = found.length === limit ? found.at(-1) : undefined
    if (last) c.header('X-Next-Cursor', last.mailbox.contact)
    return c.json(found.map(view), 200)
  },
)

operator.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/admin/email/accounts/{agent_id}/freeze',
    summary: 'Freeze an account, so that it cannot send',
    request: { params, ...body(z.object({ reason: z.string().trim().min(1).max(500) })) },
    responses: { 200: json(OperatorAccount), ...ERRORS },
  }),
  async (c) => {
    const { agent_id } = c.req.valid('param')
    return c.json(view(await freeze(c.env, c.get('now'), agent_id, c.req.valid('json').reason)), 200)
  },
)

operator.openapi(
  createRoute({
    ...common,
    method: 'post',
    path: '/admin/email/accounts/{agent_id}/unfreeze',
    summary: 'Let an account send again',
    description:
      'Ends a freeze. If the reputation is below 0.50, it is raised to 0.50, which ends the suspension.',
    request: { params },
    responses: { 200: json(OperatorAccount), ...ERRORS },
  }),
  async (c) => c.json(view(await unfreeze(c.env, c.get('now'), c.req.valid('param').agent_id)), 200),
)

operator.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/admin/email/stats',
    summary: 'Sums over all accounts and messages',
    responses: { 200: json(Stats), ...ERRORS },
  }),
  async (c) => {
    const stats = await accountStats(c.env)
    return c.json(
      {
        total_accounts: stats.accounts,
        active_accounts: stats.activeAccounts,
        frozen_accounts: stats.frozenAccounts,
        total_messages_sent: stats.sent,
        total_messages_received: stats.received,
        total_internal: stats.internal,
        total_external: stats.external,
        total_bounced: stats.bounced,
        total_spam_complaints: stats.complaints,
      },
      200,
    )
  },
)

function view(account: Sender): z.infer<typeof OperatorAccount> {
  const { address, frozenBy, frozenAt, updatedAt } = account.mailbox
  return {
    agent_id: agentIdOf(address),
    ...accountFacts(account),
    frozen_by: frozenBy,
    frozen_at: frozenAt && stamp(frozenAt),
    updated_at: stamp(updatedAt),
  }
}
