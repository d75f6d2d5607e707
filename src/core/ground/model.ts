import type { LanguageModel } from 'ai'
import { type Env, settings } from '../../env.ts'

/**
 * The configured language model, at an OpenAI-compatible address, or null if none is configured. The first call loads the
 * library, so that a Worker without a model starts faster. Callers limit the time of each request themselves, by
 * `settings(env).model.timeoutMs`.
 */
export async function languageModel(env: Env): Promise<LanguageModel | null> {
  const { model } = settings(env)
  if (model === null) return null
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
  const provider = createOpenAICompatible({
    name: 'model',
    baseURL: model.baseUrl,
    ...(model.apiKey === null ? {} : { apiKey: model.apiKey }),
    supportsStructuredOutputs: true,
  })
  return provider(model.name)
}
