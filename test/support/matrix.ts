import { env } from 'cloudflare:workers'
import { fillEmptyTables, sql } from './matrix-dump.ts'
import { peers } from './peer-letter.ts'
import { call, eventually, grant, newTenant } from './tenant.ts'

/** What a tenant of the matrix holds: each field is something another tenant may try to name. */
export type Ids = {
  tenantId: string
  mailboxId: string
  spareMailboxId: string
  agentId: string
  keyId: string
  templateId: string
  templateSlug: string
  versionId: string
  suppressionId: string
  contact: string
  heldId: string
  batchId: string
  approvalId: string
  canaryId: string
  unknownId: string
  deadLetterId: string
  leaseId: string
  consensusId: string
  messageId: string
  threadId: string
  fileId: string
  webhookId: string
  deliveryId: string
  exportId: string
  smtpCredentialId: string
  domainId: string
  bondId: string
}

export type Permission = 'read' | 'send' | 'manage' | 'approve'

export type Entry = {
  /**
   * What a key must hold; null where any living key will do, `open` where none is needed, `operator` where no tenant's,
   * `smtp` where no key but an SMTP credential.
   */
  needs: Permission | null | 'open' | 'operator' | 'smtp'
  /**
   * What a key scoped to another mailbox of the tenant is told: `filtered` is 200 with nothing of this mailbox, `own` is
   * 200 with facts about the key itself. `shared` belongs to the tenant's agents together, whatever their mailboxes.
   */
  scoped?: 'filtered' | 'own' | 'shared'
  /** It is the end of the tenant that asks: nobody may ask it for another's, and no caller is sent to try its own. */
  endsTenant?: true
  /** The published exception: that others have a message or thread is told, by 403 instead of 404. */
  tellsOthers?: true
  /** A second request is refused for the first one's sake. */
  once?: true
  /** It is about one agent's own: a key of the whole tenant names the agent in `X-Agent-Id`. */
  ofAgent?: true
  /** A valid request. The ids that it reads from its argument are the ids that the route bears. */
  request: (ids: Ids) => { query?: Record<string, string>; path: string; body?: Record<string, unknown> }
}

const message = (ids: Ids) => ({
  mailboxId: ids.mailboxId,
  agentId: ids.agentId,
  recipientEmail: 'fresh@example.com',
  templateId: ids.templateSlug,
  dedupeKey: 'matrix',
  payload: { firstName: 'Ann' },
})
const CONTENT = { subjectTemplate: 'Hello', textTemplate: 'Hello' }

/** Every route of the application, by method and path as the published document of the application names them. */
export const ENTRIES: Record<string, Entry> = {
  'POST /events/ses': { needs: 'open', request: () => ({ path: '/events/ses', body: {} }) },
  'POST /events/resend': { needs: 'open', request: () => ({ path: '/events/resend', body: {} }) },
  'POST /events/postmark': { needs: 'open', request: () => ({ path: '/events/postmark', body: {} }) },
  'POST /events/sendgrid': { needs: 'open', request: () => ({ path: '/events/sendgrid', body: {} }) },
  'POST /events/mailgun': { needs: 'open', request: () => ({ path: '/events/mailgun', body: {} }) },
  'POST /events/stripe': { needs: 'open', request: () => ({ path: '/events/stripe', body: {} }) },
  'POST /v1/agents/register': {
    needs: 'open',
    request: () => ({ path: '/v1/agents/register', body: { name: 'Matrix Agent' } }),
  },
  'POST /agents/register': {
    needs: 'open',
    request: () => ({ path: '/agents/register', body: { name: 'Matrix Agent' } }),
  },

  'GET /v1/search': { needs: 'read', request: () => ({ path: '/v1/search', query: { q: 'matrix' } }) },
  'GET /v1/search/threads': {
    needs: 'read',
    request: () => ({ path: '/v1/search/threads', query: { q: 'matrix' } }),
  },
  'GET /v1/agents/me/memory': {
    needs: 'read',
    ofAgent: true,
    request: () => ({ path: '/v1/agents/me/memory' }),
  },
  'POST /v1/agents/me/memory/search': {
    ofAgent: true,
    needs: 'read',
    request: () => ({ path: '/v1/agents/me/memory/search', body: { q: 'matrix' } }),
  },
  'GET /v1/agents/me/memory/{key}': {
    ofAgent: true,
    needs: 'read',
    request: () => ({ path: '/v1/agents/me/memory/matrix' }),
  },
  'PUT /v1/agents/me/memory/{key}': {
    ofAgent: true,
    needs: 'send',
    request: () => ({ path: '/v1/agents/me/memory/matrix', body: { value: 'matrix' } }),
  },
  'DELETE /v1/agents/me/memory/{key}': {
    ofAgent: true,
    needs: 'send',
    request: () => ({ path: '/v1/agents/me/memory/matrix' }),
  },
  'POST /v1/claim/{token}': {
    needs: 'open',
    request: () => ({ path: '/v1/claim/nobodys', body: { email: 'fresh@example.com' } }),
  },
  'POST /v1/claim/verify-email': {
    needs: 'open',
    request: () => ({ path: '/v1/claim/verify-email', body: { token: 'nobodys' } }),
  },

  'GET /v1/compliance/audit-log': {
    needs: 'read',
    request: () => ({ path: '/v1/compliance/audit-log' }),
  },
  'POST /v1/compliance/export': {
    needs: 'manage',
    request: () => ({ path: '/v1/compliance/export', body: {} }),
  },
  'GET /v1/compliance/export': { needs: 'manage', request: () => ({ path: '/v1/compliance/export' }) },
  'GET /v1/compliance/export/{id}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/compliance/export/${ids.exportId}` }),
  },
  'POST /v1/compliance/delete': {
    needs: 'manage',
    endsTenant: true,
    request: () => ({ path: '/v1/compliance/delete', body: { confirm: 'DELETE' } }),
  },
  'GET /v1/compliance/delete/{id}': {
    needs: 'open',
    request: () => ({ path: '/v1/compliance/delete/nobodys' }),
  },
  'GET /v1/compliance/delete/{id}/audit-log': {
    needs: 'open',
    request: () => ({ path: '/v1/compliance/delete/nobodys/audit-log' }),
  },
  'GET /v1/compliance/archives/{token}': {
    needs: 'open',
    request: () => ({ path: '/v1/compliance/archives/nobodys' }),
  },
  'GET /v1/compliance/audit-key': {
    needs: 'open',
    request: () => ({ path: '/v1/compliance/audit-key' }),
  },

  'GET /v1/registry/reputation/{agent_id}': {
    needs: 'open',
    request: (ids) => ({ path: `/v1/registry/reputation/${ids.agentId}` }),
  },
  'GET /v1/custom-domains': { needs: 'read', request: () => ({ path: '/v1/custom-domains' }) },
  'POST /v1/custom-domains': {
    needs: 'manage',
    once: true,
    request: () => ({ path: '/v1/custom-domains', body: { domain: 'matrix.example.org', mode: 'byoc' } }),
  },
  'GET /v1/custom-domains/{id}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/custom-domains/${ids.domainId}` }),
  },
  'POST /v1/custom-domains/{id}/verify': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/custom-domains/${ids.domainId}/verify` }),
  },
  'POST /v1/custom-domains/{id}/attach': {
    needs: 'manage',
    request: (ids) => ({
      path: `/v1/custom-domains/${ids.domainId}/attach`,
      body: { agent_id: ids.agentId },
    }),
  },
  'DELETE /v1/custom-domains/{id}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/custom-domains/${ids.domainId}` }),
  },

  'GET /v1/agents/me/trust-score': {
    needs: 'read',
    request: () => ({ path: '/v1/agents/me/trust-score' }),
  },
  'GET /v1/agents/me': { needs: 'read', request: () => ({ path: '/v1/agents/me' }) },
  'GET /v1/agents/heartbeat': { needs: 'read', request: () => ({ path: '/v1/agents/heartbeat' }) },

  'GET /v1/messages': {
    needs: 'read',
    request: (ids) => ({ path: '/v1/messages', query: { thread_id: ids.threadId } }),
  },
  'GET /v1/messages/{id}': { needs: 'read', request: (ids) => ({ path: `/v1/messages/${ids.messageId}` }) },
  'POST /v1/messages/{id}/reply': {
    needs: 'send',
    request: (ids) => ({
      path: `/v1/messages/${ids.messageId}/reply`,
      body: { to: 'fresh@example.com', text: 'Hello' },
    }),
  },
  'POST /v1/messages': {
    needs: 'send',
    request: (ids) => ({
      path: '/v1/messages',
      body: { to: 'fresh@example.com', subject: 'Hello', text: 'Hello', in_reply_to: ids.messageId },
    }),
  },
  'GET /v1/threads': {
    needs: 'read',
    request: () => ({ path: '/v1/threads', query: { label: 'matrix' } }),
  },
  'GET /v1/threads/{id}': { needs: 'read', request: (ids) => ({ path: `/v1/threads/${ids.threadId}` }) },
  'PATCH /v1/threads/{id}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/threads/${ids.threadId}`, body: { starred: true } }),
  },
  'DELETE /v1/messages/{id}': {
    needs: 'send',
    request: (ids) => ({ path: `/v1/messages/${ids.messageId}` }),
  },
  'GET /v1/inbox': { needs: 'read', request: () => ({ path: '/v1/inbox' }) },
  'GET /v1/inbox/stats': { needs: 'read', request: () => ({ path: '/v1/inbox/stats' }) },
  'PATCH /v1/inbox': {
    needs: 'manage',
    request: () => ({ path: '/v1/inbox', body: { auto_reply: { enabled: true, text: 'Away' } } }),
  },

  'GET /email/account': { needs: 'read', request: () => ({ path: '/email/account' }) },
  'POST /email/send': {
    needs: 'send',
    request: (ids) => ({
      path: '/email/send',
      body: {
        to: ['fresh@example.com'],
        subject: 'Hello',
        body_text: 'Hello',
        in_reply_to: ids.messageId,
      },
    }),
  },
  'GET /email/inbox': {
    needs: 'read',
    request: (ids) => ({ path: '/email/inbox', query: { from_address: ids.contact } }),
  },
  'GET /email/sent': { needs: 'read', request: () => ({ path: '/email/sent' }) },
  'GET /email/thread/{thread_id}': {
    needs: 'read',
    tellsOthers: true,
    request: (ids) => ({ path: `/email/thread/${ids.threadId}` }),
  },
  'GET /email/message/{message_id}': {
    needs: 'read',
    tellsOthers: true,
    request: (ids) => ({ path: `/email/message/${ids.messageId}` }),
  },
  'POST /email/message/{message_id}/read': {
    needs: 'read',
    tellsOthers: true,
    request: (ids) => ({ path: `/email/message/${ids.messageId}/read` }),
  },
  'POST /email/message/{message_id}/star': {
    needs: 'read',
    tellsOthers: true,
    request: (ids) => ({ path: `/email/message/${ids.messageId}/star` }),
  },
  'DELETE /email/message/{message_id}': {
    needs: 'send',
    tellsOthers: true,
    request: (ids) => ({ path: `/email/message/${ids.messageId}` }),
  },
  'GET /email/message/{message_id}/attachments/{attachment_id}': {
    needs: 'read',
    tellsOthers: true,
    request: (ids) => ({ path: `/email/message/${ids.messageId}/attachments/${ids.fileId}` }),
  },

  'GET /admin/email/accounts': { needs: 'operator', request: () => ({ path: '/admin/email/accounts' }) },
  'POST /admin/email/accounts/{agent_id}/freeze': {
    needs: 'operator',
    request: () => ({ path: '/admin/email/accounts/nobody/freeze', body: { reason: 'matrix' } }),
  },
  'POST /admin/email/accounts/{agent_id}/unfreeze': {
    needs: 'operator',
    request: () => ({ path: '/admin/email/accounts/nobody/unfreeze' }),
  },
  'GET /admin/metrics': { needs: 'operator', request: () => ({ path: '/admin/metrics' }) },
  'GET /admin/bonds': { needs: 'operator', request: () => ({ path: '/admin/bonds' }) },
  'POST /admin/bonds/{id}/capture': {
    needs: 'operator',
    request: () => ({ path: '/admin/bonds/nobodys/capture', body: { reason: 'matrix' } }),
  },
  'POST /admin/bonds/{id}/release': {
    needs: 'operator',
    request: () => ({ path: '/admin/bonds/nobodys/release', body: { reason: 'matrix' } }),
  },
  'GET /admin/tenants/{id}/sanctions': {
    needs: 'operator',
    request: () => ({ path: '/admin/tenants/nobody/sanctions' }),
  },
  'POST /admin/tenants/{id}/freeze': {
    needs: 'operator',
    request: () => ({ path: '/admin/tenants/nobody/freeze', body: { reason: 'matrix' } }),
  },
  'POST /admin/tenants/{id}/clear': {
    needs: 'operator',
    request: () => ({ path: '/admin/tenants/nobody/clear' }),
  },
  'GET /admin/owners/{id}/sanctions': {
    needs: 'operator',
    request: () => ({ path: '/admin/owners/nobody@example.com/sanctions' }),
  },
  'POST /admin/owners/{id}/freeze': {
    needs: 'operator',
    request: () => ({ path: '/admin/owners/nobody@example.com/freeze', body: { reason: 'matrix' } }),
  },
  'POST /admin/owners/{id}/clear': {
    needs: 'operator',
    request: () => ({ path: '/admin/owners/nobody@example.com/clear' }),
  },
  'GET /v1/billing/subscription': { needs: 'read', request: () => ({ path: '/v1/billing/subscription' }) },
  'POST /v1/billing/checkout': {
    needs: 'manage',
    request: () => ({ path: '/v1/billing/checkout', body: { plan_key: 'growth' } }),
  },
  'POST /v1/billing/portal': { needs: 'manage', request: () => ({ path: '/v1/billing/portal' }) },
  'GET /v1/bonds': { needs: 'read', request: () => ({ path: '/v1/bonds' }) },
  'POST /v1/bonds': {
    needs: 'manage',
    once: true,
    request: () => ({ path: '/v1/bonds', body: { tier: 'growth' } }),
  },
  'GET /admin/email/stats': { needs: 'operator', request: () => ({ path: '/admin/email/stats' }) },

  'POST /v1/agent/request-send': {
    needs: 'send',
    request: (ids) => ({ path: '/v1/agent/request-send', body: message(ids) }),
  },
  'POST /v1/agent/simulate-send': {
    needs: 'send',
    request: (ids) => ({ path: '/v1/agent/simulate-send', body: message(ids) }),
  },

  'POST /v1/agent/batch/request-send': {
    needs: 'send',
    request: (ids) => {
      const { mailboxId, agentId, templateId, ...item } = message(ids)
      const sends = [{ ...item, dedupeKey: 'matrix-batch' }]
      return { path: '/v1/agent/batch/request-send', body: { mailboxId, agentId, templateId, sends } }
    },
  },
  'POST /v1/agent/simulate-batch': {
    needs: 'send',
    request: (ids) => ({
      path: '/v1/agent/simulate-batch',
      body: {
        mailboxId: ids.mailboxId,
        agentId: ids.agentId,
        templateId: ids.templateSlug,
        recipientEmails: [ids.contact, 'fresh@example.com'],
      },
    }),
  },
  'GET /v1/agent/batch/{batchId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/batch/${ids.batchId}` }),
  },
  'POST /v1/agent/next-best-action': {
    needs: 'read',
    scoped: 'shared',
    request: (ids) => ({
      path: '/v1/agent/next-best-action',
      body: { agentId: ids.agentId, contactEmail: ids.contact },
    }),
  },
  'POST /v1/agent/batch/next-best-action': {
    needs: 'read',
    scoped: 'shared',
    request: (ids) => ({
      path: '/v1/agent/batch/next-best-action',
      body: { agentId: ids.agentId, contactEmails: [ids.contact, 'fresh@example.com'] },
    }),
  },

  'GET /v1/agent/sends': {
    needs: 'read',
    request: (ids) => ({
      path: '/v1/agent/sends',
      query: { mailboxId: ids.mailboxId, recipientEmail: ids.contact },
    }),
  },
  'GET /v1/agent/sends/{requestId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/sends/${ids.heldId}` }),
  },
  'GET /v1/ops/trace/{requestId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/ops/trace/${ids.heldId}` }),
  },
  'DELETE /v1/agent/sends/{requestId}': {
    needs: 'send',
    request: (ids) => ({ path: `/v1/agent/sends/${ids.heldId}` }),
  },
  'POST /v1/agent/sends/{requestId}/resolve': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/sends/${ids.unknownId}/resolve`, body: { outcome: 'failed' } }),
  },

  'GET /v1/send/approvals': {
    needs: 'read',
    scoped: 'filtered',
    request: () => ({ path: '/v1/send/approvals', query: { status: 'pending' } }),
  },
  'GET /v1/send/approvals/{approvalId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/send/approvals/${ids.approvalId}` }),
  },
  'PATCH /v1/send/approvals/{approvalId}': {
    needs: 'approve',
    request: (ids) => ({ path: `/v1/send/approvals/${ids.approvalId}`, body: { decision: 'approved' } }),
  },
  'PUT /v1/send/approvals/{approvalId}/message': {
    needs: 'approve',
    request: (ids) => ({
      path: `/v1/send/approvals/${ids.approvalId}/message`,
      body: { subject: 'Edited', text: 'Edited' },
    }),
  },

  'GET /v1/agent/dead-letters': {
    needs: 'read',
    request: () => ({ path: '/v1/agent/dead-letters' }),
  },
  'GET /v1/agent/dead-letters/{deadLetterId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/dead-letters/${ids.deadLetterId}` }),
  },
  'POST /v1/agent/dead-letters/{deadLetterId}/replay': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/dead-letters/${ids.deadLetterId}/replay` }),
  },

  'POST /v1/agent/keys': {
    needs: 'manage',
    request: (ids) => ({
      path: '/v1/agent/keys',
      body: {
        agentId: ids.agentId,
        scopeAllMailboxes: false,
        mailboxScopes: [{ mailboxId: ids.mailboxId, permissions: ['send'] }],
      },
    }),
  },
  'GET /v1/agent/keys': { needs: 'manage', request: () => ({ path: '/v1/agent/keys' }) },
  'PATCH /v1/agent/keys/{keyId}': {
    needs: 'manage',
    request: (ids) => ({
      path: `/v1/agent/keys/${ids.keyId}`,
      body: { label: 'new', mailboxScopes: [{ mailboxId: ids.mailboxId, permissions: ['send'] }] },
    }),
  },
  'POST /v1/agent/keys/{keyId}/rotate': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/keys/${ids.keyId}/rotate` }),
  },
  'DELETE /v1/agent/keys/{keyId}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/keys/${ids.keyId}` }),
  },

  'POST /v1/agent/mailboxes': {
    needs: 'manage',
    request: (ids) => ({
      path: '/v1/agent/mailboxes',
      body: { address: `m-${crypto.randomUUID()}`, agentId: ids.agentId },
    }),
  },
  'GET /v1/agent/mailboxes': {
    needs: 'read',
    scoped: 'filtered',
    request: () => ({ path: '/v1/agent/mailboxes' }),
  },
  'GET /v1/agent/mailboxes/{mailboxId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/mailboxes/${ids.mailboxId}` }),
  },
  'PATCH /v1/agent/mailboxes/{mailboxId}': {
    needs: 'manage',
    request: (ids) => ({
      path: `/v1/agent/mailboxes/${ids.mailboxId}`,
      body: { displayName: 'new', agentId: ids.agentId },
    }),
  },
  'DELETE /v1/agent/mailboxes/{mailboxId}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/mailboxes/${ids.spareMailboxId}` }),
  },
  'GET /v1/agent/mailboxes/{mailboxId}/autonomy': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/mailboxes/${ids.mailboxId}/autonomy` }),
  },
  'PATCH /v1/agent/mailboxes/{mailboxId}/autonomy': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/mailboxes/${ids.mailboxId}/autonomy`, body: { autonomyLevel: 1 } }),
  },

  'GET /v1/agent/budget': {
    needs: 'read',
    request: (ids) => ({ path: '/v1/agent/budget', query: { mailboxId: ids.mailboxId } }),
  },
  'GET /v1/agent/config/settings': { needs: 'read', request: () => ({ path: '/v1/agent/config/settings' }) },
  'PATCH /v1/agent/config/settings': {
    needs: 'manage',
    request: (ids) => ({
      path: '/v1/agent/config/settings',
      body: { physicalAddress: '1 Road', defaultMailboxId: ids.mailboxId },
    }),
  },
  'POST /v1/agent/whoami': { needs: null, scoped: 'own', request: () => ({ path: '/v1/agent/whoami' }) },

  'POST /v1/agent/classify-intent': {
    needs: null,
    scoped: 'own',
    request: () => ({ path: '/v1/agent/classify-intent', body: { subject: 'Re: Hello', bodyText: 'Hello' } }),
  },
  'POST /v1/agent/batch/classify-intent': {
    needs: null,
    scoped: 'own',
    request: () => ({
      path: '/v1/agent/batch/classify-intent',
      body: { messages: [{ subject: 'Re: Hello', bodyText: 'Hello' }] },
    }),
  },

  'GET /v1/templates': { needs: 'read', request: () => ({ path: '/v1/templates' }) },
  'GET /v1/templates/{idOrSlug}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/templates/${ids.templateSlug}` }),
  },
  'DELETE /v1/templates/{idOrSlug}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/templates/${ids.templateId}` }),
  },
  'POST /v1/templates/{idOrSlug}/versions': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/templates/${ids.templateId}/versions`, body: CONTENT }),
  },
  'POST /v1/templates/{idOrSlug}/versions/{version}/publish': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/templates/${ids.templateSlug}/versions/1/publish` }),
  },
  'PATCH /v1/templates/approvals/{versionId}': {
    needs: 'approve',
    request: (ids) => ({
      path: `/v1/templates/approvals/${ids.versionId}`,
      body: { decision: 'approved' },
    }),
  },
  'POST /v1/templates/{idOrSlug}/render': {
    needs: 'read',
    request: (ids) => ({
      path: `/v1/templates/${ids.templateId}/render`,
      body: { payload: { firstName: 'Ann' } },
    }),
  },
  'POST /v1/templates/{idOrSlug}/lint': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/templates/${ids.templateSlug}/lint`, body: {} }),
  },

  'GET /v1/suppressions': {
    needs: 'read',
    request: (ids) => ({ path: '/v1/suppressions', query: { recipientEmail: ids.contact } }),
  },
  'GET /v1/suppressions/check': {
    needs: 'read',
    request: (ids) => ({ path: '/v1/suppressions/check', query: { recipientEmail: ids.contact } }),
  },
  'DELETE /v1/suppressions/{suppressionId}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/suppressions/${ids.suppressionId}` }),
  },

  'GET /v1/consent': {
    needs: 'read',
    request: (ids) => ({ path: '/v1/consent', query: { recipientEmail: ids.contact } }),
  },

  'POST /v1/agent/register': {
    needs: 'send',
    scoped: 'shared',
    request: () => ({ path: '/v1/agent/register', body: { agentName: 'matrix' } }),
  },
  'POST /v1/agent/coordination/heartbeat': {
    needs: 'send',
    scoped: 'shared',
    request: (ids) => ({ path: '/v1/agent/coordination/heartbeat', body: { agentId: ids.agentId } }),
  },
  'GET /v1/agent/agents': {
    needs: 'read',
    scoped: 'shared',
    request: () => ({ path: '/v1/agent/agents' }),
  },
  'GET /v1/agent/agents/{agentId}/config': {
    needs: 'read',
    scoped: 'shared',
    request: (ids) => ({ path: `/v1/agent/agents/${ids.agentId}/config` }),
  },
  'PUT /v1/agent/agents/{agentId}/config': {
    needs: 'send',
    scoped: 'shared',
    request: (ids) => ({
      path: `/v1/agent/agents/${ids.agentId}/config`,
      body: { humanizer_style: 'friendly' },
    }),
  },
  'GET /v1/agent/coordination/leases': {
    needs: 'read',
    scoped: 'shared',
    request: () => ({ path: '/v1/agent/coordination/leases' }),
  },
  'GET /v1/agent/coordination/leases/history': {
    needs: 'read',
    scoped: 'shared',
    request: (ids) => ({
      path: '/v1/agent/coordination/leases/history',
      query: { contactEmail: ids.contact },
    }),
  },
  'DELETE /v1/agent/coordination/lease/{leaseId}': {
    needs: 'send',
    scoped: 'shared',
    request: (ids) => ({ path: `/v1/agent/coordination/lease/${ids.leaseId}` }),
  },
  'GET /v1/agent/coordination/consensus': {
    needs: 'read',
    scoped: 'shared',
    request: () => ({ path: '/v1/agent/coordination/consensus' }),
  },
  'GET /v1/agent/coordination/consensus/{consensusId}': {
    needs: 'read',
    scoped: 'shared',
    request: (ids) => ({ path: `/v1/agent/coordination/consensus/${ids.consensusId}` }),
  },
  'POST /v1/agent/coordination/consensus/{consensusId}/vote': {
    needs: 'send',
    scoped: 'shared',
    request: (ids) => ({
      path: `/v1/agent/coordination/consensus/${ids.consensusId}/vote`,
      body: { agentId: ids.agentId, vote: 'approve' },
    }),
  },

  'GET /v1/agent/events/stream': {
    needs: 'read',
    request: (ids) => ({
      path: '/v1/agent/events/stream',
      query: { follow: 'false', mailboxId: ids.mailboxId },
    }),
  },
  'GET /v1/agent/events': {
    needs: 'read',
    request: (ids) => ({
      path: '/v1/agent/events',
      query: { mailboxId: ids.mailboxId, agentId: ids.agentId },
    }),
  },
  'GET /v1/agent/webhooks/{webhookId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}` }),
  },
  'PATCH /v1/agent/webhooks/{webhookId}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}`, body: { description: 'matrix' } }),
  },
  'POST /v1/agent/webhooks/{webhookId}/test': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}/test` }),
  },
  'POST /v1/agent/webhooks/{webhookId}/rotate-secret': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}/rotate-secret` }),
  },
  'GET /v1/agent/webhooks/{webhookId}/deliveries': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}/deliveries` }),
  },
  'POST /v1/agent/webhooks/{webhookId}/replay': {
    needs: 'manage',
    request: (ids) => ({
      path: `/v1/agent/webhooks/${ids.webhookId}/replay`,
      body: { since: '2026-01-01T00:00:00Z' },
    }),
  },
  'GET /v1/agent/webhooks/{webhookId}/deliveries/{deliveryId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}/deliveries/${ids.deliveryId}` }),
  },
  'POST /v1/agent/webhooks/{webhookId}/deliveries/{deliveryId}/replay': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}/deliveries/${ids.deliveryId}/replay` }),
  },
  'DELETE /v1/agent/webhooks/{webhookId}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/agent/webhooks/${ids.webhookId}` }),
  },
  'GET /v1/agent/webhooks': { needs: 'read', request: () => ({ path: '/v1/agent/webhooks' }) },
  'POST /v1/agent/webhooks': {
    needs: 'manage',
    request: (ids) => ({
      path: '/v1/agent/webhooks',
      body: { agentId: ids.agentId, url: `${peers.webhooks}/matrix` },
    }),
  },
  'GET /v1/webhooks/{id}': { needs: 'read', request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}` }) },
  'PATCH /v1/webhooks/{id}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}`, body: { description: 'matrix' } }),
  },
  'POST /v1/webhooks/{id}/test': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}/test` }),
  },
  'POST /v1/webhooks/{id}/rotate-secret': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}/rotate-secret` }),
  },
  'GET /v1/webhooks/{id}/deliveries': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}/deliveries` }),
  },
  'POST /v1/webhooks/{id}/replay': {
    needs: 'manage',
    request: (ids) => ({
      path: `/v1/webhooks/${ids.webhookId}/replay`,
      body: { since: '2026-01-01T00:00:00Z' },
    }),
  },
  'GET /v1/webhooks/{id}/deliveries/{deliveryId}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}/deliveries/${ids.deliveryId}` }),
  },
  'POST /v1/webhooks/{id}/deliveries/{deliveryId}/replay': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}/deliveries/${ids.deliveryId}/replay` }),
  },
  'DELETE /v1/webhooks/{id}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/webhooks/${ids.webhookId}` }),
  },
  'GET /v1/oversight/dlp': { needs: 'read', request: () => ({ path: '/v1/oversight/dlp' }) },
  'PATCH /v1/oversight/dlp': {
    needs: 'manage',
    request: () => ({ path: '/v1/oversight/dlp', body: { mode: 'monitor' } }),
  },
  'GET /v1/oversight/canaries': { needs: 'read', request: () => ({ path: '/v1/oversight/canaries' }) },
  'POST /v1/oversight/canaries': {
    needs: 'manage',
    request: () => ({ path: '/v1/oversight/canaries', body: { label: 'matrix' } }),
  },
  'DELETE /v1/oversight/canaries/{id}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/oversight/canaries/${ids.canaryId}` }),
  },
  'GET /v1/oversight/approvals': {
    needs: 'read',
    scoped: 'filtered',
    request: () => ({ path: '/v1/oversight/approvals', query: { status: 'pending' } }),
  },
  'GET /v1/oversight/approvals/{id}': {
    needs: 'read',
    request: (ids) => ({ path: `/v1/oversight/approvals/${ids.approvalId}` }),
  },
  'POST /v1/oversight/approvals/{id}/approve': {
    needs: 'approve',
    request: (ids) => ({
      path: `/v1/oversight/approvals/${ids.approvalId}/approve`,
      body: { reason: 'matrix' },
    }),
  },
  'POST /v1/oversight/approvals/{id}/reject': {
    needs: 'approve',
    request: (ids) => ({
      path: `/v1/oversight/approvals/${ids.approvalId}/reject`,
      body: { reason: 'matrix' },
    }),
  },
  'GET /v1/webhooks': { needs: 'read', request: () => ({ path: '/v1/webhooks' }) },
  'POST /v1/webhooks': {
    needs: 'manage',
    request: () => ({
      path: '/v1/webhooks',
      body: { url: `${peers.webhooks}/matrix`, event_types: ['ping'] },
    }),
  },

  'GET /v1/smtp-credentials': { needs: 'manage', request: () => ({ path: '/v1/smtp-credentials' }) },
  'POST /v1/smtp-credentials': {
    needs: 'manage',
    request: () => ({ path: '/v1/smtp-credentials', body: { name: 'matrix' } }),
  },
  'DELETE /v1/smtp-credentials/{id}': {
    needs: 'manage',
    request: (ids) => ({ path: `/v1/smtp-credentials/${ids.smtpCredentialId}` }),
  },
  'GET /v1/smtp/session': { needs: 'smtp', request: () => ({ path: '/v1/smtp/session' }) },
  'POST /v1/smtp/recipients': {
    needs: 'smtp',
    request: (ids) => ({ path: '/v1/smtp/recipients', body: { recipient: ids.contact } }),
  },
  'POST /v1/smtp/submissions': { needs: 'smtp', request: () => ({ path: '/v1/smtp/submissions' }) },

  // At the end: from here on the other tenant has rows of its own that bear this one's words.
  'POST /v1/agent/coordination/lease': {
    needs: 'send',
    scoped: 'shared',
    request: (ids) => ({
      path: '/v1/agent/coordination/lease',
      body: { agentId: ids.agentId, contactEmail: ids.contact },
    }),
  },
  'POST /v1/agent/coordination/consensus': {
    needs: 'send',
    scoped: 'shared',
    request: (ids) => ({
      path: '/v1/agent/coordination/consensus',
      body: { requestingAgentId: ids.agentId, action: 'pause', contactEmail: ids.contact, reason: 'fatigue' },
    }),
  },
  'POST /v1/suppressions': {
    needs: 'manage',
    request: (ids) => ({ path: '/v1/suppressions', body: { recipientEmail: ids.contact } }),
  },
  'POST /v1/consent': {
    needs: 'manage',
    request: (ids) => ({
      path: '/v1/consent',
      body: { recipientEmail: ids.contact, basis: 'contractual' },
    }),
  },
  'POST /v1/templates': {
    needs: 'manage',
    request: (ids) => ({ path: '/v1/templates', body: { slug: `new-${ids.templateSlug}`, name: 'New' } }),
  },
}

/** The ids that a route bears: those its entry reads. */
export function idsOf(entry: Entry, ids: Ids): (keyof Ids)[] {
  const read = new Set<keyof Ids>()
  entry.request(
    new Proxy(ids, {
      get(target, name) {
        read.add(name as keyof Ids)
        return Reflect.get(target, name)
      },
    }),
  )
  return [...read]
}

/** An id of the same form that nobody has. */
export function unlike(id: string): string {
  if (id.includes('@')) return `nobody-${crypto.randomUUID()}@example.com`
  if (/^[0-9a-f-]{36}$/.test(id)) return crypto.randomUUID()
  const [prefix = '', version] = id.split(':')
  const random = crypto.randomUUID().replaceAll('-', '')
  const other = prefix.includes('_') ? `${prefix.slice(0, prefix.indexOf('_'))}_${random}` : `no-${random}`
  return version === undefined ? other : `${other}:${version}`
}

/**
 * What the agents of a tenant share: a second agent finds here what the first one wrote. On every other route they are apart. A new
 * route is apart unless it is named here.
 */
const SHARED_BY_AGENTS = [
  '/v1/templates',
  '/v1/suppressions',
  '/v1/consent',
  '/v1/compliance/export',
  '/v1/compliance/delete',
  '/v1/billing',
  '/v1/bonds',
  '/v1/oversight/dlp',
  '/v1/oversight/canaries',
  '/v1/agent/config/settings',
  '/v1/agent/coordination',
  '/v1/agent/register',
  'GET /v1/agent/agents',
]

/** Whether the agents of a tenant share what the route is about. */
export const isShared = (route: string) =>
  route !== 'GET /v1/agent/agents/{agentId}/config' &&
  SHARED_BY_AGENTS.some(
    (start) => route.startsWith(start) || route.slice(route.indexOf('/')).startsWith(start),
  )

/** A second agent of a world's tenant, with a mailbox and a key of its own, and no id or word of the first one's. */
export async function secondAgent({ ids, tenant }: World) {
  const { body: agent } = await tenant.owner.post('/v1/agent/register', { agentName: 'second' })
  const { body: mailbox } = await tenant.owner.post('/v1/agent/mailboxes', {
    name: 'second',
    agentId: agent.id,
  })
  const { body: key } = await tenant.owner.post('/v1/agent/keys', {
    agentId: agent.id,
    permissions: ['read', 'send', 'manage'],
  })
  const own = { tenantId: ids.tenantId, agentId: agent.id as string, mailboxId: mailbox.id as string }
  const others = Object.entries(ids).map(([name, id]) => [name, unlike(id)])
  return { ids: { ...Object.fromEntries(others), ...own } as Ids, key: key.rawKey as string }
}

export type World = Awaited<ReturnType<typeof newWorld>>

/** A tenant with a row in every table, and a canary of its own in every text that somebody wrote. */
export async function newWorld() {
  const canary = `cnry${crypto.randomUUID().replaceAll('-', '').slice(0, 12)}`
  const tenant = await newTenant({
    tenant: { name: canary, physical_address: canary },
    mailbox: { display_name: canary, autonomy: 'review' },
  })
  const { id: tenantId, mailboxId, agentId, owner } = tenant
  const contact = `${canary}@example.com`
  const made = async (what: string, asked: Promise<{ status: number; body: Record<string, unknown> }>) => {
    const { status, body } = await asked
    if (status !== 200)
      throw new Error(`the matrix could not make ${what}: ${status} ${JSON.stringify(body)}`)
    return body
  }
  await sql('UPDATE agents SET name = ?2, role = ?2, description = ?2 WHERE tenant_id = ?1', tenantId, canary)
  await sql('UPDATE owners SET name = ?2 WHERE tenant_id = ?1', tenantId, canary)

  const key = await made(
    'a key',
    owner.post(
      '/v1/agent/keys',
      { label: canary, permissions: ['read'] },
      {
        'idempotency-key': canary,
      },
    ),
  )
  await made(
    'an answer that is kept',
    owner.post('/v1/agent/whoami', { note: canary }, { 'idempotency-key': canary }),
  )
  const other = await made(
    'a mailbox',
    owner.post('/v1/agent/mailboxes', { address: `b-${canary}`, displayName: canary }),
  )
  const spare = await made(
    'a spare mailbox',
    owner.post('/v1/agent/mailboxes', { address: `c-${canary}`, name: canary }),
  )
  const content = { subject: `${canary} {{ firstName }}`, html: `<p>${canary}</p>`, text: canary }
  const template = await made(
    'a template',
    owner.post('/v1/templates', {
      slug: canary,
      name: canary,
      type: 'transactional',
      content,
      autoPublish: true,
    }),
  )
  const waiting = await made(
    'a template that waits',
    owner.post('/v1/templates', {
      slug: `w-${canary}`,
      name: canary,
      type: 'transactional',
      approvalRequired: true,
      content,
      autoPublish: true,
    }),
  )
  // As if a person had written it: a key cannot approve what it wrote itself.
  await sql(
    `UPDATE template_versions SET maker_key_id = NULL, submitter_key_id = NULL WHERE tenant_id = ?1 AND template_id = ?2`,
    tenantId,
    waiting.id,
  )
  await made(
    'a consent',
    owner.post('/v1/consent', {
      recipientEmail: contact,
      basis: 'contractual',
      source: canary,
      jurisdiction: canary,
    }),
  )
  const ask = (dedupeKey: string) =>
    tenant.post('/v1/agent/request-send', {
      mailboxId,
      recipientEmail: contact,
      templateId: canary,
      dedupeKey: `${canary}-${dedupeKey}`,
      payload: { firstName: canary },
      sendReason: canary,
    })
  const [held, unknown, dead] = await Promise.all([
    made('a held send', ask('held')),
    made('an unknown send', ask('unknown')),
    made('a dead send', ask('dead')),
  ])
  await rendered(tenantId, 3)
  await sql(
    `UPDATE sends SET state = 'unknown', reason = ?3, detail = ?3, carrier = 'capture', next_at = NULL
     WHERE tenant_id = ?1 AND id = ?2`,
    tenantId,
    unknown.requestId,
    canary,
  )
  await sql(
    `UPDATE sends SET state = 'failed', reason = 'dead_letter', detail = ?3, next_at = NULL
     WHERE tenant_id = ?1 AND id = ?2`,
    tenantId,
    dead.requestId,
    canary,
  )
  await sql(
    'UPDATE sends SET batch_id = ?3 WHERE tenant_id = ?1 AND id = ?2',
    tenantId,
    held.requestId,
    `batch_${canary}`,
  )
  await sql(
    `UPDATE approvals SET status = 'approved', decision_reason = ?2 WHERE tenant_id = ?1 AND send_id <> ?3`,
    tenantId,
    canary,
    held.requestId,
  )
  await sql(
    `INSERT INTO dead_letters (tenant_id, id, queue, ref_id, reason, body, created_at)
     VALUES (?1, 'dlq_' || ?2, 'deliver', ?3, ?2, json_object('note', ?2), 1)`,
    tenantId,
    canary,
    dead.requestId,
  )
  const lease = await made(
    'a lease',
    owner.post('/v1/agent/coordination/lease', { agentId, contactEmail: contact, intent: canary }),
  )
  const consensus = await made(
    'a shared decision',
    owner.post('/v1/agent/coordination/consensus', {
      requestingAgentId: agentId,
      action: canary,
      contactEmail: contact,
      reason: canary,
    }),
  )
  const suppression = await made(
    'a suppression',
    owner.post('/v1/suppressions', {
      recipientEmail: contact,
      source: canary,
    }),
  )
  await receive(tenantId, mailboxId, canary)
  await subscribe(tenantId, canary)
  await claimDomain(tenantId, canary)
  await made(
    'a memory',
    tenant.put('/v1/agents/me/memory/matrix', { value: `matrix ${canary}`, kind: canary }),
  )
  await sql(
    `INSERT INTO smtp_credentials (tenant_id, id, mailbox_id, agent_id, name, hash, created_by, created_at)
     VALUES (?1, 'smtp_' || ?2, ?3, ?4, ?2, ?2, ?2, 1)`,
    tenantId,
    canary,
    mailboxId,
    agentId,
  )
  await sql(
    `INSERT INTO archives (tenant_id, id, state, error, created_at) VALUES (?1, 'exp_' || ?2, 'failed', ?2, 1)`,
    tenantId,
    canary,
  )
  // Its id outlives the tenant, so no word of the tenant's is in it.
  const bondId = `bond_${crypto.randomUUID().replaceAll('-', '')}`
  await sql(
    `INSERT INTO bonds (tenant_id, id, provider, tier, amount_usd_cents, status, customer_id, payment_method_id, reason,
       created_at, updated_at)
     VALUES (?1, ?3, 'local', 'growth', 49900, 'pending', ?2, ?2, ?2, 1, 1)`,
    tenantId,
    canary,
    bondId,
  )
  await fillEmptyTables(tenantId, canary)
  const revoked = await grant(tenantId, ['read', 'send', 'manage', 'approve'])
  const expired = await grant(tenantId, ['read', 'send', 'manage', 'approve'])
  const all = ['read', 'send', 'manage', 'approve']
  const elsewhere = await grant(tenantId, all, [{ mailboxId: other.id, permissions: all }])
  await sql('UPDATE keys SET revoked_at = 1 WHERE hash = ?1', await hashOf(revoked))
  await sql('UPDATE keys SET expires_at = ?2 WHERE hash = ?1', await hashOf(expired), Date.now() - 1)

  const ids: Ids = {
    tenantId,
    mailboxId,
    spareMailboxId: String(spare.id),
    agentId,
    keyId: String(key.id),
    templateId: String(template.id),
    templateSlug: canary,
    versionId: `${waiting.id}:1`,
    suppressionId: String(suppression.id),
    contact,
    heldId: String(held.requestId),
    batchId: `batch_${canary}`,
    approvalId: String(held.approvalQueueId),
    canaryId: canary,
    unknownId: String(unknown.requestId),
    deadLetterId: `dlq_${canary}`,
    leaseId: String(lease.id),
    consensusId: String(consensus.id),
    messageId: `msg_${canary}`,
    threadId: `thread_${canary}`,
    fileId: `file_${canary}`,
    webhookId: `wh_${canary}`,
    deliveryId: `whd_${canary}`,
    exportId: `exp_${canary}`,
    smtpCredentialId: `smtp_${canary}`,
    domainId: `dom_${canary}`,
    bondId,
  }
  return { canary, tenant, ids, key: tenant.ownerKey, keys: { revoked, expired, elsewhere } }
}

/** A message in the mailbox's inbox, with a file. */
async function receive(tenantId: string, mailboxId: string, canary: string) {
  const key = `files/${tenantId}/${canary}`
  const file = { id: `file_${canary}`, filename: `${canary}.txt`, contentType: 'text/plain', size: 4, key }
  await env.MAIL.put(key, canary)
  await sql(
    `INSERT INTO messages (tenant_id, id, thread_id, rfc_id, delivery_type, from_address, to_addresses, cc_addresses,
       subject, text, files, reference_ids, ambiguities, created_at)
     VALUES (?1, 'msg_' || ?2, 'thread_' || ?2, ?2, 'external', ?2 || '@example.com', '[]', '[]', ?2, ?2, ?3, '[]', '[]', 1)`,
    tenantId,
    canary,
    JSON.stringify([file]),
  )
  await sql(
    `INSERT INTO views (tenant_id, mailbox_id, folder, at, message_id, thread_id, from_contact)
     VALUES (?1, ?2, 'inbox', 1000, 'msg_' || ?3, 'thread_' || ?3, ?3 || '@example.com')`,
    tenantId,
    mailboxId,
    canary,
  )
  await sql(
    `INSERT INTO threads (tenant_id, mailbox_id, id, subject, last_at) VALUES (?1, ?2, 'thread_' || ?3, ?3, 1000)`,
    tenantId,
    mailboxId,
    canary,
  )
}

/** A domain that is verified, with a key that opens nothing: to make one takes long. */
async function claimDomain(tenantId: string, canary: string) {
  await sql(
    `INSERT INTO domains (tenant_id, id, domain, mode, status, token, selector, public_key, sealed_key, created_at)
     VALUES (?1, 'dom_' || ?2, ?2 || '.example.org', 'byoc', 'verified', ?2, ?2, ?2, ?2, 1)`,
    tenantId,
    canary,
  )
}

/** A webhook that has been told of one event, and was not reached. */
async function subscribe(tenantId: string, canary: string) {
  await sql(
    `INSERT INTO webhooks (tenant_id, id, url, event_types, description, secret, created_by, created_at, updated_at)
     VALUES (?1, 'wh_' || ?2, 'https://' || ?2 || '.invalid/', '["ping"]', ?2, ?3, ?2, 1, 1)`,
    tenantId,
    canary,
    `whsec_${btoa(canary)}`,
  )
  await sql(
    `INSERT INTO events (tenant_id, seq, id, type, refs, payload, created_at)
     VALUES (?1, 1, 'evt_' || ?2, 'ping', '{}', json_object('id', 'evt_' || ?2, 'type', 'ping', 'data', ?2), ?3)`,
    tenantId,
    canary,
    Date.now(),
  )
  await sql(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, event_id, event_type, state, attempts, error, created_at, updated_at)
     VALUES (?1, 'whd_' || ?2, 'wh_' || ?2, 'evt_' || ?2, 'ping', 'dead', 1, ?2, 1, 1)`,
    tenantId,
    canary,
  )
  await sql(
    `INSERT INTO webhook_attempts (tenant_id, delivery_id, attempt, at, duration_ms, error, request)
     VALUES (?1, 'whd_' || ?2, 1, 1, 1, ?2, ?2)`,
    tenantId,
    canary,
  )
}

/** Sends one request of an entry; `tenantId` names a tenant in the query or, where there is one, in the body. */
export async function probe(
  route: string,
  { path, query = {}, body }: ReturnType<Entry['request']>,
  {
    key,
    header = 'authorization',
    named,
    headers = {},
  }: {
    key: string | null
    header?: 'authorization' | 'x-api-key'
    named?: { where: 'query' | 'body'; tenantId: string }
    headers?: Record<string, string>
  },
) {
  const [method = ''] = route.split(' ')
  const search = new URLSearchParams(query)
  if (named?.where === 'query') search.set('tenantId', named.tenantId)
  const sent = named?.where === 'body' ? { ...body, tenantId: named.tenantId } : body
  const text = search.size > 0 ? `${path}?${search}` : path
  const credential: Record<string, string> =
    key === null ? {} : header === 'authorization' ? { authorization: `Bearer ${key}` } : { 'x-api-key': key }
  const answer = await call(method, text, { body: sent, headers: { ...credential, ...headers } })
  const shown = JSON.stringify(answer.body)
  // One surface keeps the code of its errors a level further in.
  const code = answer.body?.error?.code
  return {
    status: answer.status,
    body: code === undefined ? answer.body : { ...answer.body, error: code },
    shown,
    asked: `${route} as ${text} ${JSON.stringify(sent)}`,
  }
}

export async function hashOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

async function rendered(tenantId: string, count: number) {
  await eventually(async () => {
    const row = await env.DB.prepare(
      'SELECT count(*) AS done FROM sends WHERE tenant_id = ?1 AND rendered_key IS NOT NULL AND lock_until IS NULL',
    )
      .bind(tenantId)
      .first<{ done: number }>()
    return row?.done === count ? true : undefined
  })
}
