import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import { STATUS } from '../status.ts'
import { address } from './account/address.tsx'
import { audit } from './account/audit.tsx'
import { billing } from './account/billing.tsx'
import { data } from './account/data.tsx'
import { erased } from './account/erased.tsx'
import { people } from './account/people.tsx'
import { sessions } from './account/sessions.tsx'
import { signingIn } from './account/sign-in.tsx'
import { agents } from './agents/agents.tsx'
import { coordination } from './agents/coordination.tsx'
import { mailboxes } from './agents/mailboxes.tsx'
import { votes } from './agents/votes.tsx'
import { ASSETS, serveAsset } from './assets/assets.ts'
import { domains } from './connections/domains.tsx'
import { keys } from './connections/keys.tsx'
import { smtp } from './connections/smtp.tsx'
import { webhook } from './connections/webhook.tsx'
import { webhooks } from './connections/webhooks.tsx'
import type { Portal } from './context.ts'
import { once } from './forms/once.ts'
import { sameOrigin, withHeaders } from './headers.ts'
import { live } from './live.ts'
import { approval } from './mail/approval.tsx'
import { approvals } from './mail/approvals.tsx'
import { contacts } from './mail/contacts.tsx'
import { deciding } from './mail/decide.tsx'
import { overview } from './mail/overview.tsx'
import { send } from './mail/send.tsx'
import { sends } from './mail/sends.tsx'
import { trouble } from './mail/trouble.tsx'
import { consents } from './rules/consents.tsx'
import { dlp } from './rules/dlp.tsx'
import { suppressions } from './rules/suppressions.tsx'
import { inTenant, signedIn } from './session.ts'
import { page } from './shell.tsx'
import { templateForms } from './templates/form.tsx'
import { templates } from './templates/templates.tsx'
import { templateVersions } from './templates/version.tsx'

/** The pages on which people approve, configure and audit. Everything works without scripts. */
export const portal = new Hono<Portal>()

portal.use('*', withHeaders)
portal.use('*', sameOrigin)
for (const asset of ASSETS) portal.get(asset.path, (c) => serveAsset(c, asset))
portal.route('/', signingIn)
portal.route('/', deciding)
portal.route('/', erased)
portal.route('/', address)
portal.route('/', sessions)

portal.use('*', signedIn)
portal.use('*', inTenant)
portal.use('*', once)
portal.route('/', overview)
portal.route('/', live)
for (const pages of [
  approvals,
  approval,
  sends,
  send,
  contacts,
  trouble,
  agents,
  coordination,
  votes,
  mailboxes,
  templateForms,
  templates,
  templateVersions,
  dlp,
  domains,
  smtp,
  suppressions,
  consents,
  webhooks,
  webhook,
  keys,
  people,
  billing,
  audit,
  data,
]) {
  portal.route('/', pages)
}
portal.all('*', (c) => {
  throw new Fault('not_found', `There is no page ${c.req.path}.`)
})

const TITLE: Partial<Record<ContentfulStatusCode, string>> = {
  401: 'You are not signed in',
  403: 'You are not allowed to do this',
  404: 'Page not found',
  409: 'This can no longer be done',
  410: 'This has expired',
  413: 'Too large',
  429: 'Too many requests',
  503: 'Not available right now',
}

portal.onError(async (error, c) => {
  if (error instanceof HTTPException && error.status === 413)
    return await page(c, 'Too large', <p>A request may have at most 10 MiB.</p>, 413)
  if (!(error instanceof Fault)) {
    const requestId = c.get('requestId')
    tellFailure('internal_error', error)
    return await page(
      c,
      'Something went wrong on our side',
      <p>If you ask for help, give the request id {requestId}.</p>,
      500,
    )
  }
  const status = STATUS[error.code]
  return await page(
    c,
    TITLE[status] ?? 'The request could not be carried out',
    <>
      <p>{error.message}</p>
      <p>
        <a href="/portal">Back to the portal</a>
      </p>
    </>,
    status,
  )
})
