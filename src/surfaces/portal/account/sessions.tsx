import { Hono } from 'hono'
import { chooseTenant, endSessions, listSessions } from '../../../core/accounts/sessions.ts'
import { envAndNow, type Portal } from '../context.ts'
import { done } from '../flash.ts'
import { formOf } from '../forms/form.ts'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { Badge, Time } from '../parts/text.tsx'
import { endSession, personOf, signedIn } from '../session.ts'
import { page } from '../shell.tsx'

/** What a signed-in person may do without a chosen tenant: choose one, see and end sessions, and sign out. */
export const sessions = new Hono<Portal>()

sessions.use('/accounts', signedIn)
sessions.use('/sign-out', signedIn)
sessions.use('/sessions', signedIn)
sessions.use('/sessions/*', signedIn)

sessions.get('/accounts', async (c) => {
  const { memberships, ctx } = personOf(c)
  return await page(
    c,
    'Choose an account',
    <>
      {memberships.length === 0 ? <p>This address no longer belongs to any account.</p> : null}
      {memberships.map(({ tenantId, tenantName, role }) => (
        <Form c={c} action="/portal/accounts" class="card">
          <input type="hidden" name="tenant" value={tenantId} />
          <p>
            <strong>{tenantName}</strong> <Badge state={role} />
            <br />
            <code>{tenantId}</code>
          </p>
          <button class="primary" type="submit">
            {ctx?.tenantId === tenantId ? 'Stay in' : 'Open'}{' '}
            <span class="visually-hidden">{tenantName}</span>
          </button>
        </Form>
      ))}
      {ctx ? null : (
        <ButtonForm c={c} action="/portal/sign-out">
          Sign out
        </ButtonForm>
      )}
    </>,
  )
})

sessions.post('/accounts', async (c) => {
  await chooseTenant(envAndNow(c), personOf(c), (await formOf(c)).tenant ?? '')
  return c.redirect('/portal', 303)
})

sessions.post('/sign-out', async (c) => {
  const person = personOf(c)
  await endSessions(envAndNow(c), person, person.session.id)
  endSession(c)
  return done(c, '/portal/sign-in', 'You are signed out.')
})

sessions.get('/sessions', async (c) => {
  const person = personOf(c)
  const found = await pageById(c, (part) => listSessions(envAndNow(c), person, part))
  const isThisOne = ({ id }: { id: string }) => id === person.session.id
  return await page(
    c,
    'Sessions',
    <>
      <p class="lead">
        The browsers in which you are signed in. A session ends after 12 hours without a visit, and at the
        latest after 7 days.
      </p>
      <Listing
        c={c}
        of={found}
        caption="Your sessions"
        head={['Browser', 'Signed in', 'Last seen', '']}
        row={(session) => [
          <>
            {browserName(session.browser)}{' '}
            {isThisOne(session) ? <Badge state="this one" tone="good" /> : null}
          </>,
          <Time at={session.createdAt} />,
          <Time at={session.seenAt} />,
          isThisOne(session) ? null : (
            <ButtonForm
              c={c}
              action={`/portal/sessions/${session.id}/end`}
              class="small"
              about={`the session of ${browserName(session.browser)}`}
            >
              End
            </ButtonForm>
          ),
        ]}
      >
        There are no other sessions.
      </Listing>
      {found.shown.every(isThisOne) ? null : (
        <ButtonForm c={c} action="/portal/sessions/end-others">
          End all other sessions
        </ButtonForm>
      )}
    </>,
  )
})

sessions.post('/sessions/end-others', async (c) => {
  await endSessions(envAndNow(c), personOf(c), null)
  return done(c, '/portal/sessions', 'All other sessions have ended.')
})

sessions.post('/sessions/:sessionId/end', async (c) => {
  await endSessions(envAndNow(c), personOf(c), c.req.param('sessionId'))
  return done(c, '/portal/sessions', 'The session has ended.')
})

/** A browser's name and system from its User-Agent header; the whole header if they are not recognised. */
function browserName(userAgent: string | null): string {
  if (userAgent === null) return 'unknown'
  const [program] = /Edg|OPR|Firefox|Chrome|Safari/.exec(userAgent) ?? []
  const [system] = /Windows|Android|iPhone|iPad|Macintosh|Linux/.exec(userAgent) ?? []
  if (!program || !system) return userAgent
  const named = { Edg: 'Edge', OPR: 'Opera' }[program] ?? program
  return `${named} on ${system === 'Macintosh' ? 'macOS' : system}`
}
