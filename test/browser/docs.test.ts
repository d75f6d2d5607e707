import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { demoKey } from '../../src/core/local/demo-world.ts'
import { openBrowser } from '../support/browser.ts'
import { ROOT } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

const AXE = join(ROOT, 'node_modules/axe-core/axe.min.js')
/** Ignored by git. */
const SCREENSHOTS = join(ROOT, '.moltpost/screenshots')
/** Operations that the page of each API must show. */
const SHOWN = {
  '': ['/v1/agent/request-send', '/email/send', '/v1/messages', '/events/ses', '/admin/bonds'],
  '/molted': ['/agent/request-send', '/agent/coordination/lease'],
  '/moltbotden': ['/email/send', '/email/inbox'],
  '/mailmolt': ['/messages', '/agents/me/memory/{key}'],
}

test('the API reference works offline and without inline scripts, shows the operations of each API, and calls one', async ({
  skip,
}) => {
  const browser = await openBrowser(skip)
  const server = await sharedDev('plain')
  const page = await browser.newPage()
  const trouble: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) trouble.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => trouble.push(`${page.url()}: ${error.message}`))
  await page.route(
    (url) => url.origin !== server.address && url.protocol !== 'data:',
    async (route) => {
      trouble.push(`a request to ${route.request().url()}`)
      await route.abort()
    },
  )

  await mkdir(SCREENSHOTS, { recursive: true })
  for (const [api, paths] of Object.entries(SHOWN)) {
    const answer = await page.goto(`${server.address}/docs${api}`)
    const policy = answer?.headers()['content-security-policy']
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';")
    expect(policy).not.toContain('unsafe')
    await page.waitForSelector('.opblock-summary-path')
    expect(await violations(page)).toEqual([])
    await page.screenshot({ path: join(SCREENSHOTS, `docs${api.replace('/', '-')}.png`) })
    // The page draws only what is near the window, so the filter is used to find an operation.
    for (const path of paths) {
      await page.getByPlaceholder('Filter by tag or path').fill(path)
      await page.locator('.opblock-summary-path', { hasText: path }).first().waitFor()
    }
  }

  await page.goto(`${server.address}/docs/molted#/settings/postAgentWhoami`)
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  await page
    .getByLabel('Value')
    .first()
    .fill(demoKey({ DEMO_KEY: undefined }))
  await page.getByRole('button', { name: 'Apply credentials' }).first().click()
  await page.getByRole('button', { name: 'Close' }).first().click()
  const operation = page.locator('#operations-settings-postAgentWhoami')
  await operation.getByRole('button', { name: 'Try it out' }).click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  await expect
    .poll(() => operation.locator('.live-responses-table').textContent(), { timeout: 30_000 })
    .toContain('tenant_abc123')
  expect(await violations(page)).toEqual([])
  expect(trouble).toEqual([])
}, 240_000)

/** The serious and critical violations that axe finds, by rule and element. */
async function violations(page: Page): Promise<string[]> {
  // The policy of the page forbids other scripts; the debugger may run them.
  await page.evaluate(readFileSync(AXE, 'utf8'))
  return await page.evaluate(async () => {
    const { axe, document } = globalThis as unknown as {
      document: unknown
      axe: {
        run: (
          on: unknown,
          how: unknown,
        ) => Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>
      }
    }
    const { violations } = await axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
      resultTypes: ['violations'],
    })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`)
  })
}
