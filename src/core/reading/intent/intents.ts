export const INTENTS = [
  'interested',
  'objection',
  'not_now',
  'support',
  'billing',
  'legal',
  'security',
  'out_of_office',
  'unsubscribe',
  'unclassified',
] as const

export type Intent = (typeof INTENTS)[number]

export const ACTIONS = [
  'notify_owner',
  'escalate',
  'require_approval',
  'auto_archive',
  'trigger_unsubscribe',
] as const

export type Action = (typeof ACTIONS)[number]

/** The intent of a received message, and how sure we are, from 0 to 1. */
export type Reading = { intent: Intent; confidence: number }

const ACTION: Record<Intent, Action> = {
  interested: 'notify_owner',
  not_now: 'notify_owner',
  support: 'notify_owner',
  billing: 'notify_owner',
  objection: 'escalate',
  legal: 'escalate',
  security: 'escalate',
  out_of_office: 'auto_archive',
  unsubscribe: 'trigger_unsubscribe',
  unclassified: 'require_approval',
}

/** From this confidence on, an unsubscribe needs no approval. */
const SURE_TO_UNSUBSCRIBE = 0.6

/** What to do about a message. A step that cannot be undone needs approval if the reading is unsure. */
export function actionFor({ intent, confidence }: Reading): Action {
  if (intent === 'unsubscribe' && confidence < SURE_TO_UNSUBSCRIBE) return 'require_approval'
  return ACTION[intent]
}
