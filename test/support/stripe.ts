import { env } from 'cloudflare:workers'
import Stripe from 'stripe'
import { app } from '../../src/app.ts'
import type { Env } from '../../src/env.ts'
import { peers } from './peer-letter.ts'
import type { StripeRequest } from './peer-stripe.ts'
import type { Answer, Tenant } from './tenant.ts'

export const PRICES = {
  STRIPE_PRICE_STARTER: 'price_starter',
  STRIPE_PRICE_GROWTH: 'price_growth',
  STRIPE_PRICE_TEAM: 'price_team',
  STRIPE_PRICE_ENTERPRISE: 'price_enterprise',
}

export const SECRET = 'whsec_of_the_tests'

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the far side holds
type Things = Record<string, any>

/** The Worker with its own account at the test server of this name. */
export function newStripe(baseUrl: string = peers.stripe) {
  const secretKey = `sk_test_${crypto.randomUUID()}`
  const settings: Env = {
    ...(env as Env),
    ...{ STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: SECRET, STRIPE_BASE_URL: baseUrl, ...PRICES },
  }
  const headers = { authorization: `Bearer ${secretKey}` }
  const ask = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await app.request(path, init, settings)
    return { status: response.status, body: await response.json(), headers: response.headers }
  }
  const report = async (body: string, signature: string | null) =>
    await ask('/events/stripe', {
      method: 'POST',
      body,
      headers: signature === null ? {} : { 'stripe-signature': signature },
    })
  return {
    env: settings,
    as: ({ key }: Pick<Tenant, 'key'>) => ({
      get: (path: string) => ask(path, { headers: { authorization: `Bearer ${key}` } }),
      post: (path: string, body: unknown = {}, more: Record<string, string> = {}) =>
        ask(path, {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...more },
        }),
    }),
    operator: (path: string, body: unknown = { reason: 'test' }) =>
      ask(`/admin${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: `Bearer ${env.OPERATOR_KEY}`, 'content-type': 'application/json' },
      }),
    /** An event, signed as Stripe signs it. */
    report,
    told: async (type: string, object: Things, change: Things = {}) => {
      const body = eventOf(type, object, change)
      return await report(body, await signed(body))
    },
    /** The state of the test server's account. */
    look: async () =>
      await (await fetch(`${baseUrl}/-account`, { headers })).json<{
        things: Things
        requests: StripeRequest[]
        wrong: string[]
      }>(),
    set: async (change: { things?: Things[]; decline?: string | null; down?: number }) => {
      await fetch(`${baseUrl}/-account`, { method: 'PUT', headers, body: JSON.stringify(change) })
    },
  }
}

export type TestStripe = ReturnType<typeof newStripe>

export function eventOf(type: string, object: Things, change: Things = {}): string {
  const created = Math.floor(Date.now() / 1000)
  const id = `evt_${crypto.randomUUID()}`
  return JSON.stringify({ id, object: 'event', type, created, data: { object }, ...change })
}

/** The signature header, made by Stripe's own library. */
export async function signed(body: string, secret = SECRET, at = Date.now()): Promise<string> {
  return await new Stripe('sk_test_signs_only').webhooks.generateTestHeaderStringAsync({
    payload: body,
    secret,
    timestamp: Math.floor(at / 1000),
    cryptoProvider: Stripe.createSubtleCryptoProvider(),
  })
}
