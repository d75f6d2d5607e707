import { tellFailure } from '../ground/log.ts'

/** A bell is a queue message that names the row to look at. It carries no content: the row says what to do. */
export type SendBell = { tenantId: string; sendId: string }
export type ArrivalBell = { tenantId: string; arrivalId: string }
/** The tenant has events to publish. */
export type OutboxBell = { tenantId: string; outbox: true }
/** The tenant has audit entries to chain. */
export type AuditBell = { tenantId: string; audit: true }
/** The tenant must be erased. */
export type ErasureBell = { tenantId: string; erasure: true }
export type ArchiveBell = { tenantId: string; archiveId: string }
/** The domain's DNS records must be checked again. */
export type DomainBell = { tenantId: string; domainId: string }
export type WebhookBell = { tenantId: string; deliveryId: string }

/** The messages of the queue `jobs`. */
export type JobBell = SendBell | ArrivalBell | OutboxBell | AuditBell | DomainBell | ErasureBell | ArchiveBell

type JobsQueue = { JOBS: Queue<JobBell> }

/** A bell and its delay in ms. The delay is only a hint: the time that counts is in the row. */
export type Bell = SendBell & { afterMs?: number }

/** A queue takes at most this many messages in one call. */
const AT_ONCE = 100
/** The longest delay that a queue accepts, in ms. The sweep rings for anything later. */
const DELAY_AT_MOST_MS = 43_200_000

/** Ring one queue for many sends: one message by `send`, more in parallel calls of at most 100. */
export async function ringAll(queue: Queue<SendBell>, bells: Bell[]): Promise<void> {
  const messages = bells
    .filter(({ afterMs = 0 }) => afterMs <= DELAY_AT_MOST_MS)
    .map(({ tenantId, sendId, afterMs }) => ({
      body: { tenantId, sendId },
      ...(afterMs === undefined ? {} : { delaySeconds: Math.ceil(afterMs / 1000) }),
    }))
  await post(queue, messages)
}

/** Ring for mails that came in. */
export async function ringArrivals(env: JobsQueue, bells: ArrivalBell[]): Promise<void> {
  await post(
    env.JOBS,
    bells.map(({ tenantId, arrivalId }) => ({ body: { tenantId, arrivalId } })),
  )
}

/** Ring for events that wait to be published, once for each tenant. */
export async function ringOutbox(env: JobsQueue, tenantIds: string[]): Promise<void> {
  const bells = [...new Set(tenantIds)].map((tenantId): OutboxBell => ({ tenantId, outbox: true }))
  await post(
    env.JOBS,
    bells.map((body) => ({ body })),
  )
}

/** Ring for other jobs. */
export async function ringJobs(env: JobsQueue, bells: JobBell[]): Promise<void> {
  await post(
    env.JOBS,
    bells.map((body) => ({ body })),
  )
}

async function post<Body>(queue: Queue<Body>, messages: MessageSendRequest<Body>[]): Promise<void> {
  const [first] = messages
  if (!first) return
  try {
    if (messages.length === 1) {
      const { body, ...options } = first
      await queue.send(body, options)
      return
    }
    const calls: Promise<unknown>[] = []
    for (let from = 0; from < messages.length; from += AT_ONCE) {
      calls.push(queue.sendBatch(messages.slice(from, from + AT_ONCE)))
    }
    await Promise.all(calls)
  } catch (error) {
    tellFailure('bell_failed', error, { count: messages.length }, 'warn')
  }
}
