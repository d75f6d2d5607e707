import { expect, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { newTenant } from '../../support/tenant.ts'

const TYPED = 'kept "as" <typed>'
const SHOWN = 'kept &quot;as&quot; &lt;typed&gt;'

test('a refused form is shown again, with its fault at the top and at the field, and with the values that were typed', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const mailbox = `/portal/mailboxes/${tenant.mailboxId}`
  const forms: [path: string, at: string, fields: Record<string, string>, kept: string][] = [
    ['/portal/consents', 'email', { email: 'nobody', source: TYPED, revoked: 'on' }, 'source'],
    ['/portal/suppressions', 'email', { email: TYPED, reason: 'legal' }, 'email'],
    ['/portal/webhooks', 'url', { url: 'ftp://x', description: TYPED }, 'description'],
    ['/portal/domains', 'domain', { domain: TYPED }, 'domain'],
    ['/portal/people', 'email', { email: TYPED, role: 'approver' }, 'email'],
    ['/portal/dlp/canaries', 'value', { label: TYPED, value: 'short' }, 'label'],
    ['/portal/templates/new', 'subject', { name: TYPED, slug: 'slug', text: 'Hello' }, 'name'],
    ['/portal/keys', '', { label: TYPED, send: '' }, 'label'],
    [mailbox, 'dailyLimit', { displayName: TYPED, dailyLimit: '-1', requireConsent: 'on' }, 'displayName'],
  ]
  for (const [path, at, fields, kept] of forms) {
    const { status, body } = await owner.post(path, fields)
    expect([path, status]).toEqual([path, 422])
    expect(body, path).toMatch(/<title>Not done: /)
    const [, said = ''] = /<h1>[^<]*<\/h1><div class="note bad" role="alert"[^>]*>([^<]+)</.exec(body) ?? []
    expect(said, path).not.toBe('')
    if (at !== '') {
      expect(body, path).toMatch(
        new RegExp(`id="${at}"[^>]*aria-describedby="[^"]*${at}-wrong"[^>]*aria-invalid`),
      )
      expect(/id="[^"]*-wrong">([^<]+)</.exec(body)?.[1], path).toBe(said)
    }
    expect(new RegExp(`id="${kept}"[^>]* value="([^"]*)"`).exec(body)?.[1], path).toBe(SHOWN)
  }
  const again = async (path: string, fields: Record<string, string>) => (await owner.post(path, fields)).body
  expect(await again('/portal/consents', { email: 'nobody', revoked: 'on' })).toContain(
    'name="revoked" checked',
  )
  expect(await again('/portal/people', { email: 'nobody', role: 'approver' })).toContain(
    '<option value="approver" selected="">approver: reads and decides',
  )
  // A value that is not an option is ignored, and the stored value is selected.
  expect(await again('/portal/dlp', { mode: TYPED })).toContain('<option value="monitor" selected="">')
  const ticks = /name="(?:read|approve)"( checked="")?/g
  expect((await again('/portal/keys', { label: TYPED })).match(ticks)).toEqual([
    'name="read"',
    'name="approve"',
  ])
  // A later request for the page shows nothing of the refused form.
  expect((await owner.get('/portal/webhooks')).body).not.toContain(SHOWN)
  expect((await owner.get(mailbox)).body).not.toMatch(/role="alert"|Not done/)
})
