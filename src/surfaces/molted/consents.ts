import {
  type Consent,
  findConsent,
  isGranted,
  listConsents,
  recordConsent,
} from '../../core/contacts/consents.ts'
import { body, createRoute, json, router, z } from '../http.ts'
import { Email, Id, listOf, Page, page, Stamp } from './words.ts'

const Basis = z.enum(['explicit_opt_in', 'legitimate_interest', 'contractual', 'legal_obligation'])

const ConsentBody = z
  .object({
    tenantId: Id.optional(),
    recipientEmail: Email,
    basis: Basis,
    source: z.string().min(1).max(200).nullable().default(null),
    jurisdiction: z.string().min(1).max(100).nullable().default(null),
    grantedAt: Stamp.nullable().default(null),
    revokedAt: Stamp.nullable().default(null),
  })
  .openapi('ConsentRequest')

const ConsentView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    recipientEmail: z.string(),
    hasConsent: z.boolean().openapi({ description: 'True if consent is granted now and not revoked.' }),
    basis: Basis,
    source: z.string().nullable(),
    jurisdiction: z.string().nullable(),
    grantedAt: z.string(),
    revokedAt: z.string().nullable(),
    updatedAt: z.string(),
  })
  .openapi('Consent')

const NoConsent = z.object({ recipientEmail: z.string(), hasConsent: z.literal(false) }).openapi('NoConsent')

export const consents = router()

consents.openapi(
  createRoute({
    method: 'post',
    path: '/consent',
    tags: ['consent'],
    summary: 'Record what a contact has agreed to',
    description:
      'There is one record per contact; a later one replaces it. To revoke consent, write a record with revokedAt. To give it again, or revoke it later, needs a person, or a key with "loosen": 403 human_decision_required.',
    security: [{ bearer: [] }],
    request: body(ConsentBody, {
      recipientEmail: 'alice@example.com',
      basis: 'explicit_opt_in',
      source: 'signup form',
    }),
    responses: { 200: json(ConsentView) },
  }),
  async (c) => {
    const { recipientEmail, basis, source, jurisdiction, grantedAt, revokedAt } = c.req.valid('json')
    const request = { email: recipientEmail, basis, source, jurisdiction, grantedAt, revokedAt }
    return c.json(view(await recordConsent(c.var.ctx, request), c.var.now), 200)
  },
)

consents.openapi(
  createRoute({
    method: 'get',
    path: '/consent',
    tags: ['consent'],
    summary: 'Read the consent of a contact, or list all records',
    description:
      'With recipientEmail the answer is the record of that contact, or hasConsent false. Without it, the answer is a page of records.',
    security: [{ bearer: [] }],
    request: {
      query: Page.extend({ recipientEmail: Email.optional(), cursor: z.string().min(1).max(320).optional() }),
    },
    responses: { 200: json(z.union([ConsentView, NoConsent, listOf(ConsentView)])) },
  }),
  async (c) => {
    const { recipientEmail, limit, cursor } = c.req.valid('query')
    if (recipientEmail === undefined) {
      const rows = await listConsents(c.var.ctx, { after: cursor, limit })
      return c.json(
        page(
          rows,
          limit,
          (row) => row.contact,
          (row) => view(row, c.var.now),
        ),
        200,
      )
    }
    const found = await findConsent(c.var.ctx, recipientEmail)
    return c.json(found ? view(found, c.var.now) : { recipientEmail, hasConsent: false as const }, 200)
  },
)

function view(consent: Consent, now: Date): z.infer<typeof ConsentView> {
  const { id, tenantId, email, basis, source, jurisdiction, grantedAt, revokedAt, updatedAt } = consent
  return {
    id,
    tenantId,
    recipientEmail: email,
    hasConsent: isGranted(consent, now),
    basis,
    source,
    jurisdiction,
    grantedAt: grantedAt.toISOString(),
    revokedAt: revokedAt?.toISOString() ?? null,
    updatedAt: updatedAt.toISOString(),
  }
}
