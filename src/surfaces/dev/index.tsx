import { newSignIn } from '../../core/accounts/sessions.ts'
import { capturedMessages } from '../../core/delivery/captured.ts'
import { DEMO } from '../../core/local/demo-world.ts'
import { settings } from '../../env.ts'
import { invalid, noSuchRoute, router, z } from '../http.ts'
import { billing } from './billing.tsx'

/** Pages for developers: the outbox of sent mail and a quick sign-in. Only in local development. */
export const dev = router()

dev.use('*', async (c, next) => {
  if (!settings(c.env).isLocal) noSuchRoute(c)
  await next()
})

dev.route('/', billing)

const Query = z.object({
  to: z.string().max(320).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

dev.get('/outbox', async (c) => {
  const query = Query.safeParse(c.req.query())
  if (!query.success) throw invalid(query.error)
  const { to, limit } = query.data
  const found = await capturedMessages(c.env, { to: to ?? null, limit })
  const items = found.map(({ capturedAt, ...mail }) => ({ ...mail, capturedAt: capturedAt.toISOString() }))
  if (!c.req.header('accept')?.includes('text/html')) return c.json({ items })
  c.header('Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self' data:")
  return c.html(<Outbox items={items} to={to ?? ''} />)
})

/** Signs the demo owner in with one click, without a mailed link. */
dev.get('/sign-in', async (c) => {
  const token = await newSignIn({ env: c.env, now: c.get('now') }, DEMO.ownerEmail)
  return c.redirect(`/portal/enter/${token}`, 303)
})

type Mail = Omit<Awaited<ReturnType<typeof capturedMessages>>[number], 'capturedAt'> & { capturedAt: string }

const STYLE = `
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  details { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .6rem 0 }
  summary { cursor: pointer }
  time, .route { opacity: .75; font-size: .9em }
  pre { white-space: pre-wrap; overflow-wrap: anywhere }
  iframe { width: 100%; height: 20rem; background: white; border: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
`

function Outbox({ items, to }: { items: Mail[]; to: string }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>Outbox · Moltpost</title>
        <style>{STYLE}</style>
      </head>
      <body>
        <h1>Outbox</h1>
        <form>
          <label>
            To <input name="to" value={to} placeholder="alice@example.com" />
          </label>{' '}
          <button type="submit">Filter</button>
        </form>
        {items.length === 0 ? <p>No mail yet. Send one, then reload.</p> : null}
        {items.map((mail) => (
          <details>
            <summary>
              <strong>{mail.subject}</strong>{' '}
              <span class="route">
                {mail.envelopeFrom} → {mail.recipient}
              </span>{' '}
              <time datetime={mail.capturedAt}>{mail.capturedAt}</time>
            </summary>
            {mail.html === null ? null : (
              <iframe title={`HTML of ${mail.subject}`} sandbox="" srcdoc={mail.html} />
            )}
            {mail.text === null ? null : <pre>{mail.text}</pre>}
            <details>
              <summary>Source</summary>
              <pre>{mail.raw}</pre>
            </details>
          </details>
        ))}
      </body>
    </html>
  )
}
