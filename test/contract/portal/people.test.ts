import { expect, test } from 'vitest'
import { newPerson, signIn } from '../../support/portal.ts'
import { call, newTenant } from '../../support/tenant.ts'

const KEY = /mm_live_[0-9A-Za-z]{49}/

/** A key that a person makes in the portal. */
async function keyOf(browser: Awaited<ReturnType<typeof signIn>>, label: string): Promise<string> {
  const { body } = await browser.post('/portal/keys', { label, read: 'on', send: 'on', manage: 'on' })
  return KEY.exec(body)?.[0] ?? ''
}

const works = async (key: string) => (await call('GET', '/v1/agent/agents', { key })).status !== 401

test('removing a person shows what they made and asks whether it ends; by default it does, and so it does for who is no owner any more', async () => {
  const tenant = await newTenant()
  const owner = await signIn((await newPerson(tenant.id, 'owner')).email)
  const people = await Promise.all(
    ['leaves', 'stays', 'steps-down'].map(async (name) => {
      const person = await newPerson(tenant.id, 'owner')
      const browser = await signIn(person.email)
      const key = await keyOf(browser, name)
      const child = (await call('POST', '/v1/agent/keys', { key, body: { label: `${name} child` } })).body
        .rawKey
      return { ...person, key, child: child as string }
    }),
  )
  const [leaver, stayer, stepper] = people
  if (!leaver || !stayer || !stepper) throw new Error('nobody there')
  const listed = (await owner.get('/portal/keys')).body
  for (const { email } of people) expect(listed).toContain(email)

  const asked = await owner.get(`/portal/people/${leaver.id}/remove`)
  expect(asked.body).toContain('leaves child')
  expect(asked.body).toMatch(/<option value="end" selected/)
  await owner.post(`/portal/people/${leaver.id}/remove`)
  expect([await works(leaver.key), await works(leaver.child)]).toEqual([false, false])

  await owner.post(`/portal/people/${stayer.id}/remove`, { made: 'keep' })
  expect([await works(stayer.key), await works(stayer.child)]).toEqual([true, true])
  expect((await owner.get('/portal/keys')).body).toContain('a former person')

  await owner.post(`/portal/people/${stepper.id}/role`, { role: 'viewer' })
  expect([await works(stepper.key), await works(stepper.child)]).toEqual([false, false])
  expect((await owner.get('/portal/people')).body).toContain(stepper.email)
})
