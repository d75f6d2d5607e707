import { Hono } from 'hono'
import { findSignIn, signIn } from '../../../core/accounts/sessions.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { askSignIn } from '../../../core/notices/people.ts'
import { envAndNow, type Portal, type PortalContext } from '../context.ts'
import { posted } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { Submit } from '../parts/forms.tsx'
import { sessionSecret, startSession } from '../session.ts'
import { page } from '../shell.tsx'

/** Signing in by a mailed link. Opening the link is not enough: only the button on its page signs in. */
export const signingIn = new Hono<Portal>()

signingIn.get('/sign-in', askPage)

signingIn.post('/sign-in', async (c) => {
  return await posted(c, {
    async act({ email = '' }) {
      const clientAddress = c.req.header('cf-connecting-ip') ?? null
      const asking = await askSignIn(envAndNow(c), { email, clientAddress })
      if ('retryAt' in asking) return await tooManyPage(c, asking.retryAt)
      // Mailed after the answer, so that the response time does not reveal whether the address is known.
      c.executionCtx.waitUntil(asking.mail())
      return await mailedPage(c)
    },
    again: () => askPage(c),
  })
})

/** Scanners and mail programs open every link, so opening it changes nothing. */
signingIn.get('/enter/:token', async (c) => {
  const found = await findSignIn(envAndNow(c), c.req.param('token'))
  if (!found) return await spentLinkPage(c)
  return await page(
    c,
    'Sign in',
    <>
      <p>Sign in to this browser as {found.contact}?</p>
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
    startSession(c, await signIn(envAndNow(c), c.req.param('token'), browser))
  } catch (error) {
    if (error instanceof Fault && error.code === 'expired') return await spentLinkPage(c)
    throw error
  }
  return c.redirect('/portal', 303)
})

async function askPage(c: PortalContext) {
  return await page(
    c,
    'Sign in',
    <>
      <p class="lead">We mail you a link to sign in. You need no password.</p>
      <form method="post" action="/portal/sign-in">
        <Field
          c={c}
          label="Your email address"
          name="email"
          attributes={{ type: 'email', required: true, autocomplete: 'email', maxlength: 320 }}
        />
        <Submit>Mail me a link</Submit>
      </form>
    </>,
  )
}

async function tooManyPage(c: PortalContext, retryAt: Date) {
  const seconds = Math.ceil((retryAt.getTime() - c.get('now').getTime()) / 1000)
  c.header('Retry-After', String(seconds))
  const minutes = Math.ceil(seconds / 60)
  return await page(c, 'Too many links requested', <p>Try again in {minutes} minutes.</p>, 429)
}

async function mailedPage(c: PortalContext) {
  return await page(
    c,
    'Check your mail',
    <>
      <p>If this address is known here, we have mailed a link to it. The link works once, for 15 minutes.</p>
      <AskAgain />
    </>,
  )
}

async function spentLinkPage(c: PortalContext) {
  return await page(
    c,
    'This link no longer works',
    <>
      <p>It has been used, or is older than 15 minutes.</p>
      <AskAgain />
    </>,
    410,
  )
}

const AskAgain = () => (
  <p>
    <a href="/portal/sign-in">Get another link</a>
  </p>
)
