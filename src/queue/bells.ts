import type {
  ArchiveBell,
  ArrivalBell,
  AuditBell,
  DomainBell,
  ErasureBell,
  OutboxBell,
  SendBell,
  WebhookBell,
} from '../core/journal/bells.ts'

type Bell = { tenantId: string }
type KeyOf<Body> = Exclude<keyof Body, 'tenantId'> & string

export function isObject(body: unknown): body is Record<string, unknown> {
  return typeof body === 'object' && body !== null
}

/** Reads bells that name a row by its id. */
function bellOf<Body extends Bell>(key: KeyOf<Body>) {
  return (body: unknown): body is Body =>
    isObject(body) && typeof body.tenantId === 'string' && typeof body[key] === 'string'
}

/** Reads bells for all rows of one kind that a tenant has waiting. */
function bellFor<Body extends Bell>(key: KeyOf<Body>) {
  return (body: unknown): body is Body =>
    isObject(body) && typeof body.tenantId === 'string' && body[key] === true
}

export const isSendBell = bellOf<SendBell>('sendId')
export const isArrivalBell = bellOf<ArrivalBell>('arrivalId')
export const isDomainBell = bellOf<DomainBell>('domainId')
export const isArchiveBell = bellOf<ArchiveBell>('archiveId')
export const isWebhookBell = bellOf<WebhookBell>('deliveryId')
export const isOutboxBell = bellFor<OutboxBell>('outbox')
export const isAuditBell = bellFor<AuditBell>('audit')
export const isErasureBell = bellFor<ErasureBell>('erasure')

const BELLS = [
  isSendBell,
  isArrivalBell,
  isDomainBell,
  isArchiveBell,
  isWebhookBell,
  isOutboxBell,
  isAuditBell,
  isErasureBell,
]
const IDS = ['tenantId', 'sendId', 'arrivalId', 'deliveryId', 'domainId', 'archiveId'] as const
const KINDS = ['outbox', 'audit', 'erasure'] as const

/** What the log says of a queue message: the ids in a bell, and nothing of a message that is no bell. */
export function factsOf(body: unknown): Record<string, string> {
  if (!isObject(body) || !BELLS.some((isBell) => isBell(body))) return {}
  const ids = IDS.flatMap((name) => (typeof body[name] === 'string' ? [[name, body[name]]] : []))
  const job = KINDS.find((name) => body[name] === true)
  return { ...Object.fromEntries(ids), ...(job ? { job } : {}) }
}
