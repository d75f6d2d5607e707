import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../support/program.ts'

const read = async (path: string) => await readFile(join(ROOT, path), 'utf8')
const GUIDES = (await readdir(join(ROOT, 'docs'))).sort().map((name) => `docs/${name}`)
const pages = new Map<string, string>()
for (const page of ['README.md', ...GUIDES]) pages.set(page, await read(page))

/** The distinct matches of the first group of a pattern. */
const all = (text: string, pattern: RegExp) => [
  ...new Set([...text.matchAll(pattern)].map(([, found = '']) => found)),
]

test('every guide is linked from the README, and every file, script and setting that a page names exists', async () => {
  const readme = pages.get('README.md') ?? ''
  expect(GUIDES.filter((page) => !readme.includes(`](${page})`))).toEqual([])
  const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> }
  const sources = [
    'src/env.ts',
    'src/dev.ts',
    'src/cli/root.ts',
    'src/smtp/settings.ts',
    'src/carriers/capability.ts',
  ]
  const settings = (await Promise.all(sources.map(read))).join('\n')
  for (const [page, text] of pages) {
    const links = all(text, /\]\(((?!https?:|#)[^)]+)\)/g).map((link) =>
      join(dirname(page), link.split('#')[0] ?? ''),
    )
    const paths = all(text, /`((?:src|test|bench|docs|migrations|\.ci)\/[\w./-]+)`/g)
    expect([page, [...links, ...paths].filter((path) => !existsSync(join(ROOT, path)))]).toEqual([page, []])
    const run = all(text, /npm run ([\w:]+)/g)
    expect([page, run.filter((script) => !(script in scripts))]).toEqual([page, []])
    if (page === 'README.md') continue
    const named = all(text, /`([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)`/g)
    expect([page, named.filter((name) => !settings.includes(name))]).toEqual([page, []])
  }
})

test('the guides list every rule in order, every reason, event, metric and tool', async () => {
  const policy = await read('src/core/policy/rules.ts')
  const rows = all(pages.get('docs/policies.md') ?? '', /^\| `(\w+)` +\|/gm)
  expect(rows.length).toBeGreaterThan(15)
  expect(rows).toEqual(all(policy, /(?:^ {4}name: |^ {2}\{ name: |rateLimit\()'(\w+)'/gm))
  const refusals = (pages.get('docs/policies.md') ?? '').match(/^\| `\w+` +\|([^|]*)\|/gm) ?? []
  const told = refusals
    .flatMap((row) => all(row.split('|')[2] ?? '', /`(\w+)`/g))
    .filter((code) => !['dedupeKey', 'duplicate'].includes(code))
  expect([...new Set(told)].sort()).toEqual(all(policy, /reason(?:: | = )'(\w+)'/g).sort())

  const events = all(await read('src/core/journal/event-types.ts'), /'([a-z]+\.[a-z]+)'/g)
  expect(events.filter((type) => !pages.get('docs/webhooks.md')?.includes(`\`${type}\``))).toEqual([])
  const metrics = all(await read('src/core/overview/metrics/read.ts'), /'(moltpost_\w+)'/g)
  expect(all(pages.get('docs/operating.md') ?? '', /`(moltpost_\w+)`/g).sort()).toEqual(metrics.sort())
  const tools = all(await read('src/surfaces/mcp/catalogue.ts'), /^ {4}name: '(\w+)'/gm)
  expect(tools.length).toBeGreaterThan(15)
  expect(tools.filter((tool) => !pages.get('docs/mcp.md')?.includes(`\`${tool}\``))).toEqual([])
})

test('the verifiers of webhooks.md accept what an official library signed, and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'moltpost-guides-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const guide = pages.get('docs/webhooks.md') ?? ''
  const block = (language: string) =>
    new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(guide)?.[1] ?? ''
  const secret = `whsec_${Buffer.from('a secret of thirty-two bytes now').toString('base64')}`
  const body = '{"type":"message.delivered","data":{"name":"Zoë"}}'
  const signed = (at: Date, by = secret) => ({
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': `v1,AAAA ${new Webhook(by).sign('evt_1', at, body)}`,
  })
  const now = new Date()
  const good = signed(now)
  const stale = signed(new Date(now.getTime() - 600_000))
  const stranger = signed(now, `whsec_${Buffer.from('another secret').toString('base64')}`)
  const cases: [object, string, boolean][] = [
    [good, body, true],
    [good, body.replace('Zoë', 'Zoe'), false],
    [{ ...good, 'webhook-id': 'evt_2' }, body, false],
    [stale, body, false],
    [stranger, body, false],
  ]
  const given = JSON.stringify(cases.map(([headers, text]) => [secret, headers, text]))
  await writeFile(
    join(folder, 'verify.mjs'),
    `${block('js')}\nconst cases = JSON.parse(process.argv[2])
console.log(JSON.stringify(cases.map((each) => verify(...each))))`,
  )
  await writeFile(
    join(folder, 'verify.py'),
    `${block('python')}\nimport json, sys
print(json.dumps([verify(*each) for each in json.loads(sys.argv[1])]))`,
  )
  const answers = [
    execFileSync(process.execPath, [join(folder, 'verify.mjs'), given]),
    execFileSync('python3', [join(folder, 'verify.py'), given]),
  ].map((printed) => JSON.parse(String(printed)))
  const expected = cases.map(([, , believed]) => believed)
  expect(answers).toEqual([expected, expected])
})
