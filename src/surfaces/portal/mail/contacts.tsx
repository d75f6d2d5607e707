import { Hono } from 'hono'
import { findConsent, isGranted } from '../../../core/contacts/consents.ts'
import { contactHistory, type Touch } from '../../../core/contacts/history.ts'
import { findSuppression } from '../../../core/contacts/suppressions.ts'
import { refuse } from '../forms/posted.ts'
import { asked, Badge, Empty, Field, PAGE, Pager, paged, Time, toneOf } from '../parts/parts.tsx'
import type { Portal, PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** What has passed between one contact and all agents. */
export const contacts = new Hono<Portal>()

contacts.get('/contacts', async (c) => {
  const email = asked(c, 'email')
  if (email === undefined) return await contactPage(c, '', null)
  try {
    const found = await contactHistory(c.var.ctx, email, {
      from: cursorOf(asked(c, 'before')),
      limit: PAGE + 1,
    })
    const [suppression, consent] = await Promise.all([
      findSuppression(c.var.ctx, { email, campaignId: null }),
      findConsent(c.var.ctx, email),
    ])
    const standing = (
      <p class="lead">
        {suppression ? (
          <Badge state={`suppressed: ${suppression.reasonCode}`} tone="bad" />
        ) : (
          <Badge state="not suppressed" tone="good" />
        )}{' '}
        {consent ? (
          <Badge state={isGranted(consent, c.get('now')) ? 'consent granted' : 'consent revoked'} tone="" />
        ) : (
          'No consent on record.'
        )}
      </p>
    )
    return await contactPage(c, email, { found, standing })
  } catch (error) {
    refuse(c, error)
    return await contactPage(c, email, null)
  }
})

type Found = { found: Touch[]; standing: unknown }

async function contactPage(c: PortalContext, email: string, history: Found | null) {
  const { shown, next } = paged(history?.found ?? [], ({ at, nth }) => `${at.getTime()}_${nth}`)
  return await page(
    c,
    history ? email : 'Contacts',
    <>
      <form class="row" method="get">
        <Field
          c={c}
          label="Address of a contact"
          name="email"
          value={email}
          attributes={{ type: 'email', required: true }}
        />
        <button type="submit">Show</button>
      </form>
      {history?.standing}
      {history && shown.length === 0 ? (
        <Empty>Nothing has passed between this contact and your agents.</Empty>
      ) : null}
      <ol class="line">
        {shown.map((touch) => (
          <li class={toneOf(touch.what)}>
            <p>
              <strong>{WORDS[touch.kind]}</strong> {touch.agentName ?? touch.agentId ?? ''}{' '}
              {touch.sendId ? (
                <a href={`/portal/sends/${touch.sendId}`}>{touch.what.replaceAll('_', ' ')}</a>
              ) : (
                touch.what
              )}
            </p>
            <Time at={touch.at} />
          </li>
        ))}
      </ol>
      <Pager c={c} of={{ next }} caption="what has passed" />
    </>,
  )
}

/** Behind which touch a page begins: the moment, and the how manieth of that moment. */
function cursorOf(given: string | undefined) {
  const [, at, nth] = /^(\d{1,13})_(\d{1,6})$/.exec(given ?? '') ?? []
  return at === undefined ? null : { at: new Date(Number(at)), nth: Number(nth) }
}

const WORDS = { sent: 'Written to by', received: 'Wrote:', lease: 'Lease of' }
