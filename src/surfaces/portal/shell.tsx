import { raw } from 'hono/html'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Person } from '../../core/accounts/sessions.ts'
import { may } from '../../core/ground/ctx.ts'
import { countPending } from '../../core/sending/approvals.ts'
import { SCRIPT_URL, STYLE_URL } from './assets/assets.ts'
import type { PortalContext } from './context.ts'
import { takeFlash } from './flash.ts'
import { ButtonForm } from './parts/forms.tsx'

const MENU: [heading: string, entries: [path: string, name: string][]][] = [
  [
    'Mail',
    [
      ['', 'Overview'],
      ['/approvals', 'Approvals'],
      ['/sends', 'Sends'],
      ['/contacts', 'Contacts'],
      ['/trouble', 'Trouble'],
    ],
  ],
  [
    'Agents',
    [
      ['/agents', 'Agents'],
      ['/coordination', 'Leases and votes'],
      ['/mailboxes', 'Mailboxes'],
      ['/templates', 'Templates'],
    ],
  ],
  [
    'Rules',
    [
      ['/suppressions', 'Suppressions'],
      ['/consents', 'Consent'],
      ['/dlp', 'DLP'],
    ],
  ],
  [
    'Connections',
    [
      ['/domains', 'Domains'],
      ['/smtp', 'SMTP'],
      ['/webhooks', 'Webhooks'],
      ['/keys', 'Keys'],
    ],
  ],
  [
    'Account',
    [
      ['/people', 'People'],
      ['/billing', 'Billing'],
      ['/audit', 'Audit log'],
      ['/data', 'Export and delete'],
      ['/sessions', 'Sessions'],
    ],
  ],
]

/**
 * Answers with a page of the portal: with the menu if the person has chosen a tenant, otherwise as a narrow page without it. If a
 * posted form was refused, its fault comes first and has the focus.
 */
export async function page(
  c: PortalContext,
  title: string,
  children: unknown,
  status: ContentfulStatusCode = c.get('wrong') ? 422 : 200,
) {
  const [person, wrong] = [c.get('person'), c.get('wrong')]
  const flash = takeFlash(c)
  const main = (
    <main id="main" tabindex={-1}>
      {flash === null ? null : (
        <div class="note good" role="status">
          {flash}
        </div>
      )}
      <h1>{title}</h1>
      {wrong ? (
        <div class="note bad" role="alert" tabindex={-1} autofocus>
          {wrong.message}
        </div>
      ) : null}
      {children}
    </main>
  )
  const isWide = person?.ctx && status !== 500
  const pending = isWide && person.ctx && may(person.ctx, 'read') ? await countPending(person.ctx) : 0
  return c.html(
    <Document title={wrong ? `Not done: ${title}` : title}>
      {isWide ? (
        <div class="frame">
          <Side c={c} person={person} pending={pending} />
          {main}
        </div>
      ) : (
        <div class="narrow">
          <header>
            <Brand />
          </header>
          {main}
        </div>
      )}
    </Document>,
    status,
  )
}

function Document({ title, children }: { title: string; children: unknown }) {
  return (
    <>
      {raw('<!DOCTYPE html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>{`${title} · Moltpost`}</title>
          <link rel="stylesheet" href={STYLE_URL} />
          <link rel="icon" href="data:," />
          <script type="module" src={SCRIPT_URL} />
        </head>
        <body>
          <a class="skip" href="#main">
            Skip to content
          </a>
          {children}
        </body>
      </html>
    </>
  )
}

function Brand() {
  return (
    <a class="brand" href="/portal">
      Molt<span>post</span>
    </a>
  )
}

function Side({ c, person, pending }: { c: PortalContext; person: Person; pending: number }) {
  return (
    <header class="side">
      <div class="bar">
        <Brand />
        <button type="button" class="opener" popovertarget="menu">
          Menu
          {pending > 0 ? <span class="visually-hidden">: {pending} approvals are waiting</span> : null}
        </button>
      </div>
      <div id="menu" popover="auto">
        <Menu path={c.req.path.replace(/^\/portal/, '')} pending={pending} />
        <SignedIn c={c} person={person} />
      </div>
    </header>
  )
}

/** The links to all pages; the one that `path` belongs to is marked. */
function Menu({ path: current, pending }: { path: string; pending: number }) {
  const isCurrent = (path: string) =>
    path === '' ? current === '' : current === path || current.startsWith(`${path}/`)
  return (
    <nav aria-label="Portal">
      {MENU.map(([heading, entries]) => (
        <>
          <h2>{heading}</h2>
          <ul>
            {entries.map(([path, name]) => (
              <li>
                <a href={`/portal${path}`} {...(isCurrent(path) ? { 'aria-current': 'page' } : {})}>
                  {name}
                  {path === '/approvals' ? <WaitingCount pending={pending} /> : null}
                </a>
              </li>
            ))}
          </ul>
        </>
      ))}
    </nav>
  )
}

function WaitingCount({ pending }: { pending: number }) {
  return (
    <span id="waiting" data-live="approval">
      {pending > 0 ? (
        <span class="count">
          {pending === 100 ? '100+' : pending}
          <span class="visually-hidden"> waiting</span>
        </span>
      ) : null}
    </span>
  )
}

/** The person who is signed in, the account and role, and the way out. */
function SignedIn({ c, person }: { c: PortalContext; person: Person }) {
  const current = person.memberships.find(({ tenantId }) => tenantId === person.ctx?.tenantId)
  return (
    <div class="who">
      <p>
        <strong>{current?.tenantName}</strong>
        <br />
        <span class="soft">
          {person.session.contact}, {current?.role}
        </span>
      </p>
      {person.memberships.length > 1 ? (
        <p>
          <a href="/portal/accounts">Switch account</a>
        </p>
      ) : null}
      <ButtonForm c={c} action="/portal/sign-out" class="small">
        Sign out
      </ButtonForm>
    </div>
  )
}
