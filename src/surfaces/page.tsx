import type { MiddlewareHandler } from 'hono'
import { raw } from 'hono/html'
import type { App } from './http.ts'

const STYLE = `
  :root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif }
  body { max-width: 34rem; margin: 12vh auto 3rem; padding: 0 1.25rem; overflow-wrap: anywhere }
  h1 { font-size: 1.5rem; line-height: 1.25 }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1.5rem 0 }
  dt { opacity: .75 }
  dd { margin: 0; white-space: pre-line }
  label { display: block; font-weight: 600; margin-top: 1.25rem }
  small { display: block; opacity: .75; margin-top: .25rem; font-weight: 400 }
  input { font: inherit; font-weight: 400; box-sizing: border-box; width: 100%; min-height: 2.75rem; padding: .25rem .75rem;
    margin-top: .25rem; border: 2px solid color-mix(in srgb, currentColor 50%, transparent); border-radius: .5rem }
  button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.25rem; margin-top: 1.5rem;
    cursor: pointer; color: Canvas; background: CanvasText; border: 2px solid CanvasText; border-radius: .5rem }
  :is(input, button):focus-visible { outline: 3px solid Highlight; outline-offset: 3px }
  [role=alert] { border-left: .25rem solid; padding-left: .75rem; font-weight: 600 }
`

/** The headers of every page for people: no referrer, no search index, no handle for other windows. */
export const APART = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'X-Robots-Tag': 'noindex',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

/** The headers of pages with a token in their address: no referrer, no cache, no frames. */
export const guarded: MiddlewareHandler<App> = async (c, next) => {
  await next()
  c.header('Cache-Control', 'no-store')
  c.header('X-Frame-Options', 'DENY')
  for (const [name, value] of Object.entries(APART)) c.header(name, value)
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'nonce-${c.get('requestId')}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  )
}

/** One plain HTML page for a person who follows a link. Its nonce allows its own style and nothing else. */
export function Page({ title, nonce, children }: { title: string; nonce: string; children: unknown }) {
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
