import { type Documented, NAMES } from './documented.ts'

/** The reference page for everything (`api` is null) or for one published API. */
export function Reference({ api }: { api: Documented | null }) {
  const pages = [
    { name: 'Everything', path: '/docs', isShown: api === null },
    ...Object.entries(NAMES).map(([each, name]) => ({ name, path: `/docs/${each}`, isShown: each === api })),
  ]
  const source = api === null ? '/openapi.json' : `/openapi/${api}.json`
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{api === null ? 'Moltpost API' : `${NAMES[api]} API, as Moltpost answers it`}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="/docs/assets/swagger-ui.css" />
        <link rel="stylesheet" href="/docs/assets/page.css" />
        <script src="/docs/assets/swagger-ui-bundle.js" defer></script>
        <script src="/docs/assets/page.js" defer></script>
      </head>
      <body>
        <header>
          <h1>Moltpost API</h1>
          <p>
            One key works for every operation. To try them here, paste the key under “Authorize”. The calls
            are real: they act on this server.
          </p>
          <nav aria-label="APIs">
            <ul>
              {pages.map(({ name, path, isShown }) => (
                <li>
                  <a href={path} aria-current={isShown ? 'page' : undefined}>
                    {name}
                  </a>
                </li>
              ))}
              <li>
                <a href={source}>OpenAPI document</a>
              </li>
              <li>
                <a href="/llms.txt">For models</a>
              </li>
            </ul>
          </nav>
        </header>
        <main id="reference" data-document={source}></main>
        <noscript>
          <p>
            This page needs JavaScript. The <a href={source}>OpenAPI document</a> does not.
          </p>
        </noscript>
      </body>
    </html>
  )
}
