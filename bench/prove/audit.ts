import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readKey, verifyLog } from '../../src/cli/audit-log.ts'
import { startDev } from '../../test/support/program.ts'

const COPIES = 2_000
const CHANGES = 200

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(`Usage: npm run prove -- audit

Tampers with the audit log of a tenant in 2,000 ways. The verifier must reject each tampered copy and name its first wrong
line. Then the tenant's data is deleted. The log that is left must contain no address, and must still verify. Takes no
arguments.`)
  process.exit(0)
}

const folder = await mkdtemp(join(tmpdir(), 'moltpost-audit-'))
const server = await startDev(join(folder, 'state'), { AUTO_CLAIM: '1' })
let failed = 1
try {
  const { api_key: key } = await call('POST', '/v1/agents/register', { name: 'Audited Agent' })
  for (let nth = 0; nth < CHANGES; nth++) {
    const body = { recipientEmail: `someone-${nth}@example.com`, reasonCode: 'manual_dnc' }
    await call('POST', '/v1/suppressions', body, key)
  }
  const log = await text('/v1/compliance/audit-log?format=ndjson', key)
  const publicKey = readKey(await text('/v1/compliance/audit-key'))
  if (publicKey === null) throw new Error('the public key cannot be read')
  const whole = verifyLog(log, publicKey)
  console.log(`untouched: ${JSON.stringify(whole)}`)
  const random = seeded(20_261_121)
  const kinds = Object.entries(tamperings())
  const tally = new Map<string, { copies: number; found: number; right: number }>()
  for (let nth = 0; nth < COPIES; nth++) {
    const [kind, tamper] = kinds[nth % kinds.length] ?? []
    if (!kind || !tamper) continue
    const { copy, line } = tamper(log, random)
    const verdict = verifyLog(copy, publicKey)
    const seen = tally.get(kind) ?? { copies: 0, found: 0, right: 0 }
    seen.copies += 1
    seen.found += verdict.ok ? 0 : 1
    seen.right += !verdict.ok && verdict.line === line ? 1 : 0
    if (verdict.ok || verdict.line !== line) console.log(kind, line, JSON.stringify(verdict))
    tally.set(kind, seen)
  }
  for (const [kind, seen] of tally) console.log(kind.padEnd(28), JSON.stringify(seen))
  const sums = [...tally.values()]
  const right = sums.reduce((sum, each) => sum + each.right, 0)
  const copies = sums.reduce((sum, each) => sum + each.copies, 0)

  await call('POST', '/v1/compliance/delete', { confirm: 'DELETE' }, key).then(
    async ({ status_url: url, status_token: token }) => {
      for (let left = 1_000; left > 0; left--) {
        const { status } = await call('GET', new URL(url).pathname, undefined, token)
        if (status === 'completed') break
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      const after = await text(`${new URL(url).pathname}/audit-log`, token)
      const verdict = verifyLog(after, publicKey)
      console.log(`after the delete: ${JSON.stringify(verdict)}`)
      const isErased = !after.includes('example.com') && verdict.ok && verdict.erased === verdict.entries
      console.log(`${right} of ${copies} tampered copies found with the right line`)
      failed = whole.ok && right === COPIES && copies === COPIES && isErased ? 0 : 1
    },
  )
} finally {
  await server.kill('SIGTERM')
  await rm(folder, { recursive: true, force: true })
}
process.exit(failed)

type Random = () => number

/** The ways to tamper with a log. Each returns a changed copy and the number of its first wrong line, counted from 1. */
function tamperings(): Record<string, (log: string, random: Random) => { copy: string; line: number }> {
  const below = (random: Random, bound: number) => Math.floor(random() * bound)
  const cut = (log: string) => log.slice(0, -1).split('\n')
  const joined = (lines: string[]) => `${lines.join('\n')}\n`
  return {
    'flip a bit': (log, random) => {
      const bytes = Buffer.from(log)
      const at = below(random, bytes.length)
      const line = bytes.subarray(0, at).filter((byte: number) => byte === 10).length + 1
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 7))
      return { copy: bytes.toString('utf8'), line }
    },
    'drop a line': (log, random) => {
      const lines = cut(log)
      const at = below(random, lines.length)
      return { copy: joined(lines.toSpliced(at, 1)), line: at + 1 }
    },
    'insert a copy of a line': (log, random) => {
      const lines = cut(log)
      const [from, to] = [below(random, lines.length), below(random, lines.length + 1)]
      // If the copy lies next to its original, the second of the two lines is wrong.
      const line = from === to ? to + 2 : to + 1
      return { copy: joined(lines.toSpliced(to, 0, lines[from] ?? '')), line }
    },
    'swap two lines': (log, random) => {
      const lines = cut(log)
      const first = below(random, lines.length - 1)
      const second = first + 1 + below(random, lines.length - first - 1)
      const copy = lines.with(first, lines[second] ?? '').with(second, lines[first] ?? '')
      return { copy: joined(copy), line: first + 1 }
    },
    'cut the end off': (log, random) => {
      const at = below(random, Buffer.byteLength(log))
      const copy = Buffer.from(log).subarray(0, at).toString('utf8')
      return { copy, line: copy.split('\n').length }
    },
    'drop the last entries, keep the head': (log, random) => {
      const lines = cut(log)
      const kept = below(random, lines.length - 1)
      return { copy: joined([...lines.slice(0, kept), ...lines.slice(-1)]), line: kept + 1 }
    },
    'change an entry and its hash': (log, random) => {
      const lines = cut(log)
      const at = below(random, lines.length - 1)
      const entry = JSON.parse(lines[at] ?? '') as Record<string, unknown>
      const copy = JSON.stringify({ ...entry, hash: String(entry.prev_hash).replace(/^./, 'f') })
      return { copy: joined(lines.with(at, copy)), line: at + 1 }
    },
    'take the head of an earlier log': (log, random) => {
      const lines = cut(log)
      const at = below(random, lines.length - 1)
      const { head } = JSON.parse(lines.at(-1) ?? '') as { head: Record<string, unknown> }
      const entry = JSON.parse(lines[at - 1] ?? '{}') as Record<string, unknown>
      const forged = { ...head, seq: at, hash: entry.hash ?? '0'.repeat(64) }
      return { copy: joined([...lines.slice(0, at), JSON.stringify({ head: forged })]), line: at + 1 }
    },
  }
}

/** Random numbers from 0 to 1 (mulberry32). The same seed gives the same numbers. */
function seeded(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

async function text(path: string, key?: string): Promise<string> {
  const answer = await fetch(`${server.address}${path}`, {
    headers: key ? { authorization: `Bearer ${key}` } : {},
  })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return await answer.text()
}

// biome-ignore lint/suspicious/noExplicitAny: the type of an answer depends on the route
async function call(method: string, path: string, body?: object, key?: string): Promise<any> {
  const answer = await fetch(`${server.address}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return await answer.json()
}
