import { type Env, settings } from '../../../env.ts'
import { beginning } from './words.ts'

export type EmbeddingFailure = 'model_timeout' | 'model_garbage' | 'model_failed'
type Embedded = { name: string; vectors: number[][] } | { failure: EmbeddingFailure }

const WORKERS_AI = '@cf/baai/bge-m3'
/** How long Workers AI may take, in ms. Another model has a configured limit. */
const PATIENCE_MS = 10_000
/** How much of each text the model reads, in bytes of UTF-8. */
const SHOWN = 4_000
/** The most texts in one call. */
const AT_ONCE = 50

/** The configured model's vector for each text, or why it failed; null if no model is configured. */
export async function embedByModel(env: Env, texts: string[]): Promise<Embedded | null> {
  const { embeddingModel, model } = settings(env)
  const name = env.AI ? WORKERS_AI : embeddingModel
  if (name === null) return null
  const patience = AbortSignal.timeout(env.AI ? PATIENCE_MS : (model?.timeoutMs ?? PATIENCE_MS))
  try {
    const vectors: number[][] = []
    for (let at = 0; at < texts.length; at += AT_ONCE) {
      const shown = texts.slice(at, at + AT_ONCE).map((text) => beginning(text, SHOWN) || ' ')
      vectors.push(
        ...(await (env.AI ? byWorkersAi(env.AI, shown, patience) : byOwn(env, name, shown, patience))),
      )
    }
    return isWhole(vectors, texts.length) ? { name, vectors } : { failure: 'model_garbage' }
  } catch {
    return { failure: patience.aborted ? 'model_timeout' : 'model_failed' }
  }
}

async function byWorkersAi(ai: Ai, text: string[], patience: AbortSignal): Promise<number[][]> {
  const late = new Promise<never>((_, reject) => {
    patience.addEventListener('abort', () => reject(patience.reason))
  })
  const answer: unknown = await Promise.race([ai.run(WORKERS_AI, { text }), late])
  return (answer as { data: number[][] }).data
}

/** The first call loads the library, so that a Worker without a model starts faster. */
async function byOwn(
  env: Env,
  name: string,
  values: string[],
  abortSignal: AbortSignal,
): Promise<number[][]> {
  const { model } = settings(env)
  if (model === null) return []
  const [{ createOpenAICompatible }, { embedMany }] = await Promise.all([
    import('@ai-sdk/openai-compatible'),
    import('ai'),
  ])
  const provider = createOpenAICompatible({
    name: 'model',
    baseURL: model.baseUrl,
    ...(model.apiKey === null ? {} : { apiKey: model.apiKey }),
  })
  const { embeddings } = await embedMany({
    model: provider.embeddingModel(name),
    values,
    maxRetries: 0,
    abortSignal,
  })
  return embeddings
}

function isWhole(vectors: number[][], count: number): boolean {
  const size = vectors[0]?.length ?? 0
  return (
    vectors.length === count &&
    size > 0 &&
    vectors.every((vector) => vector.length === size && vector.every(Number.isFinite))
  )
}
