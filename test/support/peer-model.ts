import { LLMock } from '@copilotkit/aimock'

/**
 * A language model behind an OpenAI-compatible address. It says what the fixtures say that a test gave it (see
 * `newModel`), and answers 503 to a model name that has none.
 */
export async function startModel() {
  const model = new LLMock({ host: '127.0.0.1', port: 0, strict: true, logLevel: 'silent' })
  const origin = await model.start()
  return { url: `${origin}/v1`, stop: async () => await model.stop() }
}
