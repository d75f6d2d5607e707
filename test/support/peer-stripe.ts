import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from './peer-http.ts'

type Thing = Record<string, unknown> & { id: string; object: string }
export type StripeRequest = { method: string; path: string; key: string | null; form: Record<string, string> }
/** What one secret key reaches. `decline` is the code that refuses every new hold, `down` how many requests are lost. */
type Account = {
  things: Record<string, Thing>
  requests: StripeRequest[]
  answered: Map<string, { asked: string; status: number; body: unknown }>
  wrong: string[]
  decline: string | null
  down: number
}
type Reports = { body: string; signature: string | null }[]

/** Official response fixtures, laid under every object where their folder is named. They are no part of this project. */
const folder = process.env.OPENAPI_DIR
const fixtures: { resources: Record<string, object> } = folder
  ? JSON.parse(readFileSync(join(folder, 'stripe_fixtures3.json'), 'utf8'))
  : { resources: {} }
if (!folder)
  console.warn('Official Stripe fixtures NOT USED: set OPENAPI_DIR to the folder with stripe_fixtures3.json')

/**
 * A Stripe with what emulators lack: SetupIntents, the portal, manual capture, subscriptions, idempotency keys. Every
 * secret key is an account of its own. A checkout in mode `setup` is a page that this server hosts; its form enters a card. `GET /-account` with the key tells what it was asked, what of that no Stripe would
 * take, and how its objects stand; `PUT` sets `things`, `decline` and `down`. `POST /-reports` keeps webhooks, which
 * `GET /-reports?about=` gives back as they came.
 */
export async function startStripe() {
  const accounts = new Map<string, Account>()
  const reports: Reports = []
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x')
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    if (url.pathname === '/-reports') {
      if (request.method === 'POST') {
        const signature = request.headers['stripe-signature']
        reports.push({ body: text, signature: typeof signature === 'string' ? signature : null })
      }
      const about = url.searchParams.get('about') ?? ''
      return json(
        response,
        200,
        reports.filter(({ body }) => body.includes(about)),
      )
    }
    if (url.pathname.startsWith('/c/pay/')) {
      const { status, headers, html } = hosted(accounts, request.method ?? '', url)
      response.writeHead(status, headers).end(html)
      return
    }
    const secret = request.headers.authorization?.replace('Bearer ', '') ?? ''
    const account = accounts.get(secret) ?? newAccount()
    accounts.set(secret, account)
    if (url.pathname === '/-account') {
      if (request.method === 'PUT') {
        const { things, ...rest } = JSON.parse(text)
        Object.assign(account, rest)
        for (const thing of Object.values<Thing>(things ?? {}))
          account.things[thing.id] = {
            ...fixtures.resources[thing.object],
            ...account.things[thing.id],
            ...thing,
          }
      }
      return json(response, 200, { ...account, answered: undefined })
    }
    if (account.down > 0) {
      account.down -= 1
      return json(response, 500, { error: { type: 'api_error', message: 'down' } })
    }
    const { status, body } = answer(account, request.method ?? '', url, request.headers, text)
    json(response, status, body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const newAccount = (): Account => ({
  ...{ things: {}, requests: [], answered: new Map(), wrong: [], decline: null, down: 0 },
})

type Answer = { status: number; body: unknown }

function answer(
  account: Account,
  method: string,
  url: URL,
  headers: IncomingHttpHeaders,
  text: string,
): Answer {
  const form = Object.fromEntries(method === 'GET' ? url.searchParams : new URLSearchParams(text))
  const key = headers['idempotency-key']?.toString() ?? null
  account.requests.push({ method, path: url.pathname, key, form })
  const wrong = [
    ...(/^sk_test_/.test(headers.authorization?.slice(7) ?? '') ? [] : ['no secret key']),
    ...(headers['stripe-version'] ? [] : ['no version']),
    ...(method !== 'POST' || key ? [] : ['no idempotency key']),
    ...(method !== 'POST' || headers['content-type'] === 'application/x-www-form-urlencoded'
      ? []
      : [`content type ${headers['content-type']}`]),
  ]
  account.wrong.push(...wrong.map((what) => `${method} ${url.pathname}: ${what}`))
  if (wrong.length > 0) return refused('invalid_request_error', 'parameter_invalid', wrong.join())
  const asked = `${url.pathname} ${JSON.stringify(form)}`
  const known = key === null ? undefined : account.answered.get(key)
  if (known && known.asked !== asked) {
    account.wrong.push(`${key} was used for another request`)
    return refused('idempotency_error', 'idempotency_key_in_use', 'other parameters')
  }
  const host = `http://${headers.host}`
  const given = known ?? { asked, ...act(account, method, url.pathname, form, host) }
  if (key !== null) account.answered.set(key, given)
  return given
}

/** Parameters that a request must bear, by path; a request that bears others than these and the optional is wrong. */
const MUST: [path: RegExp, must: string[]][] = [
  [/^\/v1\/customers$/, ['email', 'metadata[tenant_id]']],
  [
    /^\/v1\/checkout\/sessions$/,
    ['mode', 'customer', 'line_items[0][price]', 'line_items[0][quantity]', 'success_url', 'cancel_url'],
  ],
  [/^\/v1\/billing_portal\/sessions$/, ['customer', 'return_url']],
  [/^\/v1\/setup_intents$/, ['customer', 'usage', 'allowed_payment_method_types[0]']],
  [
    /^\/v1\/payment_intents$/,
    ['amount', 'currency', 'customer', 'payment_method', 'capture_method', 'confirm', 'off_session'],
  ],
]

const MUST_TO_SET_UP = ['customer', 'allowed_payment_method_types[0]', 'success_url', 'cancel_url']

const PREFIX: Record<string, [object: string, prefix: string]> = {
  customers: ['customer', 'cus'],
  'checkout/sessions': ['checkout.session', 'cs_test'],
  'billing_portal/sessions': ['billing_portal.session', 'bps'],
  setup_intents: ['setup_intent', 'seti'],
  payment_intents: ['payment_intent', 'pi'],
  subscriptions: ['subscription', 'sub'],
  charges: ['charge', 'ch'],
}

function act(
  account: Account,
  method: string,
  path: string,
  form: Record<string, string>,
  host: string,
): Answer {
  const kind = Object.keys(PREFIX).find((each) => path === `/v1/${each}` || path.startsWith(`/v1/${each}/`))
  const [object, prefix] = PREFIX[kind ?? ''] ?? []
  if (!kind || !object || !prefix) return { status: 404, body: { message: 'Not Found' } }
  const [id, verb] = path.slice(`/v1/${kind}/`.length).split('/')
  if (!id) {
    if (method === 'GET') {
      const data = Object.values(account.things).filter(
        (thing) => thing.object === object && thing.customer === form.customer,
      )
      return { status: 200, body: { object: 'list', url: path, has_more: false, data } }
    }
    const must = form.mode === 'setup' ? MUST_TO_SET_UP : (MUST.find(([of]) => of.test(path))?.[1] ?? [])
    const missing = must.filter((name) => !form[name])
    account.wrong.push(...missing.map((name) => `${path}: ${name} is missing`))
    if (missing.length > 0)
      return refused('invalid_request_error', 'parameter_missing', `Missing: ${missing.join()}`)
    if (object === 'payment_intent' && account.decline !== null)
      return { ...refused('card_error', account.decline, 'Your card was declined.'), status: 402 }
    const made = create(object, `${prefix}_${crypto.randomUUID().replaceAll('-', '')}`, form, host)
    account.things[made.id] = made
    return { status: 200, body: made }
  }
  const thing = account.things[id]
  if (thing?.object !== object)
    return { ...refused('invalid_request_error', 'resource_missing', `No ${id}`), status: 404 }
  if (method === 'GET') {
    const setup = form['expand[0]'] === 'setup_intent' && account.things[String(thing.setup_intent)]
    return { status: 200, body: setup ? { ...thing, setup_intent: setup } : thing }
  }
  if (verb === 'expire') {
    if (thing.status !== 'open')
      return refused('invalid_request_error', 'checkout_session_not_open', `${id} is ${thing.status}`)
    Object.assign(thing, { status: 'expired', url: null })
  }
  if (method === 'DELETE') {
    if (object !== 'subscription' || thing.status === 'canceled')
      return { ...refused('invalid_request_error', 'resource_missing', `No ${id}`), status: 404 }
    thing.status = 'canceled'
    return { status: 200, body: thing }
  }
  if (verb === 'capture' || verb === 'cancel') {
    const can =
      { payment_intent: ['requires_capture'], setup_intent: ['requires_payment_method'] }[object] ?? []
    if (!can.includes(String(thing.status)))
      return refused('invalid_request_error', `${object}_unexpected_state`, `${id} is ${thing.status}`)
    thing.status = verb === 'capture' ? 'succeeded' : 'canceled'
  }
  if (object === 'subscription') thing.cancel_at_period_end = form.cancel_at_period_end === 'true'
  return { status: 200, body: thing }
}

function create(object: string, id: string, form: Record<string, string>, host: string): Thing {
  const metadata = { bond_id: form['metadata[bond_id]'] ?? null }
  const base = { ...fixtures.resources[object], id, object, customer: form.customer ?? null, metadata }
  switch (object) {
    case 'checkout.session': {
      return {
        ...{ ...base, mode: form.mode, status: 'open', subscription: null, setup_intent: null },
        url: form.mode === 'setup' ? `${host}/c/pay/${id}` : `https://checkout.stripe.com/c/pay/${id}`,
        payment_status: form.mode === 'setup' ? 'no_payment_required' : 'unpaid',
        ...{ success_url: form.success_url, custom_text: form['custom_text[submit][message]'] ?? null },
      }
    }
    case 'billing_portal.session':
      return { ...base, url: `https://billing.stripe.com/p/session/${id}` }
    case 'setup_intent': {
      const client_secret = `${id}_secret_${crypto.randomUUID()}`
      return { ...base, client_secret, status: 'requires_payment_method', payment_method: null }
    }
    case 'payment_intent':
      return {
        ...base,
        amount: Number(form.amount),
        status: 'requires_capture',
        capture_method: form.capture_method,
      }
    default:
      return base
  }
}

const refused = (type: string, code: string, message: string): Answer => ({
  status: 400,
  body: { error: { type, code, message } },
})

/** The page of a checkout: a card is entered by its form, once, and then kept by a SetupIntent of the checkout's own. */
function hosted(accounts: Map<string, Account>, method: string, { pathname }: URL) {
  const id = pathname.slice('/c/pay/'.length)
  const account = [...accounts.values()].find(({ things }) => things[id])
  const session = account?.things[id]
  const headers: Record<string, string> = { 'content-type': 'text/html' }
  if (!account || session?.status !== 'open') return { status: 410, headers, html: 'This page is closed.' }
  if (method !== 'POST') {
    const html = `<p>${session.custom_text}</p><form method="post"><button>Save card</button></form>`
    return { status: 200, headers, html }
  }
  const { customer, metadata } = session
  const setup = { id: `seti_${crypto.randomUUID().replaceAll('-', '')}`, object: 'setup_intent' }
  const card = { status: 'succeeded', payment_method: `pm_${id}` }
  account.things[setup.id] = { ...fixtures.resources.setup_intent, ...setup, ...card, customer, metadata }
  Object.assign(session, { status: 'complete', url: null, setup_intent: setup.id })
  return { status: 303, headers: { ...headers, location: String(session.success_url) }, html: '' }
}
