import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { demoKey } from '../../src/core/local/demo-world.ts'
import { sleep, startDev } from '../../test/support/program.ts'

const SENDS = 10_000
const AT_ONCE = 500
const TIMES = 15
const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium'

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(`Usage: npm run prove -- portal

Measures how long the portal's overview takes for an account with 10,000 sends: until the first byte, and until the DOM is
ready. Compares both with /health and with a static page. The variable CHROMIUM names the browser (default
/usr/bin/chromium). Takes no arguments.`)
  process.exit(0)
}

const state = await mkdtemp(join(tmpdir(), 'moltpost-'))
const server = await startDev(state)
try {
  for (let batch = 0; batch < SENDS / AT_ONCE; batch++) await send(batch)
  await atRest()
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  const page = await browser.newPage()
  await page.goto(`${server.address}/dev/sign-in`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${server.address}/portal`)
  const health = await median(page, '/health')
  const plain = await median(page, '/portal/sign-in')
  const overview = await median(page, '/portal')
  await browser.close()
  const times = (a: number, b: number) => `${(a / b).toFixed(1)} times`
  console.log(`
Overview of ${SENDS} sends, medians of ${TIMES} visits
  first byte   ${overview.firstByte.toFixed(1)} ms, ${times(overview.firstByte, health.firstByte)} /health, ${times(overview.firstByte, plain.firstByte)} a static page
  DOM ready    ${overview.ready.toFixed(1)} ms, ${times(overview.ready, health.ready)} /health, ${times(overview.ready, plain.ready)} a static page`)
} finally {
  await server.kill()
  await rm(state, { recursive: true, force: true })
}

async function send(batch: number) {
  const sends = Array.from({ length: AT_ONCE }, (_, position) => ({
    // Nine of ten sends are blocked, so that the machine has little to deliver during the measurement.
    recipientEmail: position % 10 === 0 ? `reader-${batch}-${position}@example.com` : 'bob@example.com',
    dedupeKey: `portal-${batch}-${position}`,
    payload: { firstName: 'Ann', trialDays: 14 },
  }))
  const response = await fetch(`${server.address}/v1/agent/batch/request-send`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${demoKey({ DEMO_KEY: undefined })}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ templateId: 'onboarding-welcome', sends }),
  })
  if (!response.ok)
    throw new Error(`batch ${batch}: ${response.status} ${(await response.text()).slice(0, 300)}`)
  await response.body?.cancel()
}

/** Waits until no send is under way, so that the queues do not disturb the measurement. */
async function atRest() {
  const underway = 'judging,queued,rendering,ready,claimed,in_flight,retry_wait,accepted'
  for (let left = 600; left > 0; left--) {
    const response = await fetch(`${server.address}/v1/agent/sends?limit=1&status=${underway}`, {
      headers: { authorization: `Bearer ${demoKey({ DEMO_KEY: undefined })}` },
    })
    const { items }: { items: unknown[] } = await response.json()
    if (items.length === 0) return
    await sleep(1_000)
  }
  throw new Error('some sends are still under way after 10 minutes')
}

async function median(page: Page, path: string) {
  const seen: { firstByte: number; ready: number }[] = []
  for (let visit = 0; visit < TIMES; visit++) {
    await page.goto(server.address + path)
    seen.push(
      await page.evaluate(() => {
        const [timing] = performance.getEntriesByType('navigation') as unknown as {
          responseStart: number
          domContentLoadedEventEnd: number
          requestStart: number
        }[]
        if (!timing) throw new Error('the browser reports no times')
        return {
          firstByte: timing.responseStart - timing.requestStart,
          ready: timing.domContentLoadedEventEnd - timing.requestStart,
        }
      }),
    )
  }
  const middle = (of: 'firstByte' | 'ready') =>
    seen.map((each) => each[of]).sort((a, b) => a - b)[Math.floor(TIMES / 2)] ?? 0
  return { firstByte: middle('firstByte'), ready: middle('ready') }
}
