import { readUnsubscribe, unsubscribe } from '../../core/contacts/unsubscribe.ts'
import { type HttpContext, router } from '../http.ts'
import { guarded, Page } from '../page.tsx'

/** The link in mail: for people, who get a page, and for their mail providers, which post to it (RFC 8058). */
export const unsubscribing = router()

unsubscribing.use('*', guarded)

/** Shows and changes nothing: mail programs and virus scanners follow every link. */
unsubscribing.get('/:token', async (c) => {
  const subscription = await readUnsubscribe(c.env, c.req.param('token'))
  if (subscription === null) return unknownLink(c)
  return c.html(
    <Page title="Unsubscribe" nonce={c.get('requestId')}>
      <p>This sender will write no more to the address at which you received this link.</p>
      <form method="post">
        <input type="hidden" name="List-Unsubscribe" value="One-Click" />
        <button type="submit">Unsubscribe</button>
      </form>
    </Page>,
  )
})

/** Whatever the body says: to post here is to ask for it. */
unsubscribing.post('/:token', async (c) => {
  const subscription = await unsubscribe(c.env, c.get('now'), c.req.param('token'))
  if (subscription === null) return unknownLink(c)
  return c.html(
    <Page title="You are unsubscribed" nonce={c.get('requestId')}>
      <p>
        This sender will write no more to the address at which you received the link. You can close this page.
      </p>
    </Page>,
  )
})

function unknownLink(c: HttpContext) {
  return c.html(
    <Page title="This link is not valid" nonce={c.get('requestId')}>
      <p>It may have been cut short on its way. Open it again from the message, or copy all of it.</p>
    </Page>,
    404,
  )
}
