import type { Env } from '../../env.ts'
import type { Recipient, RecipientKind, SendInput } from '../../schema.ts'
import { parseAddress } from '../address.ts'
import { Fault, type FaultCode } from '../fault.ts'
import { newId } from '../ids.ts'
import type { Verdict } from '../policy.ts'
import type { SendState } from '../states.ts'
import { byteLength, type Claim, claimStatements } from './claim.ts'
import { type Candidate, type Decision, decide, isAccepted, preview } from './decide.ts'
import type { Door } from './door.ts'
import { type Found, gatherStatements, isInline, readGathered, type Subject } from './gather.ts'
import { ring } from './ring.ts'

/** One message that somebody wants sent, in the core's words. */
export type SendRequest = {
  to: { kind: RecipientKind; email: string; name?: string | null }[]
  mailboxId?: string | null
  template: string | null
  /** Null where the caller gave none; blank is an error. */
  dedupeKey: string | null
  /** The key came from the Idempotency-Key header: a repeat with another body is misuse, not a duplicate. */
  isHeaderKey?: boolean
  payload: Record<string, unknown> | null
  sendReason?: string | null
  campaignId?: string | null
  replyTo?: string | null
  headers?: Record<string, string>
  scheduledAt?: Date | null
  batchId?: string | null
}

/** What the caller is told. A refusal is a value; `error` is a request that could not be judged at all. */
export type SendResult =
  | {
      status: 'error'
      requestId: string | null
      code: FaultCode
      message: string
      details: Record<string, unknown>
    }
  | { status: 'duplicate'; requestId: string; originalState: SendState }
  | {
      status: 'queued' | 'delivered' | 'blocked' | 'scheduled' | 'pending_approval'
      requestId: string
      verdict: Verdict | null
      approvalId: string | null
      scheduledAt: Date | null
    }

/** What a simulation tells: the verdict, and whether the key is taken. */
export type SimulationResult =
  | Extract<SendResult, { status: 'error' }>
  | {
      status: 'simulated'
      requestId: string
      isDuplicate: boolean
      verdict: Verdict | null
      missing: string[]
    }

/** A payload above this many bytes is kept in R2 and not in the row. */
const LARGE_INPUT = 100_000
const SCHEDULE_AT_MOST_MS = 30 * 86_400_000
const RECIPIENTS_AT_MOST = 50

/**
 * The one verb of sending: judge each message and, where it may go, hand it to delivery. A single send is a batch of
 * one; 500 take the same four waits. Results stand in the order asked. Throws a `Fault` where the caller may not send at
 * all; what is wrong with one item is its result.
 */
export async function requestSends(door: Door, requests: SendRequest[]): Promise<SendResult[]> {
  const prepared = await prepare(door, requests)
  const claims = prepared.flatMap((each) => ('claim' in each ? each.claim : []))
  if (claims.length === 0) {
    const caller = await door.env.DB.batch(gatherStatements(door, [{ id: '' }]))
    mustKnow(door, readGathered(door, caller), 1)
    return prepared.flatMap((each) => ('error' in each ? each.error : []))
  }
  await keepLargeInputs(door, claims)

  const queries = claims.map(({ id, dedupeKey, mailboxId }) => ({ id, dedupeKey, mailboxId }))
  const answers = await door.env.DB.batch([
    ...claimStatements(door, claims),
    ...gatherStatements(door, queries),
  ])
  const found = mustKnow(door, readGathered(door, answers), claims.length)
  const tenantId = found[0]?.keyTenantId ?? ''

  const candidates = await Promise.all(
    claims.flatMap((claim, position) => {
      const { send, subject } = must(found[position])
      if (!send) throw new Error('a claim left neither its row nor another behind')
      const isFirst = found.findIndex((each) => each.send?.id === send.id) === position
      return send.state === 'judging' && isFirst && subject ? [candidate(door, send, subject, claim)] : []
    }),
  )
  const decided =
    candidates.length > 0 ? await decide(door, tenantId, candidates) : new Map<string, Decision>()
  await ring(door.env, door.now, tenantId, [...decided.values()])

  const answered = new Set<string>()
  let next = 0
  return prepared.map((each): SendResult => {
    if ('error' in each) return each.error
    const { send } = must(found[next++])
    if (!send) throw new Error('a claim left neither its row nor another behind')
    const decision = answered.has(send.id) ? undefined : decided.get(send.id)
    answered.add(send.id)
    return result(each.claim, each.request, send, decision ?? decided.get(send.id), decision !== undefined)
  })
}

/** Judge as `requestSends` would, and leave no trace: nothing is claimed, spent or written. */
export async function simulateSends(door: Door, requests: SendRequest[]): Promise<SimulationResult[]> {
  const prepared = await prepare(door, requests)
  const claims = prepared.flatMap((each) => ('claim' in each ? each.claim : []))
  const queries = claims.map(({ id, dedupeKey, mailboxId, template, recipients, input, scheduledAt }) => ({
    id,
    dedupeKey,
    mailboxId,
    template,
    recipients,
    campaignId: input.campaignId,
    scheduledAt,
  }))
  const asked = queries.length > 0 ? queries : [{ id: '' }]
  const answers = await door.env.DB.batch(gatherStatements(door, asked))
  const found = mustKnow(door, readGathered(door, answers), asked.length)
  const candidates = claims.flatMap((claim, position): Candidate[] => {
    const { subject } = must(found[position])
    const hasPayload =
      must(prepared.find((each) => 'claim' in each && each.claim === claim)).request.payload !== null
    if (!subject) return []
    const input = hasPayload ? claim.input : null
    return [{ sendId: claim.id, from: 'judging', subject, input, isRendered: false, mayWaitUntil: null }]
  })
  const previews = await preview(door, found[0]?.keyTenantId ?? '', candidates)
  const previewOf = new Map(previews.map((each) => [each.sendId, each]))
  let next = 0
  return prepared.map((each): SimulationResult => {
    if ('error' in each) return each.error
    const position = next++
    const { verdict = null, missing = [] } = previewOf.get(each.claim.id) ?? {}
    const isDuplicate = must(found[position]).send !== null
    return { status: 'simulated', requestId: each.claim.id, isDuplicate, verdict, missing }
  })
}

/** The judging row that stands under a claim: our own, or another caller's with that caller's stored input. */
async function candidate(
  door: Door,
  send: NonNullable<Found['send']>,
  subject: Subject,
  claim: Claim,
): Promise<Candidate> {
  const input =
    send.id === claim.id ? claim.input : (send.storedInput ?? (await largeInput(door.env, send.inputKey)))
  return { sendId: send.id, from: 'judging', subject, input, isRendered: false, mayWaitUntil: null }
}

type Prepared = { request: SendRequest } & (
  | { claim: Claim }
  | { error: Extract<SendResult, { status: 'error' }> }
)

async function prepare(door: Door, requests: SendRequest[]): Promise<Prepared[]> {
  return await Promise.all(
    requests.map(async (request): Promise<Prepared> => {
      const wrong = (code: FaultCode, message: string, field: string): Prepared => ({
        request,
        error: { status: 'error', requestId: null, code, message, details: { field } },
      })
      if (request.dedupeKey !== null && request.dedupeKey.trim() === '') {
        return wrong(
          'dedupe_key_required',
          'dedupeKey must not be blank: give each message a key of its own.',
          'dedupeKey',
        )
      }
      const recipients: Recipient[] = []
      for (const { kind, email, name } of request.to) {
        const address = parseAddress(email)
        if (!address)
          return wrong('invalid', `"${email.slice(0, 100)}" is not an email address.`, 'recipientEmail')
        if (recipients.some((each) => each.contact === address.contact)) continue
        recipients.push({ kind, email: address.email, name: name ?? null, contact: address.contact })
      }
      if (recipients.length === 0)
        return wrong('invalid', 'A message needs at least one recipient.', 'recipientEmail')
      if (recipients.length > RECIPIENTS_AT_MOST) {
        return wrong('invalid', `A message has at most ${RECIPIENTS_AT_MOST} recipients.`, 'recipientEmail')
      }
      const scheduledAt = request.scheduledAt?.getTime() ?? null
      if (scheduledAt !== null && scheduledAt <= door.now.getTime()) {
        return wrong('invalid', 'scheduledAt must lie in the future.', 'scheduledAt')
      }
      if (scheduledAt !== null && scheduledAt > door.now.getTime() + SCHEDULE_AT_MOST_MS) {
        return wrong('invalid', 'scheduledAt must lie within the next 30 days.', 'scheduledAt')
      }
      const input = inputOf(request)
      const claim: Claim = {
        id: newId('req', door.now),
        mailboxId: request.mailboxId ?? null,
        template: request.template,
        dedupeKey: request.dedupeKey,
        bodyHash: await hashOf(request),
        recipients,
        input,
        inputKey: null,
        batchId: request.batchId ?? null,
        scheduledAt,
      }
      return { request, claim }
    }),
  )
}

function inputOf(request: SendRequest): SendInput {
  const payload = request.payload ?? {}
  const text = (name: string) => (typeof payload[name] === 'string' ? (payload[name] as string) : null)
  const inline = isInline(request.template)
    ? { subject: text('subject') ?? '', html: text('html'), text: text('text') }
    : null
  return {
    payload: inline ? {} : payload,
    inline,
    sendReason: request.sendReason ?? null,
    replyTo: request.replyTo ?? null,
    campaignId: request.campaignId ?? null,
    headers: request.headers ?? {},
  }
}

/** SHA-256 over what was asked, so that a header key used for two different requests is noticed. */
async function hashOf({
  isHeaderKey: _,
  dedupeKey: __,
  batchId: ___,
  ...asked
}: SendRequest): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(JSON.stringify(asked)))
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

async function keepLargeInputs(door: Door, claims: Claim[]) {
  await Promise.all(
    claims.map(async (claim) => {
      const text = JSON.stringify(claim.input)
      if (text.length < LARGE_INPUT / 4 || byteLength(text) <= LARGE_INPUT) return
      claim.inputKey = `inputs/${claim.id}.json`
      await door.env.MAIL.put(claim.inputKey, text)
    }),
  )
}

/** The input of a send that is kept in R2, or null where it is not. */
export async function largeInput(env: Env, key: string | null): Promise<SendInput | null> {
  if (key === null) return null
  const object = await env.MAIL.get(key)
  return object ? await object.json<SendInput>() : null
}

/** Throws the fault that kept the caller from claiming, or returns what was found. */
function mustKnow(door: Door, found: Found[], count: number): Found[] {
  if (found.length < count) throw new Fault('unauthorized', 'The API key is missing, unknown or revoked.')
  for (const each of found) {
    if (!each.isTenantsOwn)
      throw new Fault('tenant_mismatch', "tenantId is not this key's tenant.", { field: 'tenantId' })
    if (each.mailboxId === null)
      throw new Fault('mailbox_not_found', 'No such mailbox.', { field: 'mailboxId' })
    if (!each.isInScope) {
      throw new Fault('mailbox_scope_denied', `This key is not scoped to mailbox "${each.mailboxId}".`)
    }
    if (!each.maySend) throw new Fault('insufficient_scope', 'This key lacks the permission "send".')
    if (!each.agentExists)
      throw new Fault('agent_not_found', 'No such agent.', {
        field: door.agent?.id ? 'agentId' : 'agentName',
      })
    if (!each.agentFits) throw new Fault('agent_mismatch', 'This key belongs to another agent.')
  }
  return found
}

function result(
  claim: Claim,
  request: SendRequest,
  send: NonNullable<Found['send']>,
  decision: Decision | undefined,
  isFirst: boolean,
): SendResult {
  const isRepeat = send.id !== claim.id
  if (isRepeat && request.isHeaderKey && send.bodyHash !== claim.bodyHash) {
    const message = 'This Idempotency-Key was used for a different request. Use a new key.'
    return { status: 'error', requestId: send.id, code: 'idempotency_mismatch', message, details: {} }
  }
  const state = decision?.state ?? send.state
  if (decision && decision.missing.length > 0 && state === 'failed') {
    const message = `The template needs variables that the payload lacks: ${decision.missing.join(', ')}.`
    const details = { field: 'payload', missing: decision.missing }
    return { status: 'error', requestId: send.id, code: 'template_render_failed', message, details }
  }
  const isSettledHere = decision?.isMine === true && isFirst
  if (!isSettledHere && isAccepted(state))
    return { status: 'duplicate', requestId: send.id, originalState: state }
  return {
    status: publicStatus(state),
    requestId: send.id,
    verdict: decision?.verdict ?? null,
    approvalId: decision?.approvalId ?? null,
    scheduledAt: decision?.scheduledAt ? new Date(decision.scheduledAt) : null,
  }
}

function publicStatus(
  state: SendState,
): 'queued' | 'delivered' | 'blocked' | 'scheduled' | 'pending_approval' {
  if (state === 'scheduled' || state === 'pending_approval' || state === 'delivered') return state
  return isAccepted(state) ? 'queued' : 'blocked'
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('results do not match the requests')
  return value
}
