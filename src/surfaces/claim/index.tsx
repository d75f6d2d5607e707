import { csrf } from 'hono/csrf'
import { HTTPException } from 'hono/http-exception'
import { type Claim, findClaim } from '../../core/accounts/claims/claim.ts'
import { findVerification, type Verification, verifyOwner } from '../../core/accounts/claims/verification.ts'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import { claimByMail, type Mailed, mailVerificationAgain } from '../../core/notices/people.ts'
import { type HttpContext, router } from '../http.ts'
import { guarded, Page } from '../page.tsx'

/** The pages on which a person claims an agent and verifies an email address. They work without scripts. */
export const claiming = router()

for (const area of ['/claim/*', '/verify/*']) claiming.use(area, guarded, csrf())

claiming.onError((error, c) => {
  if (error instanceof Fault) return faultPage(c, error)
  if (error instanceof HTTPException && error.status === 403)
    return page(
      c,
      'Nothing was done',
      <p>The form was sent from another site. Open the link directly and try again.</p>,
      403,
    )
  const requestId = c.get('requestId')
  tellFailure('internal_error', error)
  return page(
    c,
    'Something broke on our side',
    <p>If you report this, give the request id {requestId}.</p>,
    500,
  )
})

claiming.get('/claim/:token', async (c) => {
  const claim = await findClaim(at(c), c.req.param('token'))
  return claim ? claimPage(c, claim) : unknownLink(c)
})

claiming.post('/claim/:token', async (c) => {
  const token = c.req.param('token')
  const claim = await findClaim(at(c), token)
  if (!claim) return unknownLink(c)
  const form = await formOf(c)
  if (form.again !== undefined && form.email === undefined && claim.owner && !claim.owner.verifiedAt) {
    return mailedPage(c, claim.owner.email, (await mailVerificationAgain(at(c), token)).mailed)
  }
  if (claim.state !== 'open') return claimPage(c, claim)
  const { email = '', x_handle = '' } = form
  try {
    const clientAddress = c.req.header('cf-connecting-ip') ?? null
    const { owner, mailed } = await claimByMail(at(c), token, { email, xHandle: x_handle, clientAddress })
    return mailedPage(c, owner.email, mailed)
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'invalid') throw error
    return claimPage(c, claim, { wrong: error.message, email, xHandle: x_handle })
  }
})

/** The page of the mailed link. Only its button verifies, because mail programs and scanners follow every link. */
claiming.get('/verify/:token', async (c) => {
  const verification = await findVerification(at(c), c.req.param('token'))
  return verification ? verifyPage(c, verification) : unknownLink(c)
})

claiming.post('/verify/:token', async (c) => {
  const { email, agentName } = await verifyOwner(at(c), c.req.param('token'))
  return page(
    c,
    'Your address is confirmed',
    <p>
      {email} is the owner of {agentName}. The agent may now write to any address, within its limits. You can
      close this page.
    </p>,
  )
})

const at = (c: HttpContext) => ({ env: c.env, now: c.get('now') })

/** The text fields of a posted form. Empty if the form cannot be read. */
async function formOf(c: HttpContext): Promise<Record<string, string | undefined>> {
  const form = await c.req.parseBody().catch(() => ({}))
  return Object.fromEntries(
    Object.entries(form).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}

type Status = 200 | 403 | 404 | 409 | 410 | 413 | 422 | 429 | 500 | 503

function page(c: HttpContext, title: string, children: unknown, status: Status = 200) {
  return c.html(
    <Page title={title} nonce={c.get('requestId')}>
      {children}
    </Page>,
    status,
  )
}

type Refilled = { wrong: string; email: string; xHandle: string }

function claimPage(c: HttpContext, claim: Claim, refilled?: Refilled) {
  const { agent, owner, state } = claim
  if (state === 'used') {
    const text = <p>{agent.name} already has an owner. An agent can have only one.</p>
    return page(c, 'This agent has been claimed', text, 409)
  }
  if (state === 'expired') {
    const text = <p>A claim link works for 30 days. Ask {agent.name} for a new link.</p>
    return page(c, 'This link has expired', text, 410)
  }
  return page(
    c,
    `Claim ${agent.name}`,
    <>
      <p>The owner of an agent is responsible for what it sends. Claim this agent only if it is yours.</p>
      <AgentFacts claim={claim} />
      {refilled ? <p role="alert">{refilled.wrong}</p> : null}
      {owner && !refilled ? <ClaimedBefore /> : null}
      <ClaimForm agentName={agent.name} refilled={refilled} />
    </>,
    refilled ? 422 : 200,
  )
}

function AgentFacts({ claim: { agent, address } }: { claim: Claim }) {
  return (
    <dl>
      <dt>Name</dt>
      <dd>{agent.name}</dd>
      {address === null ? null : (
        <>
          <dt>Address</dt>
          <dd>{address}</dd>
        </>
      )}
      {agent.description === null ? null : (
        <>
          <dt>Its description</dt>
          <dd>{agent.description}</dd>
        </>
      )}
      <dt>Registered</dt>
      <dd>{agent.registeredAt.toISOString().slice(0, 10)}</dd>
    </dl>
  )
}

function ClaimForm({ agentName, refilled }: { agentName: string; refilled: Refilled | undefined }) {
  return (
    <form method="post">
      <label>
        Your email address
        <input
          type="email"
          name="email"
          required
          maxlength={320}
          autocomplete="email"
          value={refilled?.email}
        />
        <small>We will send you a link to confirm it.</small>
      </label>
      <label>
        Your handle on X (optional)
        <input name="x_handle" maxlength={50} autocomplete="off" value={refilled?.xHandle} />
        <small>It is shown as unverified.</small>
      </label>
      <button type="submit">Claim {agentName}</button>
    </form>
  )
}

function mailedPage(c: HttpContext, email: string, mailed: Mailed) {
  if (mailed.isSent) {
    const text = (
      <>
        <p>
          We sent a link to {email}. Open it within 24 hours to confirm the address. Then the agent is yours.
          Until then every message from the agent waits.
        </p>
        <Again email={email} />
      </>
    )
    return page(c, 'Check your mail', text)
  }
  const { detail, retryAt } = mailed
  if (retryAt) c.header('Retry-After', String(Math.ceil((retryAt.getTime() - c.get('now').getTime()) / 1000)))
  const text = (
    <>
      <p>
        We could not send a link to {email}: {detail}. The agent is yours when you have confirmed the address.
        {retryAt ? ` Try again after ${retryAt.toISOString()}.` : ''}
      </p>
      <Again email={email} />
    </>
  )
  return page(c, 'No mail was sent', text, retryAt ? 429 : 200)
}

function ClaimedBefore() {
  return (
    <>
      <p>
        Somebody has claimed this agent and has not confirmed their address yet. The first person to confirm
        an address becomes the owner.
      </p>
      <Again />
    </>
  )
}

function Again({ email }: { email?: string }) {
  return (
    <form method="post">
      {email === undefined ? null : <input type="hidden" name="email" value={email} />}
      <button type="submit" name="again" value="1">
        Send the link again
      </button>
    </form>
  )
}

function verifyPage(c: HttpContext, { email, agentName, state }: Verification) {
  if (state === 'used')
    return page(c, 'This address is already confirmed', <p>You do not need to do anything more.</p>, 409)
  if (state === 'expired') {
    const text = <p>The mailed link works for 24 hours. You can get a new one on the agent’s claim page.</p>
    return page(c, 'This link has expired', text, 410)
  }
  return page(
    c,
    'Confirm your address',
    <>
      <p>
        {email} was entered as the address of the owner of {agentName}. If you confirm it, the agent may write
        to any address, within its limits.
      </p>
      <form method="post">
        <button type="submit">Confirm {email}</button>
      </form>
    </>,
  )
}

function unknownLink(c: HttpContext) {
  return page(
    c,
    'This link is not valid',
    <p>The link may be incomplete. Open it again, or copy the whole link.</p>,
    404,
  )
}

const FAULTS: Partial<Record<Fault['code'], { status: Status; title: string }>> = {
  conflict: { status: 409, title: 'This link has been used' },
  expired: { status: 410, title: 'This link has expired' },
  invalid: { status: 422, title: 'The form is incomplete' },
  too_many_attempts: { status: 429, title: 'Too many claims' },
  payload_too_large: { status: 413, title: 'The form is too large' },
}

function faultPage(c: HttpContext, { code, message }: Fault) {
  const known = FAULTS[code]
  return known ? page(c, known.title, <p>{message}</p>, known.status) : unknownLink(c)
}
