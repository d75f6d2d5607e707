import { sleep } from '../../../test/support/program.ts'
import type { Json, Tenant, World } from './world.ts'

// What the attacks on credentials share.

type Caller = ReturnType<World['asKey']>
export type MadeKey = Caller & { id: string }

/** A key that another key makes; null if it gets none. */
export async function keyBy(world: World, maker: Caller, wanted: object = {}): Promise<MadeKey | null> {
  const { body } = await maker.post('/v1/agent/keys', wanted)
  return body.rawKey ? { ...world.asKey(body.rawKey), id: body.id } : null
}

/** As `keyBy`, for a key that its maker may make. */
export async function honestKey(world: World, maker: Caller, wanted: object = {}): Promise<MadeKey> {
  const made = await keyBy(world, maker, wanted)
  if (!made) throw new Error('the key was not made')
  return made
}

/** The id of the key that registration gave the agent. */
export async function agentKeyId({ owner }: Tenant): Promise<string> {
  const { body } = await owner.get('/v1/agent/keys')
  return body.items.find(({ label }: { label: string }) => label === 'registration').id
}

/** Whether a mail to this address leaves within a short time. */
export async function hasLeft(world: World, to: string, seconds = 1.5): Promise<boolean> {
  for (let left = seconds * 10; left > 0; left--) {
    if ((await world.outbox(to)).length > 0) return true
    await sleep(100)
  }
  return false
}

/** Whether a key still gets mail out. */
export async function sends(world: World, { post }: Pick<Caller, 'post'>): Promise<boolean> {
  const to = world.someone('victim')
  await post('/v1/agent/request-send', welcome(to))
  return await hasLeft(world, to)
}

export const welcome = (recipientEmail: string, more: object = {}) => ({
  ...{ recipientEmail, templateId: 'welcome', dedupeKey: recipientEmail, payload: { firstName: 'Ann' } },
  ...more,
})

/** Whether an SMTP password still gets mail out. */
export async function submits(
  world: World,
  { username, password }: { username: string; password: string },
): Promise<boolean> {
  const to = world.someone('victim')
  await world.call('POST', '/v1/smtp/submissions', {
    body: [`From: ${username}`, `To: ${to}`, 'Subject: Hello', '', 'Hello', ''].join('\r\n'),
    headers: {
      authorization: `Basic ${btoa(`${username}:${password}`)}`,
      'content-type': 'message/rfc822',
      'x-envelope-from': encodeURIComponent(username),
      'x-envelope-to': encodeURIComponent(to),
    },
  })
  return await hasLeft(world, to)
}

/** For what must work before it is ended: otherwise the attack would prove nothing. */
export async function mustWork(worked: Promise<boolean>) {
  if (!(await worked)) throw new Error('it did not even work before')
}

/** A public address where nobody answers. */
export const HOOK = 'https://93.184.216.34/hook'

/** Whether a webhook still gets events. Any send makes one. */
export async function isTold(world: World, tenant: Tenant, webhookId: string): Promise<boolean> {
  const before = attemptsOf(world, webhookId)
  await sends(world, tenant.owner)
  for (let left = 20; left > 0; left--) {
    if (attemptsOf(world, webhookId) > before) return true
    await sleep(100)
  }
  return false
}

function attemptsOf(world: World, webhookId: string): number {
  const row: Json = world
    .db()
    .prepare('SELECT coalesce(sum(attempts), 0) AS count FROM webhook_deliveries WHERE webhook_id = ?')
    .get(webhookId)
  return row.count
}

export const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()

/** Another person of the tenant, who signs in. `id` is theirs in the list of people. */
export async function colleague(world: World, { person }: Tenant, role = 'owner') {
  const email = world.someone('colleague')
  await person.post('/portal/people', { email, role })
  const browser = await world.signIn(email)
  const page: string = (await person.get('/portal/people')).body
  const row = page.split('<tr').find((each) => each.includes(email)) ?? ''
  const id = /\/portal\/people\/([^/"]+)\//.exec(row)?.[1] ?? ''
  return { ...browser, email, id }
}

/** A key that a person makes in the portal. */
export async function keyInPortal(
  world: World,
  browser: { post: (page: string, fields?: Record<string, string>) => Promise<{ body: Json }> },
  permissions: string[],
): Promise<Caller> {
  const ticks = Object.fromEntries(permissions.map((each) => [each, 'on']))
  const { body } = await browser.post('/portal/keys', { label: 'a key', ...ticks })
  const secret = /mm_live_[0-9A-Za-z]{49}/.exec(body)?.[0]
  if (!secret) throw new Error('the person got no key')
  return world.asKey(secret)
}
