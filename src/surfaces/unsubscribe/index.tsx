import { readUnsubscribe, unsubscribe } from '../../core/contacts/unsubscribe.ts'
import { type HttpContext, router } from '../http.ts'
import { guarded, Page } from '../page.tsx'

/** The unsubscribe link in mail. People see a page; mail programs post to it (RFC 8058). */
export const unsubscribing = router()

unsubscribing.use('*', guarded)

/** Changes nothing, because mail programs and virus scanners follow every link. */
unsubscribing.get('/:token', async (c) => {
  const subscription = await readUnsubscribe(c.env, c.req.param('token'))
  if (subscription === null) return unknownLink(c)
  return c.html(
    <Page title="Unsubscribe" nonce={c.get('requestId')}>
      <p>After this, the sender will no longer write to the address that received this link.</p>
      <form method="post">
        <input type="hidden" name="List-Unsubscribe" value="One-Click" />
        <button type="submit">Unsubscribe</button>
      </form>
    </Page>,
  )
})

/** Any POST unsubscribes, whatever its body says. */
unsubscribing.post('/:token', async (c) => {
  const subscription = await unsubscribe(c.env, c.get('now'), c.req.param('token'))
  if (subscription === null) return unknownLink(c)
  return c.html(
    <Page title="You are unsubscribed" nonce={c.get('requestId')}>
      <p>The sender will no longer write to the address that received the link. You can close this page.</p>
    </Page>,
  )
})

function unknownLink(c: HttpContext) {
  return c.html(
    <Page title="This link is not valid" nonce={c.get('requestId')}>
      <p>The link may be incomplete. Open it again from the message, or copy the whole link.</p>
    </Page>,
    404,
  )
}
