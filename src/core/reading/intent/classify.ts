import { type Env, settings } from '../../../env.ts'
import { type Message, readIntent } from './embedded.ts'
import { type Action, actionFor, type Reading } from './intents.ts'
import { askIntent, type ModelFailure } from './model.ts'

export type Classified = Reading & {
  suggestedAction: Action
  answeredBy: 'embedded' | 'model'
  /** Why the embedded one answered although a model is configured. */
  fallbackReason?: ModelFailure
}

/** How many messages the model is asked about at a time. */
const AT_ONCE = 6

/** How long the model may be asked about one batch, in ms: what is left then is read by the embedded one. */
const BATCH_AT_MOST_MS = 20_000

/** After so many failures in a row the rest of a batch does not ask. */
const PATIENCE = 6

/**
 * What each of these messages wants, in their order. Asks the model where one is configured and answers without it where
 * it is slow, busy, broken or talks nonsense: every message gets an answer, which says who gave it.
 */
export async function classifyIntents(
  env: Env,
  messages: Message[],
  atMostMs = BATCH_AT_MOST_MS,
): Promise<Classified[]> {
  if (settings(env).model === null) return messages.map((message) => embedded(message))
  const limit = AbortSignal.timeout(atMostMs)
  const classified: Classified[] = []
  let given: ModelFailure | null = null
  let failures = 0
  let next = 0
  const asker = async () => {
    while (next < messages.length) {
      const at = next++
      const message = messages[at] as Message
      if (limit.aborted) given ??= 'model_timeout'
      const answer: Reading | ModelFailure = given ?? (await askIntent(env, message, limit))
      if (typeof answer === 'string') {
        failures++
        if (answer === 'model_busy' || failures >= PATIENCE) given ??= answer
        classified[at] = embedded(message, answer)
      } else {
        failures = 0
        classified[at] = { ...answer, suggestedAction: actionFor(answer), answeredBy: 'model' }
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, asker))
  return classified
}

function embedded(message: Message, fallbackReason?: ModelFailure): Classified {
  const reading = readIntent(message)
  return {
    ...reading,
    suggestedAction: actionFor(reading),
    answeredBy: 'embedded',
    ...(fallbackReason === undefined ? {} : { fallbackReason }),
  }
}
