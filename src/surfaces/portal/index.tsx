import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import { STATUS } from '../status.ts'
import { audit } from './account/audit.tsx'
import { billing } from './account/billing.tsx'
import { data, erased } from './account/data.tsx'
import { people } from './account/people.tsx'
import { sessionPages, signingIn } from './account/sign-in.tsx'
import { agents } from './agents/agents.tsx'
import { coordination } from './agents/coordination.tsx'
import { mailboxes } from './agents/mailboxes.tsx'
import { ASSETS, serveAsset } from './assets/assets.ts'
import { domains } from './connections/domains.tsx'
import { keys } from './connections/keys.tsx'
import { smtp } from './connections/smtp.tsx'
import { webhooks } from './connections/webhooks.tsx'
import { once } from './forms/once.ts'
import { live } from './live.ts'
import { approvals } from './mail/approvals.tsx'
import { contacts } from './mail/contacts.tsx'
import { deciding } from './mail/decide.tsx'
import { overview } from './mail/overview.tsx'
import { sends } from './mail/sends.tsx'
import { trouble } from './mail/trouble.tsx'
import { consents } from './rules/consents.tsx'
import { dlp } from './rules/dlp.tsx'
import { suppressions } from './rules/suppressions.tsx'
import { guarded, inTenant, type Portal, sameOrigin, signedIn } from './session.ts'
import { page } from './shell.tsx'
import { templateForms } from './templates/form.tsx'
import { templates } from './templates/templates.tsx'

/** Where people approve and audit: pages and ordinary forms, which work without scripts. */
export const portal = new Hono<Portal>()

portal.use('*', guarded)
portal.use('*', sameOrigin)
for (const asset of ASSETS) portal.get(asset.path, (c) => serveAsset(c, asset))
portal.route('/', signingIn)
portal.route('/', deciding)
portal.route('/', erased)
portal.route('/', sessionPages)

portal.use('*', signedIn)
portal.use('*', inTenant)
portal.use('*', once)
portal.route('/', overview)
portal.route('/', live)
for (const pages of [
  approvals,
  sends,
  contacts,
  trouble,
  agents,
  coordination,
  mailboxes,
  templateForms,
  templates,
  dlp,
  domains,
  smtp,
  suppressions,
  consents,
  webhooks,
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
  403: 'You may not do this',
  404: 'There is no such page',
  409: 'That cannot be done any more',
  410: 'This has run out',
  413: 'That is too much',
  429: 'That was too often',
  503: 'That cannot be had just now',
}

portal.onError(async (error, c) => {
  if (error instanceof HTTPException && error.status === 413)
    return await page(c, 'That is too much', <p>At most 10 MiB.</p>, 413)
  if (!(error instanceof Fault)) {
    const requestId = c.get('requestId')
    tellFailure('internal_error', error)
    return await page(c, 'Something broke on our side', <p>Quote request {requestId}.</p>, 500)
  }
  const status = STATUS[error.code]
  return await page(
    c,
    TITLE[status] ?? 'Something is not right',
    <>
      <p>{error.message}</p>
      <p>
        <a href="/portal">Back to the portal</a>
      </p>
    </>,
    status,
  )
})
