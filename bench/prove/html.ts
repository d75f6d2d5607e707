import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium, type Page, type Route } from 'playwright-core'
import { sanitizeHtml } from '../../src/core/reading/text/html.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    sample: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const [folder] = positionals

if (options.help || folder === undefined) {
  console.log(`Usage: npm run prove -- html DIR [options]

Opens every XSS vector in the folder DIR in Chromium, first unchanged, then sanitised. A vector fires if a script runs, or if
it opens a dialog or a window, navigates, or requests something from another host. Unchanged, many must fire, which shows
that the detection works. Sanitised, none may fire. DIR contains collections of vectors: items.js and vectors.txt of h5sc,
and Markdown with vectors in code.

  --chromium PATH  the browser (${options.chromium})
  --sample N       use only about N vectors, spread evenly
  --json           print one JSON document`)
  process.exit(options.help ? 0 : 2)
}
if (!existsSync(folder)) {
  console.error(`The folder ${folder} does not exist, so nothing was proved.`)
  process.exit(2)
}
if (!existsSync(options.chromium)) {
  console.error(`There is no browser at ${options.chromium}, so nothing was proved.`)
  process.exit(2)
}

type Vector = { source: string; html: string }
type Run = { fired: string[]; images: number; isStuck: boolean }

const ORIGIN = 'http://mail.test'
const LOAD_MS = 2_000
const SETTLE_MS = 60

/** Runs in the page. Reports calls of functions that vectors use, and scripts that the report-only policy forbids. */
const WATCH = `
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open'])
  Object.defineProperty(globalThis, name, { value: () => __fired(name, location.pathname), configurable: false })
document.addEventListener('securitypolicyviolation', (event) => {
  if (/script/.test(event.effectiveDirective) && event.blockedURI !== 'eval') __fired('script ' + event.blockedURI, location.pathname)
})`

/** Runs in the page. Sends the events of mouse and keyboard to every element, and clicks everything but ordinary links. */
const TOUCH = `
for (const element of document.body.querySelectorAll('*')) {
  const address = element.getAttribute('href') ?? element.getAttribute('xlink:href') ?? ''
  for (const name of ['mouseover', 'mouseenter', 'mousemove', 'mousedown', 'mouseup', 'focus', 'blur', 'keydown'])
    element.dispatchEvent(new Event(name, { bubbles: true }))
  element.focus?.()
  const isOrdinary = /^(?:https?:|mailto:|tel:|cid:)/i.test(address.trim())
  if (!isOrdinary && !element.querySelector('a[href^="http" i]')) element.click?.()
}`

const all = [...new Map(vectorsBelow(folder).map((vector) => [vector.html, vector])).values()]
const step = options.sample === undefined ? 1 : Math.max(1, Math.floor(all.length / Number(options.sample)))
const vectors = all.filter((_, at) => at % step === 0)
if (vectors.length === 0) {
  console.error(`${folder} contains no vectors, so nothing was proved.`)
  process.exit(2)
}

const began = Date.now()
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
})
let current: Run & { path: string; html: string } = { ...newRun(), path: '', html: '' }
let page = await newPage()
const raw: Run[] = []
const sanitised: Run[] = []
for (const [at, { html }] of vectors.entries()) {
  const before = await render(`/raw/${at}`, html)
  raw.push(before)
  if (before.fired.length > 0 || before.isStuck) await replacePage()
  const after = await render(`/sanitised/${at}`, sanitizeHtml(html))
  sanitised.push(after.isStuck ? await render(`/again/${at}`, sanitizeHtml(html)) : after)
}
await browser.close()

const fired = (runs: Run[]) => runs.filter((run) => run.fired.length > 0).length
const failures = sanitised.flatMap((run, at) =>
  run.fired.length > 0
    ? [{ fired: run.fired, html: vectors[at]?.html, sanitised: sanitizeHtml(vectors[at]?.html ?? '') }]
    : [],
)
const report = {
  vectors: vectors.length,
  ofAll: all.length,
  firedRaw: fired(raw),
  firedSanitised: failures.length,
  stuckRaw: raw.filter((run) => run.isStuck).length,
  stuckSanitised: sanitised.filter((run) => run.isStuck).length,
  remoteImagesKept: sanitised.reduce((sum, run) => sum + run.images, 0),
  notFixed: vectors.filter(({ html }) => sanitizeHtml(sanitizeHtml(html)) !== sanitizeHtml(html)).length,
  seconds: Math.round((Date.now() - began) / 1000),
  failures,
}
if (options.json) console.log(JSON.stringify(report, null, 2))
else {
  console.log(`${report.vectors} of ${report.ofAll} vectors in ${report.seconds} s
  unchanged:    ${report.firedRaw} fire, ${report.stuckRaw} keep the page from loading
  sanitised:    ${report.firedSanitised} fire, ${report.stuckSanitised} keep the page from loading, ${report.notFixed} change when sanitised again
  remote images that are kept, because mail may have them: ${report.remoteImagesKept}`)
  for (const failure of failures)
    console.log(`\nfired ${failure.fired.join(', ')}:\n${failure.html}\n->\n${failure.sanitised}`)
}
const isProved =
  report.firedRaw > 0 && report.firedSanitised === 0 && report.stuckSanitised === 0 && report.notFixed === 0
process.exit(isProved ? 0 : 1)

function newRun(): Run {
  return { fired: [], images: 0, isStuck: false }
}

/** Opens a page in a new browser context, so that a late window of an earlier vector is not counted for the next one. */
async function newPage(): Promise<Page> {
  current = { ...newRun(), path: '', html: '' }
  const context = await browser.newContext()
  await context.exposeBinding('__fired', (_, what: string, path: string) => {
    if (path === current.path) current.fired.push(what)
  })
  await context.addInitScript(WATCH)
  await context.route('**/*', answer)
  const opened = await context.newPage()
  context.on('page', (other) => {
    if (page === opened) current.fired.push('window')
    void other.close().catch(() => undefined)
  })
  opened.on('dialog', (dialog) => {
    if (page === opened) current.fired.push('dialog')
    void dialog.dismiss().catch(() => undefined)
  })
  return opened
}

/** Loads one document and sends it input events. A page that hangs is replaced. */
async function render(path: string, html: string): Promise<Run> {
  if (page.isClosed()) page = await newPage()
  const run = { ...newRun(), path, html }
  current = run
  const work = async () => {
    await page.goto(`${ORIGIN}${path}`, { waitUntil: 'load', timeout: LOAD_MS })
    await page.evaluate(TOUCH)
    await page.waitForTimeout(SETTLE_MS)
  }
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, 2 * LOAD_MS, 'late'))
  const outcome = await Promise.race([work().catch(() => 'late' as const), late])
  if (outcome === 'late') {
    run.isStuck = run.fired.length === 0
    await replacePage()
  }
  return run
}

async function replacePage(): Promise<void> {
  const old = page.context()
  page = await newPage()
  await Promise.race([
    old.close().catch(() => undefined),
    new Promise((resolve) => setTimeout(resolve, LOAD_MS)),
  ])
}

/** Serves the document once. Any other request of the page is recorded and aborted. */
async function answer(route: Route): Promise<void> {
  const run = current
  const request = route.request()
  if (request.url() === `${ORIGIN}${run.path}` && run.html !== '\0') {
    const body = `<!doctype html><title>mail</title><body><div>${run.html}</div>`
    run.html = '\0'
    const headers = { 'content-security-policy-report-only': "script-src 'none'" }
    return route.fulfill({ contentType: 'text/html; charset=utf-8', headers, body })
  }
  const isOwn = request.url().startsWith(`${ORIGIN}/`)
  if (request.resourceType() === 'image') run.images += isOwn ? 0 : 1
  else if (request.isNavigationRequest()) run.fired.push(`navigation to ${request.url().slice(0, 60)}`)
  else if (!isOwn) run.fired.push(`request of a ${request.resourceType()}`)
  return route.abort().catch(() => undefined)
}

function vectorsBelow(path: string): Vector[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !/^licen[cs]e/i.test(entry.name))
    .flatMap((entry) => {
      const file = join(entry.parentPath, entry.name)
      const text = readFileSync(file, 'utf8')
      const found = entry.name.endsWith('.md')
        ? inMarkdown(text)
        : entry.name.endsWith('.js')
          ? inItems(text)
          : inDivisions(text)
      return found.map((html) => ({ source: entry.name, html }))
    })
    .filter(({ html }) => html.trim() !== '')
}

/** Finds the vectors of items.js: `'data' : '…'`, where a name in percent signs stands for the payload. */
function inItems(text: string): string[] {
  const payload = (name: string) => {
    if (name.includes('path')) return 'https://evil.example/x'
    if (name.includes('uri')) return 'javascript:alert(1)'
    if (name.includes('base64')) return 'PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='
    if (name.includes('html5ent')) return '&#97;lert&lpar;1&rpar;'
    if (name.includes('entities')) return '&#97;&#108;&#101;&#114;&#116;(1)'
    return name.startsWith('html') ? '&lt;img src=x onerror=alert(1)&gt;' : 'alert(1)'
  }
  return [...text.matchAll(/'data'\s*:\s*'((?:\\.|[^'\\])*)'/gs)].map(([, body = '']) =>
    unescaped(body).replace(
      /%((?:js|html|svg|vml|xdr|css|htc|swf|sct|event|xxe)_[a-z_0-9]+|js_[a-z]+)%/g,
      (_, name: string) => payload(name),
    ),
  )
}

/** Finds the vectors of vectors.txt: `<div id="1">…//["'`-->]]>]</div>`. */
function inDivisions(text: string): string[] {
  return [...text.matchAll(/<div id="\d+">([\s\S]*?)\/\/\["'`-->\]\]>\]<\/div>/g)].map(
    ([, html = '']) => html,
  )
}

/** Finds code blocks, and code spans with a tag. */
function inMarkdown(text: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, body = '']) => body)
  const rest = text.replace(/^```\w*\n[\s\S]*?^```/gm, '')
  const pieces = [...rest.matchAll(/`([^`\n]*<[^`\n]*)`/g)].map(([, body = '']) => body)
  return [...blocks, ...pieces]
}

function unescaped(body: string): string {
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', 0: '\0' }
  return body.replace(/\\(?:u([\da-f]{4})|x([\da-f]{2})|([\s\S]))/gi, (_, four, two, one) =>
    one === undefined ? String.fromCharCode(Number.parseInt(four ?? two, 16)) : (named[one] ?? one),
  )
}
