import { Hono } from 'hono'
import {
  chooseTenant,
  endSessions,
  findSignIn,
  listSessions,
  signIn,
} from '../../../core/accounts/sessions.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { askSignIn } from '../../../core/notices/people.ts'
import { formOf } from '../forms/form.ts'
import { posted } from '../forms/posted.ts'
import { Badge, Field, Form, Listing, pageOf, Time } from '../parts/parts.tsx'
import {
  done,
  endSession,
  type Portal,
  type PortalContext,
  personOf,
  sessionSecret,
  signedIn,
  startSession,
} from '../session.ts'
import { page } from '../shell.tsx'

/** The way in, which needs nothing but an address: a link is mailed, and only its button signs in. */
export const signingIn = new Hono<Portal>()

signingIn.get('/sign-in', askPage)

signingIn.post('/sign-in', async (c) => {
  return await posted(c, {
    async act({ email = '' }) {
      const clientAddress = c.req.header('cf-connecting-ip') ?? null
      const asking = await askSignIn(at(c), { email, clientAddress })
      if ('retryAt' in asking) {
        const seconds = Math.ceil((asking.retryAt.getTime() - c.get('now').getTime()) / 1000)
        c.header('Retry-After', String(seconds))
        return await page(c, 'Too many links', <p>Try again in {Math.ceil(seconds / 60)} minutes.</p>, 429)
      }
      // Behind the answer, so that its time tells nothing either.
      c.executionCtx.waitUntil(asking.mail())
      return await mailedPage(c)
    },
    again: () => askPage(c),
  })
})

/** Scanners and mail programs follow every link: following it changes nothing. */
signingIn.get('/enter/:token', async (c) => {
  const found = await findSignIn(at(c), c.req.param('token'))
  if (!found) return await spentLink(c)
  return await page(
    c,
    'Sign in',
    <>
      <p>You are about to sign in as {found.contact}, in this browser.</p>
      <form method="post">
        <button class="primary" type="submit" autofocus>
          Sign in
        </button>
      </form>
    </>,
  )
})

signingIn.post('/enter/:token', async (c) => {
  const browser = { name: c.req.header('user-agent') ?? null, session: sessionSecret(c) }
  try {
    startSession(c, await signIn(at(c), c.req.param('token'), browser))
  } catch (error) {
    if (error instanceof Fault && error.code === 'expired') return await spentLink(c)
    throw error
  }
  return c.redirect('/portal', 303)
})

/** What a signed-in person may do before a tenant is chosen. */
export const sessionPages = new Hono<Portal>()

sessionPages.use('/accounts', signedIn)
sessionPages.use('/sign-out', signedIn)
sessionPages.use('/sessions', signedIn)
sessionPages.use('/sessions/*', signedIn)

sessionPages.get('/accounts', async (c) => {
  const { memberships, ctx } = personOf(c)
  return await page(
    c,
    'Which account?',
    <>
      {memberships.length === 0 ? <p>This address belongs to no account any more.</p> : null}
      {memberships.map(({ tenantId, tenantName, role }) => (
        <Form c={c} action="/portal/accounts" class="card">
          <input type="hidden" name="tenant" value={tenantId} />
          <p>
            <strong>{tenantName}</strong> <Badge state={role} />
            <br />
            <code>{tenantId}</code>
          </p>
          <button class="primary" type="submit">
            {ctx?.tenantId === tenantId ? 'Stay' : 'Open'} <span class="visually-hidden">{tenantName}</span>
          </button>
        </Form>
      ))}
      {ctx ? null : (
        <Form c={c} action="/portal/sign-out">
          <button type="submit">Sign out</button>
        </Form>
      )}
    </>,
  )
})

sessionPages.post('/accounts', async (c) => {
  await chooseTenant(at(c), personOf(c), (await formOf(c)).tenant ?? '')
  return c.redirect('/portal', 303)
})

sessionPages.post('/sign-out', async (c) => {
  const person = personOf(c)
  await endSessions(at(c), person, person.session.id)
  endSession(c)
  return done(c, '/portal/sign-in', 'You are signed out.')
})

sessionPages.get('/sessions', async (c) => {
  const person = personOf(c)
  const found = await pageOf(
    c,
    (part) => listSessions(at(c), person, part),
    ({ id }) => id,
  )
  return await page(
    c,
    'Sessions',
    <>
      <p class="lead">
        Where you are signed in. A session ends after 12 hours without a visit, and after 7 days.
      </p>
      <Listing
        c={c}
        of={found}
        caption="Your sessions"
        head={['Browser', 'Signed in', 'Last seen', '']}
        row={(session) => [
          <>
            {browserNamed(session.browser)}{' '}
            {session.id === person.session.id ? <Badge state="this one" tone="good" /> : null}
          </>,
          <Time at={session.createdAt} />,
          <Time at={session.seenAt} />,
          session.id === person.session.id ? null : (
            <Form c={c} action={`/portal/sessions/${session.id}/end`}>
              <button class="small" type="submit">
                End <span class="visually-hidden">the session of {browserNamed(session.browser)}</span>
              </button>
            </Form>
          ),
        ]}
      >
        There are no others.
      </Listing>
      {found.shown.some(({ id }) => id !== person.session.id) ? (
        <Form c={c} action="/portal/sessions/end-others">
          <button type="submit">End all others</button>
        </Form>
      ) : null}
    </>,
  )
})

sessionPages.post('/sessions/end-others', async (c) => {
  await endSessions(at(c), personOf(c), null)
  return done(c, '/portal/sessions', 'All other sessions are ended.')
})

sessionPages.post('/sessions/:sessionId/end', async (c) => {
  await endSessions(at(c), personOf(c), c.req.param('sessionId'))
  return done(c, '/portal/sessions', 'The session is ended.')
})

/** What a browser calls itself, in two words where they can be found. */
function browserNamed(agent: string | null): string {
  if (agent === null) return 'unknown'
  const [program] = /Edg|OPR|Firefox|Chrome|Safari/.exec(agent) ?? []
  const [system] = /Windows|Android|iPhone|iPad|Macintosh|Linux/.exec(agent) ?? []
  if (!program || !system) return agent
  const named = { Edg: 'Edge', OPR: 'Opera' }[program] ?? program
  return `${named} on ${system === 'Macintosh' ? 'macOS' : system}`
}

const at = (c: PortalContext) => ({ env: c.env, now: c.get('now') })

async function askPage(c: PortalContext) {
  return await page(
    c,
    'Sign in',
    <>
      <p class="lead">A link is mailed to you; there is no password.</p>
      <form method="post" action="/portal/sign-in">
        <Field
          c={c}
          label="Your email address"
          name="email"
          attributes={{ type: 'email', required: true, autocomplete: 'email', maxlength: 320 }}
        />
        <div class="actions">
          <button class="primary" type="submit">
            Mail me a link
          </button>
        </div>
      </form>
    </>,
  )
}

async function mailedPage(c: PortalContext) {
  return await page(
    c,
    'Look into your mail',
    <>
      <p>
        If this address belongs to somebody here, a link is on its way to it. It works once, for 15 minutes.
      </p>
      <p>
        <a href="/portal/sign-in">Ask for another</a>
      </p>
    </>,
  )
}

async function spentLink(c: PortalContext) {
  return await page(
    c,
    'This link is no good any more',
    <>
      <p>It has been used, or is older than 15 minutes.</p>
      <p>
        <a href="/portal/sign-in">Ask for another</a>
      </p>
    </>,
    410,
  )
}
