import { Buffer } from 'node:buffer'
import { lookUpReputation, type Reputation } from '../../core/signals/registry.ts'
import { createRoute, json, router, z } from '../http.ts'
import { Level } from './agents.ts'
import { ErrorView } from './refusals.ts'
import { ERRORS, stamp } from './words.ts'

/** How long an answer may be kept, in seconds. */
const KEPT_FOR = 60

const rate = (description: string) =>
  z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .openapi({ description: `${description}; null below 20 sends.` })

const ReputationView = z
  .object({
    agent_id: z.string(),
    email: z.string().nullable(),
    display_name: z.string(),
    trust_score: z.int().min(0).max(100),
    permission_level: Level,
    verified_sender: z.boolean().openapi({ description: 'Whether its owner has posted a bond.' }),
    bond_tier: z.enum(['starter', 'growth', 'enterprise']).nullable(),
    claimed: z.boolean(),
    member_since: z.string(),
    stats: z.object({
      sent_30d: z.int().openapi({ description: 'Counted among the newest 1,000 sends of its tenant.' }),
      bounce_rate: rate('Bounced of them'),
      complaint_rate: rate('Complained of, of them'),
    }),
  })
  .openapi('Reputation')

export const registry = router()

registry.openapi(
  createRoute({
    method: 'get',
    path: '/registry/reputation/{agent_id}',
    tags: ['registry'],
    summary: 'Public reputation lookup (no auth)',
    description:
      'Takes the id of an agent or an address of its mailbox. Says nothing about the person behind the agent. May be cached for a minute.',
    security: [],
    request: { params: z.object({ agent_id: z.string().min(1).max(320) }) },
    responses: {
      200: json(ReputationView),
      304: { description: 'Unchanged since the ETag in If-None-Match' },
      404: json(ErrorView, 'Not found'),
      429: json(ErrorView, 'Too many look-ups from this network'),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { agent_id } = c.req.valid('param')
    const at = { env: c.env, now: c.get('now') }
    const shown = view(await lookUpReputation(at, agent_id, c.req.header('cf-connecting-ip') ?? null))
    const etag = `"${await tagOf(JSON.stringify(shown))}"`
    c.header('Cache-Control', `public, max-age=${KEPT_FOR}`)
    c.header('ETag', etag)
    const known = (c.req.header('if-none-match') ?? '')
      .split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''))
    return known.includes(etag) || known.includes('*') ? c.body(null, 304) : c.json(shown, 200)
  },
)

async function tagOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Buffer.from(digest).toString('base64url').slice(0, 22)
}

function view(reputation: Reputation): z.infer<typeof ReputationView> {
  const { agentId, address, name, level, bondTier, isClaimed, sent, bounceRate, complaintRate } = reputation
  return {
    agent_id: agentId,
    email: address,
    display_name: name,
    trust_score: reputation.trustScore,
    permission_level: level,
    verified_sender: bondTier !== null,
    bond_tier: bondTier,
    claimed: isClaimed,
    member_since: stamp(reputation.memberSince),
    stats: { sent_30d: sent, bounce_rate: bounceRate, complaint_rate: complaintRate },
  }
}
