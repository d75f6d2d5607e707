import { SEND_STATES, type SendState } from '../../schema/sending.ts'

export { SEND_STATES, type SendState }

/** What may change the state of a send. */
type Mover =
  /** The caller or a person cancels it. */
  | 'cancel'
  /** The queue JOBS: judges it, releases it, ends its approval, or sends it again. */
  | 'decide'
  /** The queue RENDER. */
  | 'render'
  /** The queue DELIVER. */
  | 'deliver'
  /** A carrier's or mailbox's signal about a recipient. */
  | 'signal'
  /** A person resolves its unknown outcome. */
  | 'resolve'
  /** A person replays its dead letter. */
  | 'replay'

export type SendStateFacts = {
  /** What moves it on next; null where it is terminal. */
  waitsFor: 'verdict' | 'person' | 'time' | 'worker' | null
  movedBy: Mover[]
  /** Policy let it pass or held it. It keeps its dedupe key, has recipients and lies in Sent if it is a letter. */
  isAccepted: boolean
  /** It counts against the owner's plan. */
  isSpent: boolean
  /** It was given to a carrier or a mailbox, so signals decide its state. */
  isOut: boolean
  countedAs: {
    /** The status in the answer to a send. */
    answer: 'queued' | 'delivered' | 'bounced' | 'blocked' | 'scheduled' | 'pending_approval'
    overview: 'sent' | 'held' | 'blocked' | 'failed' | 'underway'
    batch: 'queued' | 'blocked' | 'pendingApproval' | 'scheduled' | 'cancelled'
  }
  calledBy: {
    /** `deliveryStatus`: null before a carrier is asked. */
    molted: 'sending' | 'deferred' | SendState | null
    /** The `status` of a message. */
    mailmolt: 'queued' | 'pending_approval' | 'sent' | 'delivered' | 'bounced' | 'failed' | 'rejected'
    moltbotden: 'delivered' | 'sending' | 'queued' | 'bounced' | 'failed' | 'spam'
  }
}

/** The one table of the states of a send. Every list of states in code or SQL is read from it. */
export const STATES: Record<SendState, SendStateFacts> = {
  judging: {
    waitsFor: 'verdict',
    movedBy: ['decide'],
    isAccepted: false,
    isSpent: false,
    isOut: false,
    countedAs: { answer: 'blocked', overview: 'underway', batch: 'queued' },
    calledBy: { molted: null, mailmolt: 'queued', moltbotden: 'sending' },
  },
  blocked: {
    waitsFor: null,
    movedBy: [],
    isAccepted: false,
    isSpent: false,
    isOut: false,
    countedAs: { answer: 'blocked', overview: 'blocked', batch: 'blocked' },
    calledBy: { molted: null, mailmolt: 'failed', moltbotden: 'failed' },
  },
  scheduled: {
    waitsFor: 'time',
    movedBy: ['cancel', 'decide'],
    isAccepted: true,
    isSpent: false,
    isOut: false,
    countedAs: { answer: 'scheduled', overview: 'underway', batch: 'scheduled' },
    calledBy: { molted: null, mailmolt: 'queued', moltbotden: 'queued' },
  },
  pending_approval: {
    waitsFor: 'person',
    movedBy: ['cancel', 'decide', 'render'],
    isAccepted: true,
    isSpent: false,
    isOut: false,
    countedAs: { answer: 'pending_approval', overview: 'held', batch: 'pendingApproval' },
    calledBy: { molted: null, mailmolt: 'pending_approval', moltbotden: 'queued' },
  },
  queued: {
    waitsFor: 'worker',
    movedBy: ['cancel', 'render'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'underway', batch: 'queued' },
    calledBy: { molted: null, mailmolt: 'queued', moltbotden: 'sending' },
  },
  rendering: {
    waitsFor: 'worker',
    movedBy: ['cancel', 'render'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'underway', batch: 'queued' },
    calledBy: { molted: null, mailmolt: 'queued', moltbotden: 'sending' },
  },
  ready: {
    waitsFor: 'worker',
    movedBy: ['cancel', 'deliver'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'underway', batch: 'queued' },
    calledBy: { molted: null, mailmolt: 'queued', moltbotden: 'sending' },
  },
  claimed: {
    waitsFor: 'worker',
    movedBy: ['cancel', 'deliver'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'underway', batch: 'queued' },
    calledBy: { molted: 'sending', mailmolt: 'queued', moltbotden: 'sending' },
  },
  in_flight: {
    waitsFor: 'worker',
    movedBy: ['deliver'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'underway', batch: 'queued' },
    calledBy: { molted: 'sending', mailmolt: 'queued', moltbotden: 'sending' },
  },
  retry_wait: {
    waitsFor: 'time',
    movedBy: ['cancel', 'deliver', 'signal'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'underway', batch: 'queued' },
    calledBy: { molted: 'deferred', mailmolt: 'queued', moltbotden: 'queued' },
  },
  accepted: {
    waitsFor: null,
    movedBy: ['signal'],
    isAccepted: true,
    isSpent: true,
    isOut: true,
    countedAs: { answer: 'queued', overview: 'sent', batch: 'queued' },
    calledBy: { molted: 'accepted', mailmolt: 'sent', moltbotden: 'sending' },
  },
  delivered: {
    waitsFor: null,
    movedBy: ['signal'],
    isAccepted: true,
    isSpent: true,
    isOut: true,
    countedAs: { answer: 'delivered', overview: 'sent', batch: 'queued' },
    calledBy: { molted: 'delivered', mailmolt: 'delivered', moltbotden: 'delivered' },
  },
  bounced: {
    waitsFor: null,
    movedBy: ['signal'],
    isAccepted: true,
    isSpent: true,
    isOut: true,
    countedAs: { answer: 'bounced', overview: 'failed', batch: 'queued' },
    calledBy: { molted: 'bounced', mailmolt: 'bounced', moltbotden: 'bounced' },
  },
  complained: {
    waitsFor: null,
    movedBy: ['signal'],
    isAccepted: true,
    isSpent: true,
    isOut: true,
    countedAs: { answer: 'queued', overview: 'failed', batch: 'queued' },
    calledBy: { molted: 'complained', mailmolt: 'delivered', moltbotden: 'spam' },
  },
  failed: {
    waitsFor: null,
    movedBy: ['replay'],
    isAccepted: false,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'blocked', overview: 'failed', batch: 'queued' },
    calledBy: { molted: 'failed', mailmolt: 'failed', moltbotden: 'failed' },
  },
  unknown: {
    waitsFor: 'time',
    movedBy: ['decide', 'resolve', 'signal'],
    isAccepted: true,
    isSpent: true,
    isOut: false,
    countedAs: { answer: 'queued', overview: 'failed', batch: 'queued' },
    calledBy: { molted: 'unknown', mailmolt: 'queued', moltbotden: 'sending' },
  },
  cancelled: {
    waitsFor: null,
    movedBy: [],
    isAccepted: false,
    isSpent: false,
    isOut: false,
    countedAs: { answer: 'blocked', overview: 'failed', batch: 'cancelled' },
    calledBy: { molted: null, mailmolt: 'failed', moltbotden: 'failed' },
  },
  rejected: {
    waitsFor: null,
    movedBy: [],
    isAccepted: false,
    isSpent: false,
    isOut: false,
    countedAs: { answer: 'blocked', overview: 'held', batch: 'cancelled' },
    calledBy: { molted: null, mailmolt: 'rejected', moltbotden: 'failed' },
  },
}

/** The states for which a rule holds. */
export function statesWhere(rule: (facts: SendStateFacts) => boolean): SendState[] {
  return SEND_STATES.filter((state) => rule(STATES[state]))
}

/** The same as SQL: `('queued', 'ready')`, for `state IN ${statesIn(…)}`. */
export function statesIn(rule: (facts: SendStateFacts) => boolean): string {
  return `(${statesWhere(rule)
    .map((state) => `'${state}'`)
    .join(', ')})`
}

/** Whether a send in this state keeps its dedupe key: policy let it pass or held it. */
export const isAccepted = (state: SendState): boolean => STATES[state].isAccepted

/** Nothing more is done for the send. A signal may still correct its state. */
export const isTerminal = ({ waitsFor }: SendStateFacts): boolean => waitsFor === null
/** A cancel may stop the send. */
export const mayBeCancelled = ({ movedBy }: SendStateFacts): boolean => movedBy.includes('cancel')

/** A worker moves it on, holding a lock. */
export const isAtWorker = ({ waitsFor }: SendStateFacts): boolean => waitsFor === 'worker'
