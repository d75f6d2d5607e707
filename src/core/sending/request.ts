import { tracing } from 'cloudflare:workers'
import { learn } from '../ground/log.ts'
import type { KeptFile } from '../mail/files.ts'
import type { Verdict } from '../policy/judge.ts'
import { isAccepted, type SendState, type SendStateFacts, STATES } from '../policy/states.ts'
import { type Decision, decide } from './decide.ts'
import type { Door } from './door.ts'
import { type Found, gatherStatements, mustKnow, readGathered } from './gather.ts'
import { keepLargeInputs, largeInput, prepare, type SendError, type SendRequest } from './prepare.ts'
import { ring } from './ring.ts'
import { readTexts } from './screen.ts'
import type { Candidate } from './settlement.ts'
import type { Subject } from './subject.ts'
import { type NewSend, takeStatements } from './take.ts'

/**
 * The answer to a request. A refusal is a value; `error` is a request that could not be judged at all. `isKeyDerived` is
 * true if the dedupe key was derived from the message.
 */
export type SendResult =
  | SendError
  | { status: 'duplicate'; requestId: string; originalState: SendState; isKeyDerived: boolean }
  | {
      /** `bounced`: every recipient is an address of ours that does not exist. */
      status: SendStateFacts['countedAs']['answer']
      requestId: string
      verdict: Verdict | null
      approvalId: string | null
      scheduledAt: Date | null
      isKeyDerived: boolean
      /** The stored subject, if DLP struck something out of the message; else null. */
      subject: string | null
    }

/**
 * The one verb of sending: judges each message and hands those that may leave to delivery. A single send is a batch of one;
 * 500 take the same four waits. Results are in the order of the requests. Throws a `Fault` if the caller may not send at all;
 * an error in one item is that item's result.
 */
export async function requestSends(door: Door, requests: SendRequest[]): Promise<SendResult[]> {
  return await tracing.enterSpan('send', async (span) => {
    const results = await request(door, requests)
    const facts = outcomeOf(results)
    learn(facts)
    span.setAttributes({ door: door.name, ...facts })
    return results
  })
}

async function request(door: Door, requests: SendRequest[]): Promise<SendResult[]> {
  const prepared = await prepare(door, requests)
  const asked = prepared.flatMap((each) => ('newSend' in each ? each : []))
  const newSends = asked.map(({ newSend }) => newSend)
  if (newSends.length === 0) {
    const caller = await door.env.DB.batch(gatherStatements(door, [{ id: '' }]))
    mustKnow(door, readGathered(door, caller), 1)
    return prepared.flatMap((each) => ('error' in each ? each.error : []))
  }
  await keepLargeInputs(door.env, newSends)

  const queries = newSends.map(({ id, dedupeKey, mailboxId }) => ({ id, dedupeKey, mailboxId }))
  const answers = await door.env.DB.batch([
    ...takeStatements(door, newSends),
    ...gatherStatements(door, queries),
  ])
  const found = mustKnow(door, readGathered(door, answers), newSends.length)
  const tenantId = found[0]?.keyTenantId ?? ''

  const met = new Set<string>()
  const candidates = await Promise.all(
    asked.flatMap(({ newSend, request }, position) => {
      const { send, subject } = must(found[position])
      if (!send) throw new Error('a send was neither written nor found under its dedupe key')
      const isFirst = !met.has(send.id)
      met.add(send.id)
      const files = request.composed?.files ?? []
      return send.state === 'judging' && isFirst && subject
        ? [candidate(door, { send, subject, newSend, files })]
        : []
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
    if (!send) throw new Error('a send was neither written nor found under its dedupe key')
    const decision = answered.has(send.id) ? undefined : decided.get(send.id)
    answered.add(send.id)
    return result(each.newSend, each.request, send, decision ?? decided.get(send.id), decision !== undefined)
  })
}

type Outcome = { sends?: number; sendId?: string; outcome?: string; reason?: string }

/** What the log and the span record: the outcome and reason of a single send, or the number of several sends. */
function outcomeOf(results: SendResult[]): Outcome {
  const [only] = results
  if (!only || results.length > 1) return { sends: results.length }
  if (only.status === 'error') return { outcome: 'error', reason: only.code }
  const refusal = 'verdict' in only ? only.verdict?.refusal : null
  return { sendId: only.requestId, outcome: only.status, ...(refusal ? { reason: refusal.reason } : {}) }
}

/** The unjudged send with the dedupe key: written by this request, or earlier by another one, whose stored input it has. */
async function candidate(
  { env }: Door,
  {
    send,
    subject,
    newSend,
    files,
  }: { send: NonNullable<Found['send']>; subject: Subject; newSend: NewSend; files: KeptFile[] },
): Promise<Candidate> {
  const isOwn = send.id === newSend.id
  const input = isOwn ? newSend.input : (send.storedInput ?? (await largeInput(env, send.inputKey)))
  const isLarge = (isOwn ? newSend.inputKey : send.inputKey) !== null
  const recipients = isOwn ? newSend.recipients : send.storedRecipients
  const areRead = isOwn && files.every(({ text }) => text !== undefined)
  const texts = areRead
    ? files.map(({ id, text = null }) => ({ id, text }))
    : await readTexts(env, input?.files)
  const content = input && { input, recipients, texts, rendered: null }
  return {
    sendId: send.id,
    from: 'judging',
    subject,
    input,
    content,
    isLarge,
    isRendered: false,
    mayWaitUntil: null,
  }
}

function result(
  newSend: NewSend,
  request: SendRequest,
  send: NonNullable<Found['send']>,
  decision: Decision | undefined,
  isFirst: boolean,
): SendResult {
  const isRepeat = send.id !== newSend.id
  if (isRepeat && request.isHeaderKey && send.bodyHash !== '' && send.bodyHash !== newSend.bodyHash) {
    const message = 'This Idempotency-Key was used for a different request. Use a new key.'
    return { status: 'error', requestId: send.id, code: 'idempotency_mismatch', message, details: {} }
  }
  const state = decision?.state ?? send.state
  if (decision?.lack && state === 'failed') {
    const { names, detail } = decision.lack
    const message =
      detail === null
        ? `The template needs variables that the payload lacks: ${names.join(', ')}.`
        : `The template cannot be rendered with this payload: ${detail}.`
    const details = { field: 'payload', missing: names }
    return { status: 'error', requestId: send.id, code: 'template_render_failed', message, details }
  }
  const isKeyDerived = newSend.burnForMs !== null
  const isSettledHere = decision?.isMine === true && isFirst
  if (!isSettledHere && isAccepted(state))
    return { status: 'duplicate', requestId: send.id, originalState: state, isKeyDerived }
  return {
    status: STATES[state].countedAs.answer,
    requestId: send.id,
    verdict: decision?.verdict ?? null,
    approvalId: decision?.approvalId ?? null,
    scheduledAt: decision?.scheduledAt ? new Date(decision.scheduledAt) : null,
    isKeyDerived,
    subject: decision?.subject ?? null,
  }
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('results do not match the requests')
  return value
}
