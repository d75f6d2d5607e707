import { expect, test } from 'vitest'
import { newWorld } from '../../support/matrix.ts'
import { portalRoutes } from '../../support/matrix-routes.ts'
import { peers } from '../../support/peer-letter.ts'
import {
  type Browser,
  formsOf,
  letters,
  mailedLink,
  newPerson,
  opened,
  post,
  signIn,
} from '../../support/portal.ts'

const MARK = 'sent-twice'

/** Every form that creates something: the values to fill in, and the page that lists what was created. */
const MAKES: Record<string, { fields: Record<string, string>; counted: string }> = {
  '/keys': { fields: { label: MARK, read: 'on' }, counted: '/keys' },
  '/webhooks': { fields: { url: `${peers.webhooks}/${MARK}`, description: MARK }, counted: '/webhooks' },
  '/people': { fields: { email: `${MARK}@example.com`, role: 'viewer' }, counted: '/people' },
  '/suppressions': {
    fields: { email: `${MARK}@example.com`, reason: 'manual_dnc' },
    counted: '/suppressions',
  },
  '/consents': { fields: { email: `${MARK}@example.com`, basis: 'contractual' }, counted: '/consents' },
  '/smtp': { fields: { name: MARK }, counted: '/smtp' },
  '/dlp/canaries': { fields: { label: MARK }, counted: '/dlp' },
  '/domains': { fields: { domain: `${MARK}.example.org` }, counted: '/domains' },
  '/templates/new': { fields: { name: MARK, slug: MARK, subject: MARK, text: MARK }, counted: '/templates' },
  '/templates/:templateId/edit': { fields: { subject: MARK, text: MARK }, counted: '/templates/:templateId' },
  '/approvals/:approvalId/edit': {
    fields: { subject: MARK, text: MARK },
    counted: '/approvals?status=superseded',
  },
}
/** Forms that have the same effect if they are sent twice. */
const SAME_AGAIN = [
  '/accounts',
  '/sign-out',
  '/sessions/end-others',
  '/sessions/:sessionId/end',
  '/approvals/:approvalId/decide',
  '/sends/:sendId/cancel',
  '/trouble/unknown/:sendId',
  '/trouble/dead-letters/:deadLetterId',
  '/coordination/leases/:leaseId/release',
  '/coordination/votes/:consensusId',
  '/mailboxes/:mailboxId',
  '/templates/preview',
  '/templates/:templateId/delete',
  '/templates/:templateId/versions/:version/publish',
  '/templates/:templateId/versions/:version/decide',
  '/suppressions/import',
  '/suppressions/:suppressionId/lift',
  '/consents/import',
  '/dlp',
  '/dlp/canaries/:canaryId/lift',
  '/data/exports',
  '/data/erasure',
  '/billing/plan',
  '/billing/portal',
  '/billing/bonds',
  '/billing/bonds/:bondId/withdraw',
  '/domains/:domainId/verify',
  '/domains/:domainId/attach',
  '/domains/:domainId/delete',
  '/smtp/:smtpCredentialId/revoke',
  '/webhooks/:webhookId/switch',
  '/webhooks/:webhookId/delete',
  '/webhooks/:webhookId/deliveries/:deliveryId/replay',
  '/keys/:keyId/revoke',
  '/people/:ownerId/role',
  '/people/:ownerId/remove',
]

/** Forms that the walk does not meet, tested in test/core/standing.test.ts and in identity.test.ts. */
const SELDOM = ['/review/end', '/people/addresses', '/people/addresses/remove']

/** Routes without a session. */
const OPEN = /^\/(?:assets|sign-in|enter|decide|erased|address)(?:\/|$)/

test('every link leads to a page; every form has a token and an id, and creates one thing even if it is sent twice', async () => {
  const { ids, tenant } = await newWorld()
  const draft = { subjectTemplate: 'Hello', textTemplate: 'Hello' }
  await tenant.owner.post(`/v1/templates/${ids.templateId}/versions`, draft)
  const { email } = await newPerson(ids.tenantId, 'owner')
  await newPerson(ids.tenantId, 'viewer')
  await signIn(email)
  await post('/portal/sign-in', { email })
  const owner = await opened(await post(await mailedLink(email, 2)))

  const { pages, wrong } = await walk(owner)
  const forms = pages.flatMap(({ path, body }) => formsOf(body).map((form) => ({ path, ...form })))
  const elsewhere = pages.flatMap(({ body }) =>
    [...body.matchAll(/ formaction="([^"]*)"/g)].map(([, to = '']) => to),
  )
  const routes = (await portalRoutes()).filter(({ method, path }) => method === 'POST' && !OPEN.test(path))
  const routeOf = (action: string) => routes.find(({ path }) => isAt(path, action))?.path
  for (const { path, action, fields } of forms) {
    if (routeOf(action) === undefined) wrong.push(`${path}: a form posts to ${action}, which is not a route`)
    if (fields.csrf !== owner.csrf) wrong.push(`${path}: the form to ${action} has no token`)
    if (!fields.once) wrong.push(`${path}: the form to ${action} has no id`)
  }
  expect(wrong).toEqual([])
  expect(new Set(forms.map(({ fields }) => fields.once)).size).toBe(forms.length)
  // Every form must be in one of the two lists above, and every route must have a page with its form.
  const known = [...Object.keys(MAKES), ...SAME_AGAIN]
  const others = routes.map(({ path }) => path).filter((path) => !known.includes(path))
  expect(others.sort()).toEqual(SELDOM.toSorted())
  const used = [...forms.map(({ action }) => action), ...elsewhere].map(routeOf)
  expect(known.filter((path) => !used.includes(path))).toEqual([])

  for (const [route, { fields, counted }] of Object.entries(MAKES)) {
    const form = forms.find(({ action }) => routeOf(action) === route)
    if (!form) throw new Error(`no page has the form of ${route}`)
    const templateId = /tpl_[^/]+/.exec(form.action)?.[0] ?? ''
    const path = `/portal${counted.replace(':templateId', templateId)}`
    const rows = async () =>
      (await owner.get(path)).body.split(templateId ? '<option' : '<tr role="row"><td').length
    const [before, submit] = [await rows(), () => owner.post(form.action, { ...form.fields, ...fields })]
    const answers = [...(await Promise.all([submit(), submit()])), await submit()]
    const made = (await rows()) - before
    const [first, ...again] = answers.toSorted((a, b) => a.status - b.status)
    if (made !== 1) wrong.push(`${route}: ${made} made of three submits`)
    const isSame = again.every(({ status, location }) => status === 303 && location === first?.location)
    const isShownOnce =
      first?.status === 200 &&
      again.every(({ status, body }) => status === 409 && body.includes('sent twice'))
    if (!isSame && !isShownOnce) wrong.push(`${route}: ${answers.map(({ status }) => status)}`)
  }
  expect(wrong).toEqual([])
  await letters(`${MARK}@example.com`, 'You are invited', 1)
  // A new request for the page gives new ids, so that another thing can be created.
  const [anew] = formsOf((await owner.get('/portal/keys')).body).filter(
    ({ action }) => action === '/portal/keys',
  )
  expect(await owner.post('/portal/keys', { ...anew?.fields, label: MARK, read: 'on' })).toMatchObject({
    status: 200,
  })
}, 120_000)

/** Every page that links lead to from the first page on. */
async function walk(browser: Browser) {
  const pages: { path: string; body: string }[] = []
  const wrong: string[] = []
  const seen = new Set(['/portal', '/portal/accounts'])
  for (const path of seen) {
    const { status, body, headers } = await browser.get(path)
    if (status !== 200) wrong.push(`${path}: ${status}`)
    if (!headers.get('content-type')?.startsWith('text/html')) continue
    pages.push({ path, body })
    for (const [, link = ''] of body.matchAll(/<(?:a|iframe)\b[^>]* (?:href|src)="(\/portal[^"#]*)/g)) {
      seen.add(link.replaceAll('&amp;', '&'))
    }
  }
  return { pages, wrong }
}

const isAt = (pattern: string, action: string) =>
  new RegExp(`^/portal${pattern.replace(/:[A-Za-z]+/g, '[^/]+')}$`).test(action)
