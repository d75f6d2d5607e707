import type Stripe from 'stripe'
import { type Env, settings } from '../../../env.ts'
import { Fault } from '../../ground/fault.ts'
import { tell } from '../../ground/log.ts'

/** Who collects the money: Stripe, or under local development a ledger that only says so. */
export type Provider = 'stripe' | 'local'

/** What Stripe made of a request. `refused` is definite: the same request again is refused again. */
export type Told<Answer> = { kind: 'answer'; answer: Answer } | { kind: 'refused'; reason: string }

/** How long Stripe may take to answer one request, in ms. */
const TIMEOUT_MS = 20_000

const clients = new WeakMap<Env, Promise<Stripe>>()

/** Who collects money here, or null where nobody does: a deployed Worker without a key. */
export function providerOf(env: Env): Provider | null {
  const { stripe, isLocal } = settings(env)
  if (stripe) return 'stripe'
  return isLocal ? 'local' : null
}

/** As `providerOf`, for what cannot be done without: throws `not_configured` where nobody collects money. */
export function mustCollect(env: Env): Provider {
  const provider = providerOf(env)
  if (provider) return provider
  throw new Fault('not_configured', 'Nothing can be paid for here: no STRIPE_SECRET_KEY is configured.')
}

/** Stripe's SDK, set up for this environment. It is loaded by the first that needs it. */
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
 * Asks Stripe for an object of this kind. A definite refusal, such as a card's, is a value; everything that leaves open
 * what has become of the request is the fault `payment_unavailable`, and safe to ask again under the same idempotency key.
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
    // Of a route that does not exist the SDK hands over the error page as if it were the object.
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

/** As `told`, where a refusal too can only be our own mistake. */
export async function asked<Answer extends { object: string }>(
  env: Env,
  kind: Answer['object'],
  ask: (stripe: Stripe) => Promise<Answer>,
): Promise<Answer> {
  const outcome = await told(env, kind, ask)
  if (outcome.kind === 'answer') return outcome.answer
  throw unavailable(outcome.reason)
}

/** The id of what Stripe gives as an id or, where it was asked to, as the object itself. */
export function idOf(named: string | { id: string } | null | undefined): string | null {
  return typeof named === 'string' ? named : (named?.id ?? null)
}

function unavailable(reason: string): Fault {
  tell('error', 'stripe_unavailable', { reason })
  return new Fault(
    'payment_unavailable',
    'The payment provider cannot be asked now. Try again in a minute.',
    {
      retryAfter: 60,
    },
  )
}
