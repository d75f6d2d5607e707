import { parseArgs } from 'node:util'
import { type Judged, mails, ndcg, queries } from '../sets/search/set.ts'
import { openWorld } from '../world/open.ts'

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    json: { type: 'boolean', default: false },
    wrong: { type: 'boolean', default: false },
  },
})

if (options.help) {
  console.log(`Usage: npm run eval -- search [options]

Asks the search of a local Worker the judged queries in bench/sets/search and prints nDCG@10 of words alone, of embedded
vectors alone, and of both fused, for the half that weights were set by and for the half that nothing was tuned on.
Exits with 1 unless the fused ranking is better than either alone on both halves together and on the held-out one.

  --json   print one JSON document
  --wrong  list what the fused ranking got wrong in the half for tuning; the other half stays unseen
  --help   print this`)
  process.exit(0)
}

const WAYS = { keyword: ['keyword'], vectors: ['embedded'], fused: ['keyword', 'embedded'] }
type Way = keyof typeof WAYS
const ways = Object.keys(WAYS) as Way[]

const world = await openWorld(1)
const answers: { judged: Judged; ids: Record<Way, string[]> }[] = []
try {
  const [tenant] = world.tenants
  const ask = async (path: string, body: object) => {
    const answer = await fetch(new URL(`/bench/search/${path}`, world.address), {
      method: 'POST',
      body: JSON.stringify({ ...tenant, ...body }),
    })
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as { ids: string[] }
  }
  await ask('mails', { mails })
  for (const judged of queries) {
    const ids: Record<Way, string[]> = { keyword: [], vectors: [], fused: [] }
    for (const way of ways) ids[way] = (await ask('ask', { q: judged.q, arms: WAYS[way] })).ids
    answers.push({ judged, ids })
  }
} finally {
  await world.end()
}

const halves = {
  tuning: answers.filter(({ judged }) => !judged.isHeldOut),
  heldOut: answers.filter(({ judged }) => judged.isHeldOut),
  all: answers,
}
const figures = Object.fromEntries(
  Object.entries(halves).map(([half, some]) => [
    half,
    {
      queries: some.length,
      ...Object.fromEntries(ways.map((way) => [way, mean(some.map((each) => scoreOf(each, way)))])),
    },
  ]),
) as Record<keyof typeof halves, { queries: number } & Record<Way, number>>

if (options.json) {
  console.log(JSON.stringify({ mails: mails.length, ...figures }, null, 2))
} else {
  console.log(`nDCG@10 over ${mails.length} mails\n`)
  console.log(`${''.padEnd(10)}queries  ${ways.map((way) => way.padStart(8)).join(' ')}`)
  for (const [half, figure] of Object.entries(figures)) {
    const cells = ways.map((way) => figure[way].toFixed(3).padStart(8)).join(' ')
    console.log(`${half.padEnd(10)}${String(figure.queries).padStart(7)}  ${cells}`)
  }
  if (options.wrong) {
    for (const each of halves.tuning) {
      const [keyword, vectors, fused] = ways.map((way) => scoreOf(each, way).toFixed(2))
      if (Number(fused) > 0.99) continue
      console.log(`\n${each.judged.q}: words ${keyword}, vectors ${vectors}, fused ${fused}`)
      console.log(
        `  wanted ${[...each.judged.relevant.keys()].join(' ')}, got ${each.ids.fused.slice(0, 5).join(' ')}`,
      )
    }
  }
}

const isBetter = ({ keyword, vectors, fused }: Record<Way, number>) => fused > Math.max(keyword, vectors)
if (!isBetter(figures.all) || !isBetter(figures.heldOut)) {
  console.error('\nThe fused ranking is not better than each alone.')
  process.exit(1)
}

function scoreOf({ judged, ids }: (typeof answers)[number], way: Way): number {
  return ndcg(ids[way], judged.relevant)
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
