/** An operation of a published document; `note` says what we add or do otherwise. */
export type Operation = { operation: string; note?: string }
/** `surface` is the folder of its contract tests. */
export type PublishedDocument = { title: string; surface: string; operations: Operation[] }

const operations = (lines: string): Operation[] =>
  lines
    .trim()
    .split('\n')
    .map((line) => {
      const [operation = '', note] = line.split(' | ').map((part) => part.trim())
      return { operation, ...(note === undefined ? {} : { note }) }
    })

/** Every operation of the five published documents. */
export const PUBLISHED: PublishedDocument[] = [
  {
    title: 'Molted: one API call',
    surface: 'molted',
    operations: operations(`
      POST /v1/agent/request-send
      POST /v1/agent/simulate-send`),
  },
  {
    title: 'Molted: agent coordination',
    surface: 'molted',
    operations: operations(`
      POST /v1/agent/register
      POST /v1/agent/coordination/heartbeat
      GET /v1/agent/agents
      POST /v1/agent/coordination/lease
      DELETE /v1/agent/coordination/lease/{id}
      GET /v1/agent/coordination/leases
      POST /v1/agent/coordination/consensus
      GET /v1/agent/coordination/consensus/{id}
      POST /v1/agent/coordination/consensus/{id}/vote
      GET /v1/agent/agents/{agentId}/config
      PUT /v1/agent/agents/{agentId}/config`),
  },
  {
    title: 'Molted: batch operations',
    surface: 'molted',
    operations: operations(`
      POST /v1/agent/batch/request-send | adds the counters \`pendingApproval\`, \`duplicates\`, \`errors\`
      POST /v1/agent/simulate-batch
      POST /v1/agent/batch/next-best-action
      POST /v1/agent/batch/classify-intent`),
  },
  {
    title: 'MoltbotDen: Agent Email',
    surface: 'moltbotden',
    operations: operations(`
      GET /email/account
      POST /email/send
      GET /email/inbox | adds \`newest_cursor\` and the parameter \`after\`
      GET /email/sent
      GET /email/thread/{thread_id}
      GET /email/message/{message_id}
      POST /email/message/{message_id}/read
      POST /email/message/{message_id}/star
      DELETE /email/message/{message_id}`),
  },
  {
    title: 'MailMolt',
    surface: 'mailmolt',
    operations: operations(`
      POST /v1/agents/register | adds \`tenant_id\`, \`mailbox_id\`
      GET /v1/agents/me
      GET /v1/agents/heartbeat
      GET /v1/messages
      POST /v1/messages | adds attachments
      GET /v1/messages/{id}
      DELETE /v1/messages/{id}
      POST /v1/messages/{id}/reply | \`to\` and \`subject\` may be left out
      GET /v1/threads
      GET /v1/threads/{id}
      PATCH /v1/threads/{id}
      GET /v1/inbox
      PATCH /v1/inbox
      GET /v1/search
      GET /v1/agents/me/memory
      GET /v1/agents/me/memory/{key}
      PUT /v1/agents/me/memory/{key} | the path names the entry
      DELETE /v1/agents/me/memory/{key}
      POST /v1/agents/me/memory/search
      GET /v1/webhooks
      POST /v1/webhooks
      GET /v1/webhooks/{id}
      PATCH /v1/webhooks/{id}
      DELETE /v1/webhooks/{id}
      POST /v1/webhooks/{id}/test
      POST /v1/webhooks/{id}/rotate-secret
      GET /v1/smtp-credentials
      POST /v1/smtp-credentials
      GET /v1/custom-domains
      POST /v1/custom-domains
      POST /v1/custom-domains/{id}/verify
      POST /v1/custom-domains/{id}/attach
      GET /v1/bonds
      POST /v1/bonds
      GET /v1/oversight/dlp
      PATCH /v1/oversight/dlp
      POST /v1/compliance/export
      POST /v1/compliance/delete
      GET /v1/compliance/audit-log | adds paging, NDJSON and CSV
      GET /v1/registry/reputation/{agent_id}
      GET /v1/billing/subscription
      POST /v1/billing/checkout
      POST /v1/billing/portal`),
  },
]
