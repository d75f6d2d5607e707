import { env } from 'cloudflare:test'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CAPABILITIES } from '../../src/carriers/capability.ts'
import { carriers } from '../../src/carriers/index.ts'
import type { CarrierName } from '../../src/core/delivery/carrier.ts'
import { choose, parseWeights } from '../../src/core/delivery/choice.ts'
import { seen } from '../support/peer-carrier.ts'
import { arrived, letter, peers } from '../support/peer-letter.ts'

const names = ['capture', 'smtp', 'ses', 'resend', 'mailgun'] as const
const subset = fc.subarray([...names]).map((list) => new Set<CarrierName>(list))
const weights = fc
  .dictionary(fc.constantFrom(...names), fc.integer({ min: 1, max: 1_000 }), {
    minKeys: 1,
    noNullPrototype: true,
  })
  .map((given) => new Map(Object.entries(given) as [CarrierName, number][]))
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('a chosen carrier is always an allowed one, and one is chosen whenever possible', () => {
  fc.assert(
    fc.property(weights, subset, subset, random, (weights, healthy, excluded, point) => {
      const choice = choose({ weights, healthy, excluded, pinned: null, random: () => point })
      const eligible = [...weights.keys()].filter(
        (name) => !excluded.has(name) && (healthy.has(name) || weights.size === 1),
      )
      if (eligible.length === 0) expect(choice).toBeNull()
      else expect(eligible).toContain(choice)
    }),
    { numRuns: 2_000 },
  )
})

test('a pinned carrier is chosen whatever the health, the weights and the refusals', () => {
  fc.assert(
    fc.property(
      weights,
      subset,
      subset,
      random,
      fc.constantFrom(...names),
      (weights, healthy, excluded, point, pinned) => {
        expect(choose({ weights, healthy, excluded, pinned, random: () => point })).toBe(pinned)
      },
    ),
  )
})

test('over evenly spread draws each healthy carrier is chosen according to its weight', () => {
  fc.assert(
    fc.property(weights, subset, (weights, healthy) => {
      const able = [...weights].filter(([name]) => healthy.has(name))
      const sum = able.reduce((total, [, weight]) => total + weight, 0)
      const counts = new Map<CarrierName | null, number>()
      for (let draw = 0; draw < sum; draw++) {
        const excluded = new Set<CarrierName>()
        const choice = choose({ weights, healthy, excluded, pinned: null, random: () => (draw + 0.5) / sum })
        counts.set(choice, (counts.get(choice) ?? 0) + 1)
      }
      for (const [name, weight] of able)
        expect(Math.abs((counts.get(name) ?? 0) - weight)).toBeLessThanOrEqual(1)
    }),
    { numRuns: 50 },
  )
})

test('a sole carrier is asked even when unhealthy; several unhealthy carriers are waited for', () => {
  const nobody = new Set<CarrierName>()
  const ask = (text: string, excluded = nobody) =>
    choose({ weights: parseWeights(text), healthy: nobody, excluded, pinned: null, random: () => 0.5 })
  expect(ask('smtp:1')).toBe('smtp')
  expect(ask('smtp:1', new Set<CarrierName>(['smtp']))).toBeNull()
  expect(ask('smtp:1, ses:1')).toBeNull()
  expect(ask('smtp:1, ses:1', new Set<CarrierName>(['ses']))).toBeNull()
})

test('weights are read strictly', () => {
  expect([...parseWeights('capture:1, smtp : 3')]).toEqual([
    ['capture', 1],
    ['smtp', 3],
  ])
  const wrong: [string, RegExp][] = [
    ['', /names no carrier/],
    ['smtp:1,', /names no carrier/],
    [
      'postbox:1',
      /"postbox:1" names no carrier; known are capture, smtp, ses, resend, postmark, sendgrid, mailgun, cloudflare/,
    ],
    ['toString:1', /names no carrier/],
    ['internal:1', /names no carrier/],
    ...['smtp', 'smtp:', 'smtp:0', 'smtp:-1', 'smtp:1.5', 'smtp:1e3', 'smtp:1:2', 'smtp:1234567'].map(
      (text): [string, RegExp] => [text, /must read smtp:weight/],
    ),
    ['smtp:1,ses:2,smtp:3', /smtp is named twice/],
  ]
  for (const [text, message] of wrong) expect(() => parseWeights(text), text).toThrow(message)
})

test('a carrier is set up if all its settings are given, and incomplete settings are an error', async () => {
  const { EMAIL: email } = env as { EMAIL?: SendEmail }
  const own = {
    ...{ clientName: 'moltpost.test', email },
    own: { receive: async () => [], capture: async () => {} },
  }
  const full = {
    ...{ SMTP_HOST: '127.0.0.1', SMTP_PORT: String(peers.smtp.starttls), SMTP_SECURITY: 'starttls' },
    ...{ SMTP_USERNAME: peers.login.username, SMTP_PASSWORD: peers.login.password },
    ...{
      SES_REGION: 'eu-west-1',
      SES_ACCESS_KEY_ID: 'a',
      SES_SECRET_ACCESS_KEY: 'b',
      SES_ENDPOINT: peers.ses,
    },
    ...{ RESEND_API_KEY: 'c', RESEND_BASE_URL: peers.resend },
    ...{
      POSTMARK_SERVER_TOKEN: 'd',
      POSTMARK_STREAM: 'news',
      POSTMARK_BASE_URL: `${peers.http}/ok.described`,
    },
    ...{ SENDGRID_API_KEY: 'e', SENDGRID_BASE_URL: `${peers.http}/ok.described` },
    ...{ MAILGUN_API_KEY: 'f', MAILGUN_DOMAIN: 'x.test', MAILGUN_BASE_URL: `${peers.http}/ok.described` },
  }
  const all = carriers(full, own)
  expect([...all.keys()].sort()).toEqual(Object.keys(CAPABILITIES).sort())
  for (const [name, carrier] of all) {
    expect([carrier.name, carrier.idempotencyMs]).toEqual([name, CAPABILITIES[name].idempotencyMs])
    if (name === 'capture') continue
    const message = letter()
    expect(await carrier.send(message), name).toMatchObject({
      kind: 'accepted',
      delivered: name === 'internal',
    })
    expect(await arrived(message.recipient)).toHaveLength(name === 'smtp' ? 1 : 0)
  }
  const { taken } = await seen('ok.described')
  expect(taken.map(({ path, authorization }) => [path, authorization])).toEqual([
    ['/ok.described/email', 'd'],
    ['/ok.described/v3/mail/send', 'Bearer e'],
    ['/ok.described/v3/x.test/messages.mime', `Basic ${btoa('api:f')}`],
  ])
  expect(taken[0]?.body).toMatchObject({ MessageStream: 'news' })
  expect(CAPABILITIES.resend.idempotencyMs).toBeLessThan(24 * 3_600_000)
  expect([...carriers({ SMTP_HOST: '', RESEND_API_KEY: '' }, { clientName: 'x' }).keys()]).toEqual([])

  const wrong: [Record<string, string>, RegExp][] = [
    [{ SMTP_PORT: '587' }, /^smtp needs SMTP_HOST$/],
    [{ SMTP_HOST: 'a', SMTP_PORT: 'x' }, /SMTP_PORT/],
    [{ SMTP_HOST: 'a', SMTP_SECURITY: 'ssl' }, /SMTP_SECURITY must be starttls, tls or none/],
    [{ SMTP_HOST: 'a', SMTP_USERNAME: 'b' }, /both or not at all/],
    [{ SMTP_HOST: 'a\r\nb' }, /SMTP_HOST holds a control character/],
    [{ SES_REGION: 'a' }, /^ses needs SES_ACCESS_KEY_ID, SES_SECRET_ACCESS_KEY$/],
    [{ RESEND_BASE_URL: 'https://x.test' }, /^resend needs RESEND_API_KEY$/],
    [
      { RESEND_API_KEY: 'a', RESEND_BASE_URL: 'http://api.example.com' },
      /RESEND_BASE_URL must be an https address/,
    ],
    [{ RESEND_API_KEY: 'a', RESEND_BASE_URL: 'nonsense' }, /RESEND_BASE_URL must be an https address/],
    [{ POSTMARK_STREAM: 'a' }, /^postmark needs POSTMARK_SERVER_TOKEN$/],
    [{ POSTMARK_SERVER_TOKEN: 'a', POSTMARK_BASE_URL: 'http://x.test' }, /POSTMARK_BASE_URL must be/],
    [{ SENDGRID_BASE_URL: 'https://x.test' }, /^sendgrid needs SENDGRID_API_KEY$/],
    [{ SENDGRID_API_KEY: 'a\n' }, /SENDGRID_API_KEY holds a control character/],
    [{ SENDGRID_API_KEY: 'a', SENDGRID_BASE_URL: 'ftp://x.test' }, /SENDGRID_BASE_URL must be/],
    [{ MAILGUN_API_KEY: 'a' }, /^mailgun needs MAILGUN_DOMAIN$/],
    [{ MAILGUN_DOMAIN: 'a' }, /^mailgun needs MAILGUN_API_KEY$/],
    [{ MAILGUN_API_KEY: 'a', MAILGUN_DOMAIN: 'a', MAILGUN_BASE_URL: 'x' }, /MAILGUN_BASE_URL must be/],
  ]
  for (const [settings, message] of wrong)
    expect(() => carriers(settings, own), JSON.stringify(settings)).toThrow(message)
})
