import { Hono } from 'hono'
import { confirmSecondAddress, findSecondAddress } from '../../../core/accounts/second-addresses.ts'
import { envAndNow, type Portal } from '../context.ts'
import { page } from '../shell.tsx'

/** Where the link leads that confirms another address of a person. Only its button confirms, because scanners open every link. */
export const address = new Hono<Portal>()

address.get('/address/:token', async (c) => {
  const email = await findSecondAddress(envAndNow(c), c.req.param('token'))
  if (email === null)
    return await page(
      c,
      'This link no longer works',
      <p>It has been used, or is older than 24 hours. Add the address again.</p>,
      410,
    )
  return await page(
    c,
    'Confirm your address',
    <>
      <p>Use {email} as another address for signing in?</p>
      <form method="post">
        <button class="primary" type="submit">
          Confirm
        </button>
      </form>
    </>,
  )
})

address.post('/address/:token', async (c) => {
  const email = await confirmSecondAddress(envAndNow(c), c.req.param('token'))
  return await page(c, 'Your address is confirmed', <p>You can now sign in with {email}, too.</p>)
})
