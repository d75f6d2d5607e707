import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Fault } from '../../core/ground/fault.ts'
import { tellFailure } from '../../core/ground/log.ts'
import { STATUS } from '../status.ts'
import { agents } from './agents.tsx'
import { approvals } from './approvals.tsx'
import { ASSETS, serveAsset } from './assets.ts'
import { audit } from './audit.tsx'
import { billing } from './billing.tsx'
import { consents } from './consents.tsx'
import { contacts } from './contacts.tsx'
import { coordination } from './coordination.tsx'
import { data, erased } from './data.tsx'
import { deciding } from './decide.tsx'
import { dlp } from './dlp.tsx'
import { domains } from './domains.tsx'
import { keys } from './keys.tsx'
import { live } from './live.ts'
import { mailboxes } from './mailboxes.tsx'
import { once } from './once.ts'
import { overview } from './overview.tsx'
import { people } from './people.tsx'
import { sends } from './sends.tsx'
import { guarded, inTenant, type Portal, sameOrigin, signedIn } from './session.ts'
import { page } from './shell.tsx'
import { sessionPages, signingIn } from './sign-in.tsx'
import { smtp } from './smtp.tsx'
import { suppressions } from './suppressions.tsx'
import { templateForms } from './template-form.tsx'
import { templates } from './templates.tsx'
import { trouble } from './trouble.tsx'
import { webhooks } from './webhooks.tsx'

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
