import { bodyLimit } from 'hono/body-limit'
import { Fault } from '../../core/ground/fault.ts'
import { tell } from '../../core/ground/log.ts'
import { type App, createRoute, type Dialect, json, noSuchRoute, OWN_ERROR, surface, z } from '../http.ts'
import { STATUS } from '../status.ts'
import { stripeEvents } from './stripe.ts'

/** The carriers that report, each with the beginning of a report. */
const CARRIERS = {
  ses: {
    name: 'Amazon SES',
    example: { Type: 'Notification', Message: '{"eventType":"Delivery"}', SignatureVersion: '2' },
  },
  resend: { name: 'Resend', example: { type: 'email.delivered', data: { email_id: 'abc123' } } },
  postmark: { name: 'Postmark', example: { RecordType: 'Delivery', Recipient: 'alice@example.com' } },
  sendgrid: { name: 'SendGrid', example: [{ event: 'delivered', email: 'alice@example.com' }] },
  mailgun: {
    name: 'Mailgun',
    example: { signature: { token: 'abc' }, 'event-data': { event: 'delivered' } },
  },
}
type Carrier = keyof typeof CARRIERS

type Report<Event> =
  | { kind: 'events'; events: Event[] }
  | { kind: 'refused' | 'unavailable'; reason: string }
  | { kind: 'unconfigured' }

/** What the surface is given: how to read and prove a report, and how to record its events. */
type EventDoors<Event> = {
  read: (
    carrier: Carrier,
    request: { headers: Headers; body: Uint8Array },
    env: App['Bindings'],
    now: Date,
  ) => Promise<Report<Event>>
  /** Throws if the events could not be stored: the carrier is answered 500 and reports again. */
  record: (env: App['Bindings'], now: Date, events: Event[]) => Promise<void>
}

/** The largest report, in bytes; SendGrid's batches, the largest known, end at 768 KB. */
const REPORT_AT_MOST = 1024 * 1024

const Failure = z.object({ error: z.string(), message: z.string() })

/** The routes to which carriers report events about mail. Each carrier proves its reports in its own way. */
export function carrierEvents<Event>({ read, record }: EventDoors<Event>) {
  const app = surface(dialect)
  app.use(
    bodyLimit({
      maxSize: REPORT_AT_MOST,
      onError: () => {
        throw new Fault('payload_too_large', 'A report is at most 1 MiB.')
      },
    }),
  )
  for (const carrier of Object.keys(CARRIERS) as Carrier[]) {
    app.openapi(route(carrier), async (c) => {
      const { env, req } = c
      const now = c.get('now')
      const body = new Uint8Array(await req.arrayBuffer())
      const report = await read(carrier, { headers: req.raw.headers, body }, env, now)
      if (report.kind === 'events') {
        if (report.events.length > 0) await record(env, now, report.events)
        return c.json({ received: report.events.length }, 200)
      }
      if (report.kind === 'unconfigured')
        throw new Fault(
          'not_configured',
          'Reports of this carrier are not configured here. Set its secret in the Worker.',
        )
      note(carrier, report)
      if (report.kind === 'refused')
        throw new Fault('unauthorized', 'It is not proven that the report comes from the carrier.')
      return c.json(
        { error: 'unavailable', message: 'The report cannot be checked now. Send it again.' },
        503,
      )
    })
  }
  app.route('/', stripeEvents)
  app.all('*', noSuchRoute)
  return app
}

function route(carrier: Carrier) {
  const { name, example } = CARRIERS[carrier]
  return createRoute({
    method: 'post',
    path: `/${carrier}`,
    tags: ['provider-events'],
    summary: `Report events about mail (for ${name})`,
    // Any content type: the body is verified byte by byte before it is parsed.
    request: { body: { required: true, content: { '*/*': { schema: z.any(), example } } } },
    responses: {
      200: json(z.object({ received: z.int() }), 'How many events were recorded'),
      401: json(Failure, 'It is not proven that the report comes from the carrier'),
      413: json(Failure, 'The report is larger than 1 MiB'),
      503: json(
        Failure,
        'Reports of this carrier are not configured here, or the report cannot be checked now',
      ),
    },
  })
}

function note(carrier: Carrier, { kind, reason }: { kind: string; reason: string }) {
  tell('warn', `provider_report_${kind}`, { carrier, reason })
}

const dialect: Dialect = {
  status: STATUS,
  error: OWN_ERROR,
  body: ({ code, message }) => ({ error: code, message }),
}
