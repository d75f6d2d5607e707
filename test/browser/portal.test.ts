import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { DEMO, DEMO_OWNER_KEY, demoKey } from '../../src/core/demo.ts'
import { ROOT, sleep, startDev } from '../support/program.ts'

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium'
const AXE = join(ROOT, 'node_modules/axe-core/axe.min.js')
/** Build output, which git does not keep. */
const SCREENSHOTS = join(ROOT, '.moltpost/screenshots')
/** Every page of the menu; PORTAL_SWEEP=1 looks at each on every screen, else at these few on all and the rest on one. */
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
  '/templates/tpl_demo_onboardingwelcome',
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
const EVERYWHERE = process.env.PORTAL_SWEEP ? MENU : ['', '/sends']
const SCREENS = [
  { width: 1280, height: 900, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 1280, height: 900, colorScheme: 'dark' },
] as const
const VECTOR = '<img src=x onerror=boom()>"\'><script>boom()</script><svg onload=boom()>'

test('in a browser: every page passes axe and runs nothing of what agents wrote; held mail is decided by keyboard alone', async ({
  skip,
}) => {
  if (!existsSync(CHROMIUM)) skip(`There is no browser at ${CHROMIUM}: set CHROMIUM to the path of one.`)
  const state = await mkdtemp(join(tmpdir(), 'moltpost-'))
  onTestFinished(() => rm(state, { recursive: true, force: true }))
  const server = await startDev(state)
  onTestFinished(() => server.kill())
  const api = caller(server.address)
  await fillWithVectors(api)

  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
  const trouble: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) trouble.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => trouble.push(`${page.url()}: ${error.message}`))
  page.on('dialog', (dialog) => trouble.push(`a dialog: ${dialog.message()}`))
  await page.exposeFunction('boom', () => trouble.push(`${page.url()}: a vector ran`))
  await page.goto(`${server.address}/dev/sign-in`)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${server.address}/portal`)

  // What is decided, by keyboard alone.
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

  const waiting = await api.held('waiting@example.com')
  const paths = [
    ...MENU,
    `/approvals/${waiting}`,
    `/approvals/${waiting}/edit`,
    `/sends/${await api.newest()}`,
  ]
  await mkdir(SCREENSHOTS, { recursive: true })
  const found: string[] = []
  for (const [position, screen] of SCREENS.entries()) {
    await page.setViewportSize(screen)
    await page.emulateMedia({ colorScheme: screen.colorScheme })
    for (const path of position === 0 ? paths : EVERYWHERE)
      found.push(...(await look(page, server.address, path, screen)))
  }
  expect(found).toEqual([])
  expect(trouble).toEqual([])
}, 240_000)

async function decide(page: Page, url: string, key: 'a' | 'r') {
  await page.goto(url)
  await page.keyboard.press(key)
  await page.keyboard.press('Enter')
  await page.getByRole('status').waitFor()
}

async function look(
  page: Page,
  address: string,
  path: string,
  { width, colorScheme }: (typeof SCREENS)[number],
) {
  const answer = await page.goto(`${address}/portal${path}`)
  const found = answer?.status() === 200 ? [] : [`${path}: ${answer?.status()}`]
  const name = path.replace(/[^a-z]+/gi, '-').slice(0, 60)
  await page.screenshot({
    path: join(SCREENSHOTS, `portal${name}-${width}-${colorScheme}.png`),
    fullPage: true,
  })
  // The policy of the page forbids foreign scripts; the debugger may evaluate.
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
    const { violations } = await axe.run(page.document, { runOnly: tags, resultTypes: ['violations'] })
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
    // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
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
      throw new Error('the held message was never written')
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

/** Script vectors in every field of what the portal shows that an agent or a contact can write. */
async function fillWithVectors({ ask, send }: ReturnType<typeof caller>) {
  await ask('POST', '/v1/agent/register', { agentName: `agent ${VECTOR}` })
  const contactEmail = 'vector@example.com'
  await ask('POST', '/v1/agent/coordination/lease', {
    agentName: `agent ${VECTOR}`,
    contactEmail,
    intent: VECTOR,
  })
  const about = { action: VECTOR, contactEmail, reason: VECTOR }
  await ask('POST', '/v1/agent/coordination/consensus', { agentName: `agent ${VECTOR}`, ...about })
  await ask('POST', '/v1/suppressions', {
    recipientEmail: 's@example.com',
    reasonCode: 'manual_dnc',
    source: VECTOR,
  })
  await ask('POST', '/v1/consent', {
    recipientEmail: 'c@example.com',
    consentBasis: 'contractual',
    source: VECTOR,
  })
  await ask('POST', '/v1/agent/keys', { label: VECTOR, permissions: ['read'] })
  await ask('PATCH', `/v1/agent/mailboxes/${DEMO.mailboxId}`, { displayName: VECTOR })
  await send('bob@example.com')
  await ask('PATCH', `/v1/agent/mailboxes/${DEMO.mailboxId}/autonomy`, { autonomyLevel: 1 })
}
