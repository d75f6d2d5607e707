import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import {
  checkExclusivity,
  type Departure,
  departuresOf,
  type LeaseRecord,
  type TracedSend,
} from './lease-history.ts'

const HELP = `Usage: npm run prove -- leases [options] FILE...
       npm run prove -- leases [options] --base-url URL --key KEY --contact EMAIL

Checks that only one agent at a time held a contact:
- the contact never has two holders
- every grant has a greater epoch than all grants before it
- no lease continues after its end
- no agent's message leaves while another agent holds the contact

Reads the lease history, the sends and the heartbeats from a running Moltpost, or from files. A file contains
{"history": [...], "departures": [{"sendId", "agentId", "at", "until"}], "heartbeats": {"<agentId>": "<time>"}}
or only a history. A departure is one attempt to give a send to a carrier. Exits with 1 if a rule is violated, with 2 if
nothing can be read.

  --base-url URL  address of Moltpost
  --key KEY       a key of the tenant with the read permission
  --contact EMAIL the contact whose history is checked
  --save FILE     save what was read to a file that this program can check again
  --skew MS       accept a departure that reaches up to MS ms into another agent's lease (default 0)
  --json          print the verdicts as JSON
  --help          print this`

type Evidence = { history: LeaseRecord[]; departures: Departure[]; heartbeats: Record<string, string> }
type Page<Item> = { items: Item[]; nextCursor: string | null }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'base-url': { type: 'string' },
    key: { type: 'string' },
    contact: { type: 'string' },
    save: { type: 'string' },
    skew: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const skewMs = Number(values.skew)
const { key, contact, 'base-url': baseUrl } = values
const isLive = baseUrl !== undefined && key !== undefined && contact !== undefined
if (isLive === positionals.length > 0 || !(skewMs >= 0)) {
  console.error(HELP)
  process.exit(2)
}

let isBroken = false
try {
  const read: [string, Evidence][] = isLive
    ? [[contact, await fromServer(baseUrl, key, contact)]]
    : await Promise.all(
        positionals.map(async (file): Promise<[string, Evidence]> => [file, await fromFile(file)]),
      )
  const verdicts = read.map(([name, { history, departures, heartbeats }]) => ({
    name,
    entries: history.length,
    ...checkExclusivity(history, departures, { heartbeats, skewMs }),
  }))
  if (values.save && read[0]) await writeFile(values.save, `${JSON.stringify(read[0][1], null, 2)}\n`)
  isBroken = verdicts.some((verdict) => !verdict.holds)
  if (values.json) console.log(JSON.stringify(verdicts, null, 2))
  else for (const verdict of verdicts) print(verdict)
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exit(2)
}
process.exit(isBroken ? 1 : 0)

function print({
  name,
  entries,
  holds,
  holders,
  departures,
  violations,
}: { name: string; entries: number } & ReturnType<typeof checkExclusivity>) {
  const seen = `${entries} entries, ${holders} leases, ${departures} departures`
  console.log(`${name}: ${holds ? 'exclusive' : 'VIOLATED'} (${seen})`)
  for (const { kind, at, detail } of violations) console.log(`  ${kind} at ${at}: ${detail}`)
}

async function fromFile(file: string): Promise<Evidence> {
  const parsed = JSON.parse(await readFile(file, 'utf8')) as
    | Partial<Evidence>
    | Page<LeaseRecord>
    | LeaseRecord[]
  const history = Array.isArray(parsed) ? parsed : 'items' in parsed ? parsed.items : parsed.history
  if (!Array.isArray(history)) throw new Error(`${file} contains no lease history`)
  const { departures = [], heartbeats = {} } = Array.isArray(parsed) || 'items' in parsed ? {} : parsed
  return { history, departures, heartbeats }
}

async function fromServer(base: string, secret: string, email: string): Promise<Evidence> {
  const get = async <Body>(path: string): Promise<Body> => {
    const response = await fetch(new URL(path, base), { headers: { authorization: `Bearer ${secret}` } })
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as Body
  }
  const all = async <Item>(path: string): Promise<Item[]> => {
    const items: Item[] = []
    for (let cursor = ''; ; ) {
      const page = await get<Page<Item>>(`${path}limit=100${cursor}`)
      items.push(...page.items)
      if (page.nextCursor === null) return items
      cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`
    }
  }
  const of = encodeURIComponent(email)
  const agents = await all<{ id: string; lastHeartbeat: string }>('/v1/agent/agents?')
  const sends = await all<{ requestId: string }>(`/v1/agent/sends?recipientEmail=${of}&`)
  const departures: Departure[] = []
  for (const { requestId } of sends) {
    departures.push(...departuresOf(await get<TracedSend>(`/v1/agent/sends/${requestId}`)))
  }
  const history = await all<LeaseRecord>(`/v1/agent/coordination/leases/history?contactEmail=${of}&`)
  const heartbeats = Object.fromEntries(agents.map((agent) => [agent.id, agent.lastHeartbeat]))
  return { history, departures, heartbeats }
}
