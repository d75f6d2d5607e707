import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { DEMO, DEMO_OWNER_KEY, demoKey } from '../../src/core/local/demo-world.ts'
import { openBrowser } from '../support/browser.ts'
import { ROOT, sleep, startDev } from '../support/program.ts'

const AXE = join(ROOT, 'node_modules/axe-core/axe.min.js')
/** Ignored by git. */
const SCREENSHOTS = join(ROOT, '.moltpost/screenshots')
/** Every page of the menu, and some below it. */
const MENU = [
  '',
  '/approvals',
  '/sends',
  '/contacts?email=vector@example.com',
  '/trouble',
  '/agents',
  '/coordination',
  '/mailboxes',
  `/mailboxes/${DEMO.mailboxId}`,
  '/templates',
  '/templates/new',
  '/templates/tpl_demo_onboardingwelcome',
  '/templates/tpl_demo_onboardingwelcome/edit',
  '/suppressions',
  '/consents',
  '/dlp',
  '/domains',
  '/smtp',
  '/webhooks',
  '/keys',
  '/people',
  '/billing',
  '/audit',
  '/audit/verify',
  '/data',
  '/erased',
  '/sessions',
]
/** The pages that are checked on every screen; the others on one screen only, unless PORTAL_SWEEP=1. */
const EVERYWHERE = ['', '/sends']
const SCREENS = [
  { width: 1280, height: 900, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 1280, height: 900, colorScheme: 'dark' },
] as const
/** Console messages that are expected: a sandboxed frame blocked a script or a picture, or a form was refused. */
const KEPT_OUT =
  /Blocked script execution in .* frame is sandboxed|Loading the image .* "img-src data:"|status of 4(?:09|22)|cannot be parsed, or is out of range/
const DEMO_ADDRESS = 'demo@moltpost.test'
const VECTOR = '<img src=x onerror=boom()>"\'><script>boom()</script><svg onload=boom()>'

test('in a browser, every page passes axe and runs no script that agents wrote; held messages are decided by keyboard', async ({
  skip,
}) => {
  const browser = await openBrowser(skip)
  const state = await mkdtemp(join(tmpdir(), 'moltpost-'))
  onTestFinished(() => rm(state, { recursive: true, force: true }))
  const server = await startDev(state)
  onTestFinished(() => server.kill())
  const api = caller(server.address)
  const more = await fillWithVectors(api, server.address)

  const page = await browser.newPage()
  const trouble: string[] = []
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type()) || KEPT_OUT.test(message.text())) return
    trouble.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => trouble.push(`${page.url()}: ${error.message}`))
  page.on('dialog', (dialog) => trouble.push(`a dialog: ${dialog.message()}`))
  await page.exposeFunction('boom', () => trouble.push(`${page.url()}: a vector ran`))
  await page.goto(`${server.address}/dev/sign-in`)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${server.address}/portal`)

  // Deciding by keyboard alone.
  const approved = await api.held('approved@example.com')
  await decide(page, `${server.address}/portal/approvals/${approved}`, 'a')
  const rejected = await api.held('rejected@example.com')
  await decide(page, `${server.address}/portal/approvals/${rejected}`, 'r')
  const edited = await api.held('edited@example.com')
  await page.goto(`${server.address}/portal/approvals/${edited}`)
  await page.keyboard.press('e')
  await page.waitForURL(/\/edit$/)
  await page.getByLabel('Subject').focus()
  await page.keyboard.press('Control+A')
  await page.keyboard.type('Changed by hand')
  await page.keyboard.press('Enter')
  await page.waitForURL(
    (url) => /approvals\/apq_[a-z0-9]+$/.test(url.pathname) && !url.pathname.endsWith(edited),
  )
  await decide(page, page.url(), 'a')
  expect(await api.mailed('approved@example.com')).toHaveLength(1)
  expect(await api.mailed('edited@example.com')).toMatchObject([{ subject: 'Changed by hand' }])
  expect(await api.outbox('rejected@example.com')).toEqual([])
  expect(trouble).toEqual([])

  // Eight browsers with the same page open press the button at the same moment.
  const [contested, cookie] = [await api.held('contested@example.com'), await cookieOf(page)]
  const answers = await Promise.all(
    (await Promise.all(Array.from({ length: 8 }, () => formOf(server.address, contested, cookie)))).map(
      (body) => decideOver(server.address, contested, cookie, body),
    ),
  )
  expect(answers.toSorted()).toEqual([303, ...Array.from({ length: 7 }, () => 409)])
  expect(await api.mailed('contested@example.com')).toHaveLength(1)

  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: server.address })
  const domain = await fillForms(page, server.address)
  expect(trouble).toEqual([])

  const waiting = await api.held('waiting@example.com')
  const paths = [
    ...MENU,
    ...more,
    domain,
    `/approvals/${waiting}`,
    `/approvals/${waiting}/edit`,
    `/sends/${await api.newest()}`,
  ]
  await mkdir(SCREENSHOTS, { recursive: true })
  const found: string[] = []
  for (const [position, screen] of SCREENS.entries()) {
    await page.setViewportSize(screen)
    await page.emulateMedia({ colorScheme: screen.colorScheme })
    for (const path of position === 0 || process.env.PORTAL_SWEEP ? paths : EVERYWHERE)
      found.push(...(await look(page, server.address, path, screen)))
  }
  expect(found).toEqual([])
  if (process.env.PORTAL_SWEEP) {
    const { pages, forms } = await walk(page, server.address)
    console.warn(`vectors: ${forms} forms filled, ${pages} pages looked at`)
  }
  expect(trouble).toEqual([])
  expect(await api.mailed('contested@example.com')).toHaveLength(1)
}, 900_000)

/** Fills one form of each kind with script vectors, and opens every page that links lead to. */
async function walk(page: Page, address: string) {
  const [filled, seen] = [new Set<string>(), new Set(['/portal'])]
  const kindOf = (path: string) => path.replace(/\/(?:[a-z]+_[^/]+|[0-9a-f-]{36}|\d+)(?=\/|$)/g, '/:id')
  for (const path of seen) {
    const type = (await page.goto(address + path))?.headers()['content-type'] ?? ''
    if (!type.startsWith('text/html')) continue
    for (const action of await page.evaluate<string[]>(FORMS)) {
      if (filled.has(kindOf(action))) continue
      filled.add(kindOf(action))
      await page.goto(address + path)
      const answered = page.waitForNavigation()
      await page.evaluate(`(${FILL})(${JSON.stringify(action)}, ${JSON.stringify(VECTOR)})`)
      await answered
      await page.goto(address + path)
    }
    for (const link of await page.evaluate<string[]>(LINKS)) seen.add(link)
    if (seen.size > 400) throw new Error('there are more than 400 pages')
  }
  return { pages: seen.size, forms: filled.size }
}

/** Scripts that run in the page: find forms with text fields and without a confirmation, fill one, find links. */
const FORMS = `[...document.querySelectorAll('main form[method=post]')]
  .filter((form) => !form.querySelector('[data-confirm]'))
  .filter((form) => [...form.elements].some((each) => each.matches('textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=file])')))
  .map((form) => new URL(form.action).pathname)`
const FILL = `(action, vector) => {
  const form = [...document.querySelectorAll('main form[method=post]')].find((each) => new URL(each.action).pathname === action)
  form.noValidate = true
  for (const each of form.elements) {
    if (!each.matches('textarea, input:not([type=hidden], [type=checkbox], [type=radio], [type=file])')) continue
    each.type = 'text'
    each.removeAttribute('maxlength')
    each.value = vector
  }
  form.requestSubmit()
}`
const LINKS = `[...document.querySelectorAll('a[href^="/portal"]')]
  .map((link) => link.getAttribute('href').split('#')[0])
  .filter((path) => !/[.](csv|ndjson)|before=|\\/download$/.test(path))`

async function cookieOf(page: Page) {
  const cookies = await page.context().cookies()
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
}

/** The fields of a page's decision form. */
async function formOf(address: string, approval: string, cookie: string) {
  const html = await (await fetch(`${address}/portal/approvals/${approval}`, { headers: { cookie } })).text()
  const form = /<form method="post" action="[^"]*\/decide".*?<\/form>/s.exec(html)?.[0] ?? ''
  const hidden = [...form.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)]
  return new URLSearchParams([
    ...hidden.map(([, name = '', value = '']) => [name, value]),
    ['decision', 'approve'],
  ])
}

async function decideOver(address: string, approval: string, cookie: string, body: URLSearchParams) {
  const headers = { cookie, 'sec-fetch-site': 'same-origin' }
  const url = `${address}/portal/approvals/${approval}/decide`
  return (await fetch(url, { method: 'POST', headers, body, redirect: 'manual' })).status
}

async function decide(page: Page, url: string, key: 'a' | 'r') {
  await page.goto(url)
  await page.keyboard.press(key)
  await page.keyboard.press('Enter')
  await page.getByRole('status').waitFor()
}

/** Creates one of each thing that only a person can create, and uses the copy buttons. */
async function fillForms(page: Page, address: string): Promise<string> {
  const read = () => page.evaluate('navigator.clipboard.readText()')
  await page.goto(`${address}/portal/smtp`)
  await page.getByLabel('Which program it is for').fill(VECTOR)
  await page.getByRole('button', { name: 'Create a password' }).click()
  await page.getByRole('button', { name: 'Copy the password' }).click()
  await page.getByRole('status').getByText('Copied').waitFor()
  expect(await read()).toBe(await page.locator('.secret').textContent())
  await page.goto(`${address}/portal/dlp`)
  await page.getByLabel('Where you will put it').fill(VECTOR)
  await page.getByLabel('Its text').fill(`${VECTOR} long enough`)
  await page.getByRole('button', { name: 'Plant it' }).click()
  await page.locator('.secret').waitFor()
  for (const [path, name] of [
    ['/billing', 'Post the bond'],
    ['/data', 'Make an export'],
  ] as const) {
    await page.goto(`${address}/portal${path}`)
    await page.getByRole('button', { name }).click()
    await page.getByRole('status').first().waitFor()
  }
  await page.goto(`${address}/portal/domains`)
  await page.getByLabel('Domain').fill('demo.example.org')
  await page.getByRole('button', { name: 'Add the domain' }).click()
  await page.waitForURL(/domains\/dom_/)
  await page.getByRole('button', { name: 'Copy the value of the dkim record' }).click()
  await page.getByRole('button', { name: 'Copied the value of the dkim record' }).waitFor()
  expect(await read()).toMatch(/^v=DKIM1; k=rsa; p=/)
  return new URL(page.url()).pathname.replace('/portal', '')
}

async function look(
  page: Page,
  address: string,
  path: string,
  { width, colorScheme }: (typeof SCREENS)[number],
) {
  const answer = await page.goto(`${address}/portal${path}`)
  const found = answer?.status() === 200 ? [] : [`${path}: ${answer?.status()}`]
  if (process.env.PORTAL_SWEEP) {
    const name = path.replace(/[^a-z]+/gi, '-').slice(0, 60)
    const file = `portal${name}-${width}-${colorScheme}.png`
    await page.screenshot({ path: join(SCREENSHOTS, file), fullPage: true })
  }
  // The policy of the page forbids other scripts; the debugger may run them.
  await page.evaluate(readFileSync(AXE, 'utf8'))
  const { broken, tooWide } = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run: (
          on: unknown,
          how: unknown,
        ) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>
      }
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    const page = globalThis as unknown as {
      document: { documentElement: { scrollWidth: number } }
      innerWidth: number
    }
    const { violations } = await axe.run(page.document, {
      runOnly: tags,
      resultTypes: ['violations'],
      iframes: false,
    })
    return {
      broken: violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 200)}`),
      tooWide: page.document.documentElement.scrollWidth - page.innerWidth,
    }
  })
  for (const each of broken) found.push(`${path} at ${width} ${colorScheme}: ${each}`)
  if (tooWide > 0) found.push(`${path} at ${width}: ${tooWide} px too wide`)
  return found
}

function caller(address: string) {
  const ask = async (
    method: string,
    path: string,
    body?: unknown,
    key = demoKey({ DEMO_KEY: undefined }),
  ) => {
    const response = await fetch(address + path, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    // biome-ignore lint/suspicious/noExplicitAny: a test reads any JSON
    return (await response.json()) as any
  }
  const outbox = async (to: string) => (await ask('GET', `/dev/outbox?to=${encodeURIComponent(to)}`)).items
  const send = (recipientEmail: string) =>
    ask('POST', '/v1/agent/request-send', {
      recipientEmail,
      templateId: 'onboarding-welcome',
      dedupeKey: `${VECTOR} ${recipientEmail}`,
      payload: { firstName: VECTOR, trialDays: 14 },
      sendReason: VECTOR,
    })
  return {
    ask,
    send,
    outbox,
    async held(to: string): Promise<string> {
      const { approvalQueueId: id } = await send(to)
      for (let left = 100; left > 0; left--) {
        const { message } = await ask('GET', `/v1/send/approvals/${id}`, undefined, DEMO_OWNER_KEY)
        if (message) return id
        await sleep(100)
      }
      throw new Error('the held message was not rendered within 10 s')
    },
    async mailed(to: string) {
      for (let left = 100; left > 0; left--) {
        const items = await outbox(to)
        if (items.length > 0) return items
        await sleep(100)
      }
      return []
    },
    newest: async () => (await ask('GET', '/v1/agent/sends?limit=1')).items[0].requestId as string,
  }
}

/** Writes script vectors into every field that an agent, a contact or a person can fill; gives further pages that show them. */
async function fillWithVectors({ ask, send, held: hold }: ReturnType<typeof caller>, address: string) {
  const agent = await ask('POST', '/v1/agent/register', { agentName: `agent ${VECTOR}`, role: VECTOR })
  const contactEmail = 'vector@example.com'
  const speaker = { agentId: agent.id }
  await ask('POST', '/v1/agent/coordination/lease', { ...speaker, contactEmail, intent: VECTOR })
  const about = { action: VECTOR, contactEmail, reason: VECTOR }
  const vote = await ask('POST', '/v1/agent/coordination/consensus', {
    requestingAgentId: agent.id,
    ...about,
  })
  const cast = { ...speaker, vote: 'reject', reason: VECTOR }
  await ask('POST', `/v1/agent/coordination/consensus/${vote.id}/vote`, cast)
  await ask('POST', '/v1/suppressions', {
    recipientEmail: 's@example.com',
    reasonCode: 'manual_dnc',
    source: VECTOR,
  })
  await ask('POST', '/v1/consent', {
    recipientEmail: 'c@example.com',
    basis: 'contractual',
    source: VECTOR,
  })
  await ask('POST', '/v1/agent/keys', { label: VECTOR, permissions: ['read'] })
  await ask('PATCH', `/v1/agent/mailboxes/${DEMO.mailboxId}`, { displayName: VECTOR })
  const template = await ask('POST', '/v1/templates', {
    slug: 'vector',
    name: VECTOR,
    type: 'transactional',
    content: { subject: `${VECTOR} {{ firstName }}`, html: `<p>${VECTOR}</p>`, text: VECTOR },
  })
  const hook = await ask('POST', '/v1/agent/webhooks', { url: 'https://8.8.8.8/hook', description: VECTOR })
  await ask('POST', '/v1/agent/request-send', {
    recipientEmail: 'card@example.com',
    templateId: 'onboarding-welcome',
    dedupeKey: 'card',
    payload: { firstName: '4111 1111 1111 1111', trialDays: 14 },
  })
  await send('bob@example.com')
  await receive(address, contactEmail)
  await ask('PATCH', `/v1/agent/mailboxes/${DEMO.mailboxId}/autonomy`, { autonomyLevel: 1 })
  const raw = { subject: VECTOR, html: `<p>Raw</p>${VECTOR}`, text: VECTOR }
  const held = await ask(
    'PUT',
    `/v1/send/approvals/${await hold('raw@example.com')}/message`,
    raw,
    DEMO_OWNER_KEY,
  )
  const made = { agent, vote, template, hook, held }
  if (Object.values(made).some(({ id }) => typeof id !== 'string')) throw new Error(JSON.stringify(made))
  return [
    `/agents/${agent.id}`,
    `/coordination/votes/${vote.id}`,
    `/templates/${template.id}`,
    `/templates/${template.id}/edit`,
    `/webhooks/${hook.id}`,
    `/approvals/${held.id}`,
  ]
}

/** Receives a mail from outside with vectors in its subject, its sender's name and its body. */
async function receive(address: string, from: string) {
  const encoded = `=?utf-8?B?${Buffer.from(VECTOR).toString('base64')}?=`
  const mail = [
    `From: ${encoded} <${from}>`,
    `To: ${DEMO_ADDRESS}`,
    `Subject: ${encoded}`,
    'Message-ID: <vector@example.com>',
    'Content-Type: text/html; charset=utf-8',
    '',
    `<p>${VECTOR}</p>`,
    '',
  ].join('\r\n')
  const query = `from=${from}&to=${encodeURIComponent(DEMO_ADDRESS)}`
  const answer = await fetch(`${address}/cdn-cgi/handler/email?${query}`, { method: 'POST', body: mail })
  if (!answer.ok) throw new Error(`inbound mail was refused: ${answer.status} ${await answer.text()}`)
}
