import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { onTestFinished, type TestContext } from 'vitest'

const CHROMIUM = process.env.CHROMIUM || '/usr/bin/chromium'

/** Starts Chromium for one test and closes it afterwards. Skips the test if no browser is installed. */
export async function openBrowser(skip: TestContext['skip']): Promise<Browser> {
  if (!existsSync(CHROMIUM)) skip(`There is no browser at ${CHROMIUM}: set CHROMIUM to the path of one.`)
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  })
  onTestFinished(() => browser.close())
  return browser
}
