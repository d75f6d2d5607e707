import type Stripe from 'stripe'
import { type Env, settings } from '../../../env.ts'
import { Fault } from '../../ground/fault.ts'
import { tell } from '../../ground/log.ts'

/** The payment provider: Stripe, or in local development a ledger without money. */
export type Provider = 'stripe' | 'local'

/** Stripe's answer to a request. `refused` is definite: the same request would be refused again. */
type Told<Answer> = { kind: 'answer'; answer: Answer } | { kind: 'refused'; reason: string }

/** How long Stripe may take to answer one request, in ms. */
const TIMEOUT_MS = 20_000

const clients = new WeakMap<Env, Promise<Stripe>>()

/** The payment provider, or null if there is none: a deployed Worker without a Stripe key. */
export function providerOf(env: Env): Provider | null {
  const { stripe, isLocal } = settings(env)
  if (stripe) return 'stripe'
  return isLocal ? 'local' : null
}

/** The payment provider. Fault: `not_configured` if there is none. */
export function mustCollect(env: Env): Provider {
  const provider = providerOf(env)
  if (provider) return provider
  throw new Fault('not_configured', 'Payments are off on this server: no STRIPE_SECRET_KEY is configured.')
}

/** Stripe's SDK, configured for this environment. It is loaded on first use. */
export function stripeOf(env: Env): Promise<Stripe> {
  const known = clients.get(env) ?? connect(env)
  clients.set(env, known)
  return known
}

async function connect(env: Env): Promise<Stripe> {
  const { stripe } = settings(env)
  if (!stripe) throw new Error('there is no Stripe without STRIPE_SECRET_KEY')
  const { default: Stripe } = await import('stripe')
  const { secretKey, baseUrl } = stripe
  return new Stripe(secretKey, {
    httpClient: Stripe.createFetchHttpClient(),
    timeout: TIMEOUT_MS,
    maxNetworkRetries: 1,
    telemetry: false,
    ...(baseUrl && {
      host: baseUrl.hostname,
      protocol: baseUrl.protocol === 'http:' ? ('http' as const) : ('https' as const),
      port: baseUrl.port || (baseUrl.protocol === 'http:' ? 80 : 443),
    }),
  })
}

/**
 * Sends Stripe a request that answers with an object of this kind. A definite refusal, such as a declined card, is a value.
 * If it is unknown whether Stripe did it, throws `payment_unavailable`: repeat it with the same idempotency key.
 */
export async function told<Answer extends { object: string }>(
  env: Env,
  kind: Answer['object'],
  ask: (stripe: Stripe) => Promise<Answer>,
): Promise<Told<Answer>> {
  if (!settings(env).stripe) throw unavailable('not configured')
  const stripe = await stripeOf(env)
  try {
    const answer = await ask(stripe)
    // For an unknown route, the SDK returns the error page as if it were the object.
    if (answer.object === kind) return { kind: 'answer', answer }
    throw unavailable(`no ${kind}`)
  } catch (error) {
    if (error instanceof Fault) throw error
    const { type, code } = error as { type?: unknown; code?: unknown }
    const reason = typeof code === 'string' ? code : String(type)
    if (type === 'StripeCardError' || type === 'StripeInvalidRequestError') return { kind: 'refused', reason }
    throw unavailable(reason)
  }
}

/** As `told`, for requests that Stripe refuses only if we made a mistake. A refusal is `payment_unavailable`, too. */
export async function asked<Answer extends { object: string }>(
  env: Env,
  kind: Answer['object'],
  ask: (stripe: Stripe) => Promise<Answer>,
): Promise<Answer> {
  const outcome = await told(env, kind, ask)
  if (outcome.kind === 'answer') return outcome.answer
  throw unavailable(outcome.reason)
}

/** The id of an object that Stripe returns as an id or, if expanded, as the object. */
export function idOf(named: string | { id: string } | null | undefined): string | null {
  return typeof named === 'string' ? named : (named?.id ?? null)
}

function unavailable(reason: string): Fault {
  tell('error', 'stripe_unavailable', { reason })
  return new Fault('payment_unavailable', 'The payment provider cannot be reached. Try again in a minute.', {
    retryAfter: 60,
  })
}
