import { peers } from './peer-letter.ts'

/** What a model answers: `content` is a text, or JSON that it says as text; `latency` is in ms, 30,000 at most. */
export type Says = {
  when?: string
  content?: string | Record<string, unknown>
  /** The vector of every text it is given. */
  embedding?: number[]
  error?: { message: string; type?: string }
  status?: number
  latency?: number
}

/**
 * Settings of a model of the test's own, which answers with the first of `says` whose `when` the request's text
 * contains.
 */
export async function newModel(...says: Says[]) {
  const name = `model-${crypto.randomUUID()}`
  const fixtures = says.map(({ when, latency, ...response }) => ({
    match: { model: name, ...(when === undefined ? {} : { userMessage: when }) },
    response,
    ...(latency === undefined ? {} : { chaos: { latencyMs: latency } }),
  }))
  const answer = await fetch(new URL('/__aimock/fixtures', peers.model), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ fixtures }),
  })
  if (!answer.ok) throw new Error(`the model took no fixtures: ${await answer.text()}`)
  return { MODEL_BASE_URL: peers.model, MODEL_API_KEY: 'test', MODEL_NAME: name }
}
