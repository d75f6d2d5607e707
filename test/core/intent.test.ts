import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { judge, labelled } from '../../bench/sets/intent/set.ts'
import { classifyIntents } from '../../src/core/reading/intent/classify.ts'
import { readIntent } from '../../src/core/reading/intent/embedded.ts'
import { actionFor } from '../../src/core/reading/intent/intents.ts'
import { ownWords } from '../../src/core/reading/intent/reply.ts'
import { newModel } from '../support/model.ts'

const intentOf = (bodyText: string, subject = 'Re: Hello') => readIntent({ subject, bodyText }).intent

test('the held-out half of the labelled set is classified with a macro-F1 of at least 0.85', () => {
  const heldOut = labelled.filter((each) => each.isHeldOut)
  expect(labelled.length).toBeGreaterThanOrEqual(300)
  expect(heldOut.length).toBeGreaterThanOrEqual(140)
  const { macroF1, scores } = judge(heldOut, (message) => readIntent(message).intent)
  expect(scores).toHaveLength(10)
  for (const { intent, count } of scores)
    expect({ intent, isEnough: count >= 8 }).toEqual({ intent, isEnough: true })
  expect(macroF1).toBeGreaterThanOrEqual(0.85)
})

test('a negated phrase does not count', () => {
  expect(intentOf('We are not interested.')).toBe('objection')
  expect(intentOf('I am not really very interested in this')).toBe('objection')
  expect(intentOf("I don't think we'd be interested in a demo.")).toBe('objection')
  expect(intentOf('Wir haben kein Interesse.')).toBe('objection')
  expect(intentOf('Nous ne sommes pas intéressés.')).toBe('objection')
  expect(intentOf('No nos interesa.')).toBe('objection')
  expect(intentOf("Please don't unsubscribe me, I like these mails!")).not.toBe('unsubscribe')
  expect(
    intentOf('This is not about an invoice. Tell me more about the product, I would love to see a demo.'),
  ).toBe('interested')
  expect(intentOf('Very interested! Let’s talk.')).toBe('interested')
})

test('quoted mail and signatures are ignored', () => {
  const quoted = [
    "I'd love to see a demo.\n\nOn Mon, 3 Mar 2025 at 10:00, Joe <joe@x.example> wrote:\n> Not interested? Unsubscribe here.",
    "I'd love to see a demo.\n\nOn Mon, 3 Mar 2025 at 10:00, Joe\n<joe@x.example> wrote:\n\n> unsubscribe",
    "I'd love to see a demo.\n\n-----Original Message-----\nFrom: Joe\nunsubscribe, invoice, lawyer",
    "I'd love to see a demo.\r\n\r\nVon: Joe <joe@x.example>\r\nGesendet: Montag\r\nBetreff: Abmelden\r\n\r\nBitte abmelden",
    "I'd love to see a demo.\n\nRegards,\nAnn\nLegal department, invoice and security",
    "I'd love to see a demo.\n-- \nUnsubscribe | Phishing? Tell security@x.example",
    "On Mon, 3 Mar 2025 at 10:00, Joe wrote:\n> unsubscribe me\n\nI'd love to see a demo.",
    "Am 3.3.2025 um 10:00 schrieb Joe <joe@x.example>:\n> Rechnung\nI'd love to see a demo.",
  ]
  for (const bodyText of quoted) {
    expect(ownWords(bodyText)).toBe("I'd love to see a demo.")
    expect(intentOf(bodyText)).toBe('interested')
  }
  expect(intentOf('> unsubscribe\n> unsubscribe')).toBe('unclassified')
  expect(ownWords('Thanks\n')).toBe('Thanks')
})

test('an action that cannot be undone needs enough confidence', () => {
  expect(actionFor({ intent: 'unsubscribe', confidence: 0.6 })).toBe('trigger_unsubscribe')
  expect(actionFor({ intent: 'unsubscribe', confidence: 0.59 })).toBe('require_approval')
  expect(actionFor({ intent: 'unclassified', confidence: 1 })).toBe('require_approval')
  for (const guess of ['We were told to stop by on Tuesday.', 'The newsletter, the verteiler.']) {
    const reading = readIntent({ subject: 'Re: Hello', bodyText: guess })
    expect(actionFor(reading)).not.toBe('trigger_unsubscribe')
  }
  expect(readIntent({ subject: '', bodyText: '' })).toMatchObject({ intent: 'unclassified' })
  expect(readIntent({ subject: 'Unsubscribe', bodyText: '' })).toMatchObject({ intent: 'unsubscribe' })
})

test('hostile texts do not make reading slow', () => {
  const hostile = [
    'not '.repeat(250_000),
    `On ${'x '.repeat(400_000)}wrote`,
    'On a\n'.repeat(200_000),
    'From:\n'.repeat(160_000),
    '>'.repeat(1_000_000),
    'please remove me my our '.repeat(40_000),
    '\u0301'.repeat(500_000),
    'ﷺ'.repeat(300_000),
    '-'.repeat(1_000_000),
    ' '.repeat(1_000_000),
  ]
  for (const bodyText of hostile) {
    const begin = Date.now()
    const { confidence } = readIntent({ subject: bodyText, bodyText })
    expect(Date.now() - begin).toBeLessThan(200)
    expect(confidence).toBeGreaterThanOrEqual(0)
    expect(confidence).toBeLessThanOrEqual(1)
  }
})

test('a configured model answers, for each message separately', async () => {
  const model = await newModel(
    { when: 'alpha', content: { intent: 'legal', confidence: 0.91 } },
    { when: 'beta', content: { intent: 'unsubscribe', confidence: 0.4 } },
  )
  const messages = [
    { subject: 'a', bodyText: 'alpha' },
    { subject: 'b', bodyText: 'beta\n\nOn Monday Joe wrote:\n> alpha' },
  ]
  expect(await classifyIntents({ ...env, ...model }, messages)).toEqual([
    { intent: 'legal', confidence: 0.91, suggestedAction: 'escalate', answeredBy: 'model' },
    { intent: 'unsubscribe', confidence: 0.4, suggestedAction: 'require_approval', answeredBy: 'model' },
  ])
})

test('if the model is busy, broken or gives an invalid answer, the embedded classifier answers and the result says why', async () => {
  const model = await newModel(
    { when: 'prose', content: 'I think that this person is interested.' },
    { when: 'stranger', content: { intent: 'delighted', confidence: 0.9 } },
    { when: 'toosure', content: { intent: 'legal', confidence: 7 } },
    { when: 'broken', error: { message: 'boom' }, status: 500 },
    { when: 'wellsaid', content: { intent: 'support', confidence: 0.8 } },
  )
  const message = (word: string) => ({ subject: 'Re: Hello', bodyText: `Not interested. ${word}` })
  const asked = ['prose', 'stranger', 'toosure', 'broken', 'wellsaid'].map(message)
  const fallback = (fallbackReason: string) => ({
    ...{ intent: 'objection', suggestedAction: 'escalate', answeredBy: 'embedded', fallbackReason },
  })
  expect(await classifyIntents({ ...env, ...model }, asked)).toMatchObject([
    fallback('model_garbage'),
    fallback('model_garbage'),
    fallback('model_garbage'),
    fallback('model_failed'),
    { intent: 'support', answeredBy: 'model' },
  ])

  const busy = await newModel({ error: { message: 'slow down', type: 'rate_limit_error' }, status: 429 })
  const many = Array.from({ length: 500 }, () => message(''))
  const begin = Date.now()
  const answers = await classifyIntents({ ...env, ...busy }, many)
  expect(Date.now() - begin).toBeLessThan(5_000)
  expect(answers).toHaveLength(500)
  for (const answer of answers) expect(answer).toMatchObject(fallback('model_busy'))

  const nobody = { MODEL_BASE_URL: 'http://127.0.0.1:9/v1', MODEL_NAME: 'none' }
  expect(await classifyIntents({ ...env, ...nobody }, [message('')])).toMatchObject([
    fallback('model_failed'),
  ])
})

test('a model that hangs is waited for no longer than the limits allow', async () => {
  const hanging = await newModel({ content: { intent: 'legal', confidence: 1 }, latency: 30_000 })
  const message = { subject: 'Re: Hello', bodyText: 'Not interested.' }
  const fallback = { intent: 'objection', answeredBy: 'embedded', fallbackReason: 'model_timeout' }
  const begin = Date.now()
  const impatient = { ...env, ...hanging, MODEL_TIMEOUT_MS: '300' }
  expect(await classifyIntents(impatient, [message])).toMatchObject([fallback])
  expect(Date.now() - begin).toBeLessThan(3_000)

  const many = Array.from({ length: 500 }, () => message)
  const started = Date.now()
  const answers = await classifyIntents({ ...env, ...hanging }, many, 500)
  expect(Date.now() - started).toBeLessThan(3_000)
  for (const answer of answers) expect(answer).toMatchObject(fallback)
})
