import { expect, test } from 'vitest'
import { newWorld } from '../../support/matrix.ts'
import { portalRoutes } from '../../support/matrix-routes.ts'
import { type Browser, newPerson, pathOf, post, signIn, visit } from '../../support/portal.ts'

/** Routes without a session; sign-in.test.ts, approvals.test.ts and data.test.ts test them. */
const OPEN = /^\/(?:assets|sign-in|enter|decide|erased|address)(?:\/|$)/
/** Routes about a person, not about a tenant. */
const PERSONAL = /^\/(?:accounts|sign-out|sessions|people\/addresses)(?:\/|$)/
/** This answer never ends; coordination.test.ts tests it. */
const ENDLESS = '/live'
/** Routes by which an approver decides. */
const DECIDES = /^\/approvals\/|\/decide$/

test('every page and form of the portal refuses requests without a session, without the role, or of another tenant', async () => {
  const [a, b] = await Promise.all([newWorld(), newWorld()])
  const owner = await newPerson(a.ids.tenantId, 'owner')
  const viewer = await signIn((await newPerson(a.ids.tenantId, 'viewer')).email)
  const approver = await signIn((await newPerson(a.ids.tenantId, 'approver')).email)
  const stranger = await signIn((await newPerson(b.ids.tenantId, 'owner')).email)
  const { ids } = a
  const routes = (await portalRoutes()).filter(({ path }) => !OPEN.test(path) && !PERSONAL.test(path))
  expect(routes.length).toBeGreaterThan(40)
  const wrong: string[] = []
  for (const { method, path: pattern } of routes) {
    const path = pathOf(pattern, ids, { ownerId: owner.id })
    const ask = async (browser: Browser) =>
      method === 'GET'
        ? await browser.get(path)
        : await browser.post(path, { decision: 'approve', role: 'viewer' })
    const hold = (who: string, expected: boolean, { status, body }: { status: number; body: string }) => {
      if (!expected) wrong.push(`${who}: ${method} ${path} → ${status} ${body.slice(-200)}`)
    }
    const nobody = method === 'GET' ? await visit(path) : await post(path)
    hold('nobody', nobody.status === (method === 'GET' ? 303 : 401), nobody)
    if (method === 'POST') {
      const unmarked = await post(path, {}, { cookie: stranger.cookie })
      hold('a form without its token', unmarked.status === 403, unmarked)
      const elsewhere = await post(
        path,
        { csrf: stranger.csrf },
        {
          cookie: stranger.cookie,
          headers: { 'sec-fetch-site': 'cross-site' },
        },
      )
      hold('another site', elsewhere.status === 403, elsewhere)
      const looked = await ask(viewer)
      hold('a viewer', looked.status === 403, looked)
      if (!DECIDES.test(pattern)) {
        const decided = await ask(approver)
        hold('an approver', [403, 422].includes(decided.status), decided)
      }
    }
    if (pattern.includes(':')) {
      const foreign = await ask(stranger)
      hold('another tenant', [404, 422].includes(foreign.status), foreign)
    }
    const isPage = method === 'GET' && !pattern.includes(':') && pattern !== ENDLESS
    const shown = isPage ? (await ask(stranger)).body : ''
    hold('another tenant reads', !shown.includes(ids.tenantId) && !shown.includes(a.canary), {
      status: 200,
      body: shown,
    })
  }
  expect(wrong).toEqual([])
  console.warn(`portal matrix: ${routes.length} routes, ${wrong.length} wrong answers`)
}, 300_000)
