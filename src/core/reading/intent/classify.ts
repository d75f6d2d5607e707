import { type Env, settings } from '../../../env.ts'
import { type Message, readIntent } from './embedded.ts'
import { type Action, actionFor, type Reading } from './intents.ts'
import { askIntent, type ModelFailure } from './model.ts'

export type Classified = Reading & {
  suggestedAction: Action
  answeredBy: 'embedded' | 'model'
  /** Why the embedded classifier answered although a model is configured. */
  fallbackReason?: ModelFailure
}

/** How many requests to the model run at the same time. */
const AT_ONCE = 6

/** How long the model may work on one batch, in ms. The embedded classifier reads the rest. */
const BATCH_AT_MOST_MS = 20_000

/** After this many failures in a row, the model is not asked about the rest of the batch. */
const PATIENCE = 6

/**
 * The intent of each message, in the given order. Asks the model if one is configured. If the model is slow, busy, broken or
 * gives an invalid answer, the embedded classifier answers instead. Each result says which of the two answered.
 */
export async function classifyIntents(
  env: Env,
  messages: Message[],
  atMostMs = BATCH_AT_MOST_MS,
): Promise<Classified[]> {
  if (settings(env).model === null) return messages.map((message) => embedded(message))
  const limit = AbortSignal.timeout(atMostMs)
  const classified: Classified[] = []
  let stopReason: ModelFailure | null = null
  let failures = 0
  let next = 0
  const asker = async () => {
    while (next < messages.length) {
      const at = next++
      const message = messages[at] as Message
      if (limit.aborted) stopReason ??= 'model_timeout'
      const answer: Reading | ModelFailure = stopReason ?? (await askIntent(env, message, limit))
      if (typeof answer === 'string') {
        failures++
        if (answer === 'model_busy' || failures >= PATIENCE) stopReason ??= answer
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
