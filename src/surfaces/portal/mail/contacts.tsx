import { Hono } from 'hono'
import { findConsent, isGranted } from '../../../core/contacts/consents.ts'
import { contactHistory, type Touch } from '../../../core/contacts/history.ts'
import { findSuppression } from '../../../core/contacts/suppressions.ts'
import type { Portal, PortalContext } from '../context.ts'
import { refuse } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { asked, Filter, PAGE, Pager, paged } from '../parts/list.tsx'
import { Badge, Empty, Time, toneOf, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Contact = {
  history: Touch[]
  suppression: Awaited<ReturnType<typeof findSuppression>>
  consent: Awaited<ReturnType<typeof findConsent>>
}

/** One contact: its consent, its suppression, and its history with all agents. */
export const contacts = new Hono<Portal>()

contacts.get('/contacts', async (c) => {
  const email = asked(c, 'email')
  if (email === undefined) return await contactPage(c, '', null)
  try {
    return await contactPage(c, email, await readContact(c, email))
  } catch (error) {
    refuse(c, error)
    return await contactPage(c, email, null)
  }
})

async function readContact(c: PortalContext, email: string): Promise<Contact> {
  const history = await contactHistory(c.var.ctx, email, {
    from: cursorOf(asked(c, 'before')),
    limit: PAGE + 1,
  })
  const [suppression, consent] = await Promise.all([
    findSuppression(c.var.ctx, { email, campaignId: null }),
    findConsent(c.var.ctx, email),
  ])
  return { history, suppression, consent }
}

async function contactPage(c: PortalContext, email: string, contact: Contact | null) {
  const { shown, next } = paged(contact?.history ?? [], ({ at, nth }) => `${at.getTime()}_${nth}`)
  return await page(
    c,
    contact ? email : 'Contacts',
    <>
      <Filter>
        <Field
          c={c}
          label="Address of a contact"
          name="email"
          value={email}
          attributes={{ type: 'email', required: true }}
        />
      </Filter>
      {contact ? <Permission contact={contact} now={c.get('now')} /> : null}
      {contact && shown.length === 0 ? (
        <Empty>Your agents have not written to this contact, nor received anything from it.</Empty>
      ) : null}
      <ol class="line">
        {shown.map((touch) => (
          <li class={toneOf(touch.what)}>
            <p>
              <strong>{KINDS[touch.kind]}</strong> {touch.agentName ?? touch.agentId ?? ''}{' '}
              {touch.sendId ? <a href={`/portal/sends/${touch.sendId}`}>{words(touch.what)}</a> : touch.what}
            </p>
            <Time at={touch.at} />
          </li>
        ))}
      </ol>
      <Pager c={c} of={{ next }} caption="the history" />
    </>,
  )
}

/** Whether the contact may be written to: its suppression and its consent. */
function Permission({ contact: { suppression, consent }, now }: { contact: Contact; now: Date }) {
  return (
    <p class="lead">
      {suppression ? (
        <Badge state={`suppressed: ${suppression.reasonCode}`} tone="bad" />
      ) : (
        <Badge state="not suppressed" tone="good" />
      )}{' '}
      {consent ? (
        <Badge state={isGranted(consent, now) ? 'consent granted' : 'consent revoked'} tone="" />
      ) : (
        'No consent is recorded.'
      )}
    </p>
  )
}

/** Where a page of the history begins: after the nth entry of one moment. */
function cursorOf(given: string | undefined) {
  const [, at, nth] = /^(\d{1,13})_(\d{1,6})$/.exec(given ?? '') ?? []
  return at === undefined ? null : { at: new Date(Number(at)), nth: Number(nth) }
}

const KINDS = { sent: 'Sent by', received: 'Received:', lease: 'Lease of' }
