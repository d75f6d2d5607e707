/**
 * What each route that writes can change, by method and path. A field names its entry in src/core/policy/laxer.ts: a column of
 * `MAILBOX` or `TENANT`, or one of `ACTS`. A field or a route that can loosen nothing says why in words, with a blank in them.
 */
export type Change = { act?: string[] | string; fields?: Record<string, string> }

const NAMES = 'only names what the request is about'
const SEND = 'one send, which the rules judge whatever it says'
const MAIL = 'how mail is kept and shown'
const WORDS = 'words and content, which the rules judge when they are sent'
const GRANT = 'granting compares it with what the caller holds'
const OPEN = 'the caller has no key: it can only begin with nothing'
const PERSON = 'it takes the link that a person got by mail'
const OPERATOR = 'only the operator of the service'
const REPORTS = 'a report of a carrier, which its signature proves'
const TELLS = 'it only tells somebody what happened'
const PAID = 'it opens a page of payment; nothing changes until a person has paid'
const TOGETHER = 'agents of one tenant divide their contacts; the rules stay the same'
const ENDS = 'it takes rights away'
const DECIDES = 'a person decides, or a key with approve that did not ask'
const READS = 'it changes nothing'

const all = (why: string, ...fields: string[]): Record<string, string> =>
  Object.fromEntries(['tenantId', ...fields].map((field) => [field, field === 'tenantId' ? NAMES : why]))

const only = (why: string, ...fields: string[]) =>
  Object.fromEntries(fields.map((field) => [field, why])) as Record<string, string>

const MAILBOX_CONFIG = {
  autonomyLevel: 'mailbox.autonomy',
  cooldownMinutes: 'mailbox.cooldownMs',
  hourlyLimit: 'mailbox.hourlyLimit',
  dailyLimit: 'mailbox.dailyLimit',
  monthlyLimit: 'mailbox.monthlyLimit',
  requireConsent: 'mailbox.requireConsent',
  fatigueLimit: 'mailbox.fatigueLimit',
  fatigueDays: 'mailbox.fatigueDays',
  riskBudget: 'mailbox.riskBudget',
  'carriers[].carrier': 'mailbox.carriers',
  'carriers[].weight': 'mailbox.carriers',
  onUnknown: 'mailbox.onUnknown',
  humanizerEnabled: 'mailbox.humanizerEnabled',
  humanizerStyle: 'mailbox.humanizerStyle',
  agentId: 'mailbox.agentId',
}

const MAILBOX_FIELDS = {
  ...only(NAMES, 'tenantId'),
  displayName: 'mailbox.displayName',
  status: 'mailbox.status',
  ...MAILBOX_CONFIG,
  ...Object.fromEntries(Object.entries(MAILBOX_CONFIG).map(([field, entry]) => [`config.${field}`, entry])),
}

const KEY_FIELDS = {
  ...all(GRANT, 'scopeAllMailboxes', 'mailboxScopes[].mailboxId', 'expiresAt'),
  label: NAMES,
  'permissions[]': 'act.giveLoosen',
  'mailboxScopes[].permissions[]': 'act.giveLoosen',
}

const LETTER = ['to', 'to[]', 'cc[]', 'bcc[]', 'subject', 'text', 'html', 'reply_to', 'in_reply_to']
const FILES = ['references[]', 'attachments[].filename', 'attachments[].content_type']
const MAILMOLT_LETTER = only(SEND, ...LETTER, ...FILES, 'attachments[].content_base64')
const HUMANIZE = ['humanize', 'humanizeStyle']
const AGENT = only(NAMES, 'agentId', 'agentName')
const TEMPLATE_VARIABLES = ['variables[].name', 'variables[].type', 'variables[].required']

const SINGLE_SEND = {
  ...all(SEND, 'mailboxId', 'recipientEmail', 'templateId', 'dedupeKey', 'idempotencyKey', 'payload'),
  ...only(SEND, 'sendReason', 'campaignId', 'scheduledAt', ...HUMANIZE, 'humanizeProvider'),
  ...AGENT,
}

export const CHANGES: Record<string, Change> = {
  'PATCH /v1/agent/config/settings': {
    fields: {
      ...only(NAMES, 'tenantId'),
      cooldownMinutes: 'tenant.cooldownMs',
      physicalAddress: 'tenant.physicalAddress',
      requireConsentForMarketing: 'tenant.requireConsentForMarketing',
      defaultMailboxId: 'tenant.defaultMailboxId',
      dedupeWindowDays: 'tenant.dedupeWindowMs',
      status: 'tenant.status',
    },
  },
  'PATCH /v1/oversight/dlp': {
    fields: { mode: 'tenant.dlpMode', 'disabled_rules[]': 'tenant.dlpDisabled' },
  },
  'POST /v1/oversight/canaries': { fields: only('a canary only tightens', 'label', 'value') },
  'DELETE /v1/oversight/canaries/{id}': { act: ['deleteCanary'] },
  'POST /v1/agent/mailboxes': {
    act: ['openMailbox'],
    fields: { ...MAILBOX_FIELDS, ...only(NAMES, 'address', 'name') },
  },
  'PATCH /v1/agent/mailboxes/{mailboxId}': { fields: MAILBOX_FIELDS },
  'DELETE /v1/agent/mailboxes/{mailboxId}': { act: ['deleteMailbox'] },
  'PATCH /v1/agent/mailboxes/{mailboxId}/autonomy': {
    fields: { ...only(NAMES, 'tenantId'), autonomyLevel: 'mailbox.autonomy' },
  },
  'PATCH /v1/inbox': {
    fields: {
      ...only('mailbox.autoReply', 'auto_reply.enabled', 'auto_reply.subject', 'auto_reply.text'),
      ...only('mailbox.autoReply', 'auto_reply.html', 'auto_reply.start_at', 'auto_reply.end_at'),
      'settings.display_name': 'mailbox.displayName',
    },
  },
  'POST /v1/suppressions': {
    fields: {
      ...all(NAMES, 'recipientEmail', 'scope', 'campaignId'),
      reasonCode: 'act.renameSuppression',
      source: 'act.renameSuppression',
      expiresAt: 'act.endSuppression',
    },
  },
  'DELETE /v1/suppressions/{suppressionId}': { act: ['liftSuppression'] },
  'POST /v1/consent': {
    act: ['recordConsent'],
    fields: {
      ...all(NAMES, 'recipientEmail', 'basis', 'source', 'jurisdiction'),
      grantedAt: 'it moves no revocation',
      revokedAt: 'act.recordConsent',
    },
  },
  'POST /v1/templates': {
    act: ['createTemplate'],
    fields: {
      ...all(NAMES, 'slug', 'name'),
      type: 'a message without a template has no type, so the type of one keeps nobody from sending',
      approvalRequired: 'act.createTemplate',
      ...only(WORDS, 'content.subject', 'content.html', 'content.text'),
      ...only(WORDS, ...TEMPLATE_VARIABLES.map((field) => `content.${field}`)),
      autoPublish: 'it waits for approval where the template needs it',
    },
  },
  'DELETE /v1/templates/{idOrSlug}': { act: ['deleteTemplate'] },
  'POST /v1/templates/{idOrSlug}/versions': {
    fields: all(WORDS, 'subjectTemplate', 'htmlTemplate', 'textTemplate', ...TEMPLATE_VARIABLES),
  },
  'POST /v1/templates/{idOrSlug}/versions/{version}/publish': {
    act: 'it waits for approval where the template needs it',
  },
  'PATCH /v1/templates/approvals/{versionId}': { fields: all(DECIDES, 'decision') },
  'POST /v1/templates/{idOrSlug}/render': { fields: all(READS, 'payload', 'version') },
  'POST /v1/templates/{idOrSlug}/lint': { fields: all(READS, 'version') },
  'POST /v1/agent/keys': { act: ['giveLoosen'], fields: { ...KEY_FIELDS, agentId: GRANT } },
  'PATCH /v1/agent/keys/{keyId}': { act: ['giveLoosen'], fields: KEY_FIELDS },
  'DELETE /v1/agent/keys/{keyId}': { act: ENDS },
  'POST /v1/agent/keys/{keyId}/rotate': { act: 'the new key holds what the old one held' },
  'POST /v1/smtp-credentials': { act: GRANT, fields: only(NAMES, 'name') },
  'DELETE /v1/smtp-credentials/{id}': { act: ENDS },

  'POST /v1/agent/request-send': { fields: SINGLE_SEND },
  'POST /v1/agent/simulate-send': { fields: SINGLE_SEND },
  'POST /v1/agent/batch/request-send': {
    fields: {
      ...all(SEND, 'mailboxId', 'templateId', ...HUMANIZE, ...HUMANIZE.map((field) => `sends[].${field}`)),
      ...only(SEND, 'sends[].recipientEmail', 'sends[].dedupeKey', 'sends[].payload', 'sends[].sendReason'),
      ...only(SEND, 'sends[].campaignId', 'sends[].scheduledAt'),
      ...AGENT,
    },
  },
  'POST /v1/agent/simulate-batch': {
    fields: { ...all(READS, 'mailboxId', 'templateId', 'campaignId', 'recipientEmails[]'), ...AGENT },
  },
  'POST /v1/agent/next-best-action': { fields: { ...all(READS, 'contactEmail'), ...AGENT } },
  'POST /v1/agent/batch/next-best-action': { fields: { ...all(READS, 'contactEmails[]'), ...AGENT } },
  'DELETE /v1/agent/sends/{requestId}': { act: 'a send that is cancelled does not leave' },
  'POST /v1/agent/sends/{requestId}/resolve': {
    fields: all('an agent can ask for the same send anew, which the rules judge', 'outcome'),
  },
  'POST /v1/agent/dead-letters/{deadLetterId}/replay': { act: 'the send goes on under the rules of leaving' },
  'PATCH /v1/send/approvals/{approvalId}': { fields: all(DECIDES, 'decision', 'reason', 'sha256') },
  'PUT /v1/send/approvals/{approvalId}/message': { fields: all(DECIDES, 'subject', 'html', 'text') },
  'POST /v1/oversight/approvals/{id}/approve': { fields: only(DECIDES, 'reason', 'sha256') },
  'POST /v1/oversight/approvals/{id}/reject': { fields: only(DECIDES, 'reason', 'sha256') },
  'POST /v1/messages': { fields: MAILMOLT_LETTER },
  'POST /v1/messages/{id}/reply': { fields: MAILMOLT_LETTER },
  'POST /email/send': {
    fields: {
      ...only(SEND, 'to[]', 'subject', 'body_text', 'body_html', 'cc[]', 'bcc[]', 'in_reply_to'),
      ...only(SEND, 'attachments[].filename', 'attachments[].content_type', 'attachments[].content_base64'),
    },
  },
  'POST /v1/smtp/recipients': { fields: only(READS, 'recipient') },
  'POST /v1/smtp/submissions': { act: SEND },

  'DELETE /v1/messages/{id}': { act: MAIL },
  'DELETE /email/message/{message_id}': { act: MAIL },
  'POST /email/message/{message_id}/read': { act: MAIL },
  'POST /email/message/{message_id}/star': { act: MAIL },
  'PATCH /v1/threads/{id}': { fields: only(MAIL, 'read', 'is_read', 'archived', 'starred', 'labels[]') },
  'POST /v1/agents/me/memory/search': { fields: only(READS, 'q', 'kind', 'limit') },
  'PUT /v1/agents/me/memory/{key}': {
    fields: only('what an agent remembers', 'key', 'value', 'kind', 'importance', 'expires_at'),
  },
  'DELETE /v1/agents/me/memory/{key}': { act: 'what an agent remembers' },
  'POST /v1/agent/whoami': { act: READS },
  'POST /v1/agent/classify-intent': { fields: all(READS, 'subject', 'bodyText') },
  'POST /v1/agent/batch/classify-intent': { fields: all(READS, 'messages') },

  'POST /v1/agent/register': {
    fields: all("a new agent has no mailbox, and an agent's key cannot act for it", 'agentName', 'agentRole'),
  },
  'POST /v1/agent/coordination/heartbeat': { fields: all(TOGETHER, 'agentId', 'agentName') },
  'PUT /v1/agent/agents/{agentId}/config': {
    fields: only('as humanizerEnabled', 'humanizer_enabled', 'humanizer_style', 'humanizer_provider'),
  },
  'POST /v1/agent/coordination/lease': {
    fields: { ...all(TOGETHER, 'contactEmail', 'intent', 'durationMinutes'), ...AGENT },
  },
  'DELETE /v1/agent/coordination/lease/{leaseId}': { act: TOGETHER },
  'POST /v1/agent/coordination/consensus': {
    fields: {
      ...all(TOGETHER, 'requestingAgentId', 'proposerAgent', 'action', 'contactEmail', 'reason'),
      timeoutMinutes: TOGETHER,
    },
  },
  'POST /v1/agent/coordination/consensus/{consensusId}/vote': {
    fields: { ...all(TOGETHER, 'vote', 'reason'), ...AGENT },
  },

  ...webhooks('/v1/agent/webhooks', '{webhookId}', ['agentId', 'url', 'events[]', 'description', 'enabled']),
  ...webhooks('/v1/webhooks', '{id}', ['url', 'event_types[]', 'is_active', 'description']),

  'POST /v1/agents/register': { fields: only(OPEN, 'name', 'description', 'owner_hint') },
  'POST /agents/register': {
    fields: only(OPEN, 'agent_id', 'name', 'profile.display_name', 'description'),
  },
  'POST /v1/claim/{token}': { fields: only(PERSON, 'email', 'x_handle') },
  'POST /v1/claim/verify-email': { fields: only(PERSON, 'token') },
  'POST /v1/billing/checkout': { fields: only(PAID, 'plan_key') },
  'POST /v1/billing/portal': { act: PAID },
  'POST /v1/bonds': { fields: only(PAID, 'tier') },
  'POST /v1/custom-domains': {
    fields: only('it changes who a message is from, not what may leave', 'domain', 'mode'),
  },
  'DELETE /v1/custom-domains/{id}': { act: ENDS },
  'POST /v1/custom-domains/{id}/verify': { act: 'DNS proves the domain' },
  'POST /v1/custom-domains/{id}/attach': {
    fields: only('it changes who a message is from, not what may leave', 'agent_id'),
  },
  'POST /v1/compliance/export': { act: 'an owner confirms it' },
  'POST /v1/compliance/delete': { fields: only('an owner confirms it', 'confirm') },

  ...Object.fromEntries(
    ['freeze', 'unfreeze'].map((act) => [
      `POST /admin/email/accounts/{agent_id}/${act}`,
      act === 'freeze' ? { fields: only(OPERATOR, 'reason') } : { act: OPERATOR },
    ]),
  ),
  ...Object.fromEntries(
    ['tenants', 'owners'].flatMap((of) => [
      [`POST /admin/${of}/{id}/freeze`, { fields: only(OPERATOR, 'reason') }],
      [`POST /admin/${of}/{id}/clear`, { act: OPERATOR }],
    ]),
  ),
  'POST /admin/bonds/{id}/capture': { fields: only(OPERATOR, 'reason') },
  'POST /admin/bonds/{id}/release': { fields: only(OPERATOR, 'reason') },
  ...Object.fromEntries(
    ['ses', 'resend', 'postmark', 'sendgrid', 'mailgun', 'stripe'].map((name) => [
      `POST /events/${name}`,
      { act: REPORTS },
    ]),
  ),
}

/** Both doors to webhooks have the same routes. */
function webhooks(at: string, id: string, fields: string[]): Record<string, Change> {
  const own = { ...only(TELLS, ...fields), ...(at.includes('agent') ? only(NAMES, 'tenantId') : {}) }
  const again = only(TELLS, ...(at.includes('agent') ? ['tenantId'] : []), 'since', 'state')
  const { agentId, ...changeable } = own
  return {
    [`POST ${at}`]: { fields: own },
    [`PATCH ${at}/${id}`]: { fields: changeable },
    [`DELETE ${at}/${id}`]: { act: TELLS },
    [`POST ${at}/${id}/test`]: { act: TELLS },
    [`POST ${at}/${id}/rotate-secret`]: { act: TELLS },
    [`POST ${at}/${id}/replay`]: { fields: again },
    [`POST ${at}/${id}/deliveries/{deliveryId}/replay`]: { act: TELLS },
  }
}
