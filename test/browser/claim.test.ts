import type { BrowserContext } from 'playwright-core'
import { expect, test } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { sleep } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

test('an agent registers, a person claims it in a browser, its send is held, the person confirms by mail, and it sends', async ({
  skip,
}) => {
  const browser = await openBrowser(skip)
  const server = await sharedDev('plain')

  for (const javaScriptEnabled of [true, false]) {
    const context = await browser.newContext({ javaScriptEnabled })
    const trouble = watch(context, server.address)
    const page = await context.newPage()
    const agent = await register(server.address, javaScriptEnabled ? 'Scripted Bot' : 'Plain Bot')
    const owner = `owner-${crypto.randomUUID()}@example.com`
    const reader = `reader-${crypto.randomUUID()}@example.com`

    // In the sandbox it may not send, and the answer names who can change that.
    expect(await agent.level()).toBe('sandbox')
    expect(await agent.send(reader)).toMatchObject({
      status: 403,
      body: { error: { code: 'provisional_account' } },
    })
    const { access, action_items: items } = (await agent.get('/v1/agents/heartbeat')).body
    expect(access).toEqual({ level: 'sandbox', claimed: false, claim_url: agent.claimUrl, verify_url: null })
    expect(items[0]).toMatchObject({ priority: 'high', action: 'claim_agent' })

    // A person claims it.
    await page.goto(access.claim_url)
    expect(await page.getByRole('heading').textContent()).toBe(`Claim ${agent.name}`)
    expect(await page.getByText(agent.address).count()).toBe(1)
    await page.getByLabel('Your email address').fill(owner)
    await page.getByLabel('Your handle on X').fill('@ann_x')
    await page.getByRole('button', { name: `Claim ${agent.name}` }).click()
    await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
    expect(await page.getByText(owner).count()).toBe(1)
    expect(page.url()).toBe(agent.claimUrl)

    // Supervised: a message to an outside address waits for a person.
    expect((await agent.get('/v1/agents/me')).body).toMatchObject({
      status: 'active',
      permission_level: 'supervised',
      owner: { email: owner, email_verified: false, x_handle: 'ann_x' },
    })
    expect(await agent.send(reader)).toMatchObject({
      status: 200,
      body: { status: 'queued', message: expect.stringContaining('held for approval') },
    })
    expect((await agent.get('/v1/agents/heartbeat')).body.activity.pending_approvals).toBe(1)

    // Opening the mailed link, as scanners do, changes nothing.
    const [letter = ''] = await mailed(server.address, owner)
    const link = /http\S+\/verify\/\S+/.exec(letter)?.[0] ?? ''
    expect(link).toMatch(new RegExp(`^${server.address}/verify/`))
    for (let times = 0; times < 2; times++) expect((await fetch(link)).status).toBe(200)
    expect(await agent.level()).toBe('supervised')
    await page.goto(link)
    expect(await agent.level()).toBe('supervised')
    await page.getByRole('button', { name: `Confirm ${owner}` }).click()
    await page.getByRole('heading', { name: 'Your address is confirmed' }).waitFor()

    // Trusted: it sends, and the reader gets the message. The held message still waits.
    expect((await agent.get('/v1/agents/me')).body).toMatchObject({
      permission_level: 'trusted',
      trust_score: 55,
      owner: { email: owner, email_verified: true },
    })
    expect(await agent.send(reader)).toMatchObject({ status: 200, body: { status: 'sending' } })
    expect(await mailed(server.address, reader)).toHaveLength(1)
    expect(await agent.send(owner)).toMatchObject({ status: 200, body: { status: 'sending' } })

    expect(trouble).toEqual([])
    await context.close()

    // Both links are used up, and their pages say so.
    for (const spent of [agent.claimUrl, link]) expect((await fetch(spent)).status).toBe(409)
  }
}, 240_000)

/** Collects what must not happen on a page: console errors, script errors, requests to other sites. */
function watch(context: BrowserContext, address: string): string[] {
  const trouble: string[] = []
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) trouble.push(`console: ${message.text()}`)
  })
  context.on('weberror', (error) => trouble.push(`script: ${error.error().message}`))
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== address) trouble.push(`request: ${request.url()}`)
  })
  return trouble
}

async function register(address: string, name: string) {
  const body = JSON.stringify({ name })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${address}/v1/agents/register`, { method: 'POST', headers, body })
  expect(response.status).toBe(201)
  const registered = await read(response)
  const asked = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(address + path, {
      ...init,
      headers: { ...headers, authorization: `Bearer ${registered.api_key}` },
    })
    return { status: answer.status, body: await read(answer) }
  }
  return {
    name,
    address: registered.agent.email as string,
    claimUrl: registered.claim_url as string,
    get: (path: string) => asked(path),
    level: async () => (await asked('/v1/agents/me')).body.permission_level,
    send: (to: string) =>
      asked('/email/send', {
        method: 'POST',
        body: JSON.stringify({ to: [to], subject: 'Hello', body_text: 'Hello from an agent' }),
      }),
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads any JSON
const read = (response: Response): Promise<any> => response.json()

/** The texts of the messages sent to an address. Waits for the first one; an empty list after 20 s. */
async function mailed(address: string, to: string): Promise<string[]> {
  for (let left = 100; left > 0; left--) {
    const { items } = await read(await fetch(`${address}/dev/outbox?to=${encodeURIComponent(to)}`))
    if (items.length > 0) return items.map(({ text }: { text: string }) => text)
    await sleep(200)
  }
  return []
}
