import type { LanguageModel } from 'ai'
import { type Env, settings } from '../../env.ts'

/**
 * The language model that the settings name, behind any OpenAI-compatible address, or null where they name none. The
 * library is loaded by the first call, so that a Worker without a model starts without it. Callers bound the time of
 * each request themselves, by `settings(env).model.timeoutMs`.
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
