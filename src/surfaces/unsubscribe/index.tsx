import { raw } from 'hono/html'
import { readUnsubscribe, unsubscribe } from '../../core/unsubscribe.ts'
import { type HttpContext, router } from '../http.ts'

/** The link in mail: for people, who get a page, and for their mail providers, which post to it (RFC 8058). */
export const unsubscribing = router()

unsubscribing.use('*', async (c, next) => {
  await next()
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('X-Robots-Tag', 'noindex')
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'nonce-${c.get('requestId')}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  )
})

/** Shows and changes nothing: mail programs and virus scanners follow every link. */
unsubscribing.get('/:token', async (c) => {
  const subscription = await readUnsubscribe(c.env, c.req.param('token'))
  if (subscription === null) return unknownLink(c)
  return c.html(
    <Page title="Unsubscribe" nonce={c.get('requestId')}>
      <p>This sender will write no more to the address at which you received this link.</p>
      <form method="post">
        <input type="hidden" name="List-Unsubscribe" value="One-Click" />
        <button type="submit">Unsubscribe</button>
      </form>
    </Page>,
  )
})

/** Whatever the body says: to post here is to ask for it. */
unsubscribing.post('/:token', async (c) => {
  const subscription = await unsubscribe(c.env, c.get('now'), c.req.param('token'))
  if (subscription === null) return unknownLink(c)
  return c.html(
    <Page title="You are unsubscribed" nonce={c.get('requestId')}>
      <p>
        This sender will write no more to the address at which you received the link. You can close this page.
      </p>
    </Page>,
  )
})

function unknownLink(c: HttpContext) {
  return c.html(
    <Page title="This link is not valid" nonce={c.get('requestId')}>
      <p>It may have been cut short on its way. Open it again from the message, or copy all of it.</p>
    </Page>,
    404,
  )
}

const STYLE = `
  :root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif }
  body { max-width: 34rem; margin: 15vh auto 0; padding: 0 1.25rem }
  h1 { font-size: 1.5rem; line-height: 1.25 }
  button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.25rem; cursor: pointer;
    color: Canvas; background: CanvasText; border: 2px solid CanvasText; border-radius: .5rem }
  button:focus-visible { outline: 3px solid Highlight; outline-offset: 3px }
`

function Page({ title, nonce, children }: { title: string; nonce: string; children: unknown }) {
  return (
    <>
      {raw('<!DOCTYPE html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{title}</title>
          <style nonce={nonce}>{STYLE}</style>
        </head>
        <body>
          <main>
            <h1>{title}</h1>
            {children}
          </main>
        </body>
      </html>
    </>
  )
}
