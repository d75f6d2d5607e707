import type { EventRefs, EventType } from '../../schema/journal.ts'
import type { Authentication } from '../../schema/mail.ts'
import type { Due } from '../journal/event-types.ts'
import type { Body } from '../mail/body.ts'
import { messageIdOf, threadIdOf } from '../mail/store.ts'
import type {
  ApprovalRow,
  ConsensusRow,
  DomainRow,
  LeaseRow,
  MessageRow,
  SendRow,
  Subjects,
  SuppressionRow,
} from './subjects.ts'

/** An event as webhooks, the stream and the history show it. */
export type Payload = {
  id: string
  type: EventType
  created_at: string
  tenant_id: string
  agent_id: string | null
  mailbox_id: string | null
  data: Record<string, unknown>
}

/** The most that a payload has of each body, in bytes of UTF-8. */
export const BODY_AT_MOST = 65_536
const PREVIEW_AT_MOST = 200

/** The payload of an event, from the rows it refers to. For a row that was deleted meanwhile it has the id only. */
export function payloadOf(event: Due, tenantId: string, subjects: Subjects): Payload {
  const { id, type, mailboxId, agentId, createdAt } = event
  return {
    id,
    type,
    created_at: stamp(createdAt),
    tenant_id: tenantId,
    agent_id: agentId,
    mailbox_id: mailboxId,
    data: dataOf(event, subjects),
  }
}

function dataOf(event: Due, subjects: Subjects): Record<string, unknown> {
  const { type, refs } = event
  const [area = ''] = type.split('.')
  switch (area) {
    case 'message':
      return messageData(event, subjects)
    case 'approval':
      return approvalData(type, refs, subjects.approvals.get(refs.approvalId ?? ''))
    case 'lease':
      return leaseData(refs, subjects.leases.get(refs.leaseId ?? ''))
    case 'consensus':
      return consensusData(type, refs, subjects.consensus.get(refs.consensusId ?? ''))
    case 'suppression':
      return suppressionData(refs, subjects.suppressions.get(refs.suppressionId ?? ''))
    case 'canary':
      return { canary_id: refs.canaryId ?? null, request_id: refs.sendId ?? null, where: refs.reason ?? null }
    case 'domain':
      return domainData(refs, subjects.domains.get(refs.domainId ?? ''))
    case 'webhook':
      return { webhook_id: refs.webhookId ?? null, reason: refs.reason ?? null }
    default:
      return { webhook_id: refs.webhookId ?? null }
  }
}

function messageData(event: Due, { messages, sends, bodies }: Subjects): Record<string, unknown> {
  const { type, refs } = event
  const row = messages.get(refs.messageId ?? '')
  const send = sends.get(refs.sendId ?? row?.send_id ?? '')
  const isReceived = type === 'message.received'
  const known = row ? storedMessage(row) : send ? requestedMessage(send) : null
  const body = bodies.get(known?.id ?? '') ?? { text: null, html: null }
  const message = {
    id: refs.messageId ?? known?.id ?? null,
    ...known,
    ...bodyFields(body),
    direction: isReceived ? 'inbound' : 'outbound',
    status: type.slice('message.'.length),
  }
  const common = { message, request_id: isReceived ? null : (refs.sendId ?? row?.send_id ?? null) }
  if (isReceived) {
    return {
      ...common,
      injection_score: row?.risk ? (JSON.parse(row.risk) as { score: number }).score : null,
      authentication: authenticationOf(row),
      ambiguities: parse(row?.ambiguities ?? '[]'),
    }
  }
  if (type === 'message.sent') return common
  const { reason = null, code = null } = refs
  const recipient = known && isNamed(known, refs.recipient ?? '') ? refs.recipient : null
  return { ...common, recipient, ...(type === 'message.delivered' ? {} : { reason, code }) }
}

/** Whether an address is in To or Cc. Events never name Bcc recipients. */
function isNamed({ to, cc }: { to: string[]; cc: string[] }, address: string): boolean {
  return [...to, ...cc].some((each) => each.toLowerCase() === address.toLowerCase())
}

function authenticationOf(row: MessageRow | undefined) {
  if (!row?.authentication) return null
  const { spf, dkim, dmarc, isFromAuthenticated }: Authentication = JSON.parse(row.authentication)
  return { spf, dkim, dmarc, from_authenticated: isFromAuthenticated }
}

function storedMessage(row: MessageRow) {
  return {
    id: row.id,
    thread_id: row.thread_id,
    from_addr: row.from_address,
    from_name: row.from_name,
    to: JSON.parse(row.to_addresses) as string[],
    cc: JSON.parse(row.cc_addresses) as string[],
    subject: row.subject,
    attachments: attachments(row.files),
    in_reply_to: row.in_reply_to,
    created_at: stamp(row.created_at),
  }
}

/** The message of a send that no mailbox has a copy of, from its request. */
function requestedMessage(send: SendRow) {
  const recipients = JSON.parse(send.recipients) as { kind: string; email: string }[]
  const addresses = (kind: string) =>
    recipients.filter((each) => each.kind === kind).map(({ email }) => email)
  return {
    id: messageIdOf(send.id),
    thread_id: threadIdOf(send.id),
    from_addr: send.address,
    from_name: send.display_name,
    to: addresses('to'),
    cc: addresses('cc'),
    subject: send.subject,
    attachments: attachments(send.files ?? '[]'),
    in_reply_to: null,
    created_at: stamp(send.created_at),
  }
}

function attachments(files: string) {
  return (JSON.parse(files) as { id: string; filename: string; contentType: string; size: number }[]).map(
    ({ id, filename, contentType, size }) => ({ id, filename, content_type: contentType, size }),
  )
}

function bodyFields({ text, html }: Body) {
  const [textBody, htmlBody] = [cut(text), cut(html)]
  const preview = (text ?? '')
    .slice(0, PREVIEW_AT_MOST * 4)
    .replace(/\s+/g, ' ')
    .trim()
  return {
    text_body: textBody,
    html_body: htmlBody,
    preview: [...preview].slice(0, PREVIEW_AT_MOST).join(''),
    ...(textBody === text && htmlBody === html ? {} : { truncated: true as const }),
  }
}

/** As many whole characters from the beginning of a text as fit into a payload. */
function cut(text: string | null): string | null {
  if (text === null) return null
  const room = new Uint8Array(BODY_AT_MOST)
  const { read } = new TextEncoder().encodeInto(text, room)
  return read === text.length ? text : text.slice(0, read)
}

function approvalData(type: EventType, refs: EventRefs, row: ApprovalRow | undefined) {
  const isPending = type === 'approval.pending'
  return {
    request_id: row?.send_id ?? refs.sendId ?? null,
    approval_queue_id: refs.approvalId ?? null,
    status: isPending ? 'pending' : type === 'approval.expired' ? 'expired' : (row?.status ?? null),
    reason: (isPending ? row?.hold_reason : row?.decision_reason) ?? refs.reason ?? null,
    decided_by: isPending ? null : (row?.decided_by?.split(':')[0] ?? null),
    expires_at: row ? stamp(row.expires_at) : null,
  }
}

function leaseData(refs: EventRefs, row: LeaseRow | undefined) {
  return {
    lease: {
      id: refs.leaseId ?? null,
      agent_id: row?.agent_id ?? null,
      contact_email: row?.contact_email ?? refs.contact ?? null,
      intent: row?.intent ?? null,
      expires_at: row ? stamp(row.expires_at) : null,
      created_at: row?.created_at ? stamp(row.created_at) : null,
    },
  }
}

function consensusData(type: EventType, refs: EventRefs, row: ConsensusRow | undefined) {
  const isNew = type === 'consensus.created'
  return {
    consensus: {
      id: refs.consensusId ?? null,
      requesting_agent_id: row?.requesting_agent_id ?? null,
      action: row?.action ?? null,
      contact_email: row?.contact_email ?? null,
      reason: row?.reason ?? null,
      status: isNew ? 'pending' : type === 'consensus.expired' ? 'expired' : (row?.status ?? null),
      votes: isNew ? [] : (row?.votes ?? []),
      timeout_at: row ? stamp(row.timeout_at) : null,
      created_at: row ? stamp(row.created_at) : null,
      decided_at: isNew || !row?.decided_at ? null : stamp(row.decided_at),
    },
  }
}

function suppressionData(refs: EventRefs, row: SuppressionRow | undefined) {
  return {
    suppression: {
      id: refs.suppressionId ?? null,
      recipient_email: row?.email ?? refs.contact ?? null,
      scope: row?.scope ?? null,
      campaign_id: row?.campaign_id || null,
      reason_code: row?.reason_code ?? refs.reason ?? null,
      source: row?.source ?? null,
      expires_at: row?.expires_at ? stamp(row.expires_at) : null,
      created_at: row ? stamp(row.created_at) : null,
    },
  }
}

function domainData(refs: EventRefs, row: DomainRow | undefined) {
  return { domain: { id: refs.domainId ?? null, name: row?.domain ?? null }, reason: refs.reason ?? null }
}

function parse(json: string | null): unknown {
  return json === null ? null : JSON.parse(json)
}

function stamp(ms: number): string {
  return new Date(ms).toISOString()
}
