import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { searcher } from '../../src/core/reading/dlp/content.ts'
import { RULE_NAMES } from '../../src/core/reading/dlp/rules.ts'
import { scanText } from '../../src/core/reading/dlp/scan.ts'
import { dlpSet, type Sample } from '../sets/dlp/set.ts'

const AT_LEAST = 0.95
const search = { tenantId: 'tenant_eval', disabledRules: [], canaries: [] }
const look = searcher(search.tenantId, { mode: 'block', ...search })

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    seed: { type: 'string', default: '1' },
    wrong: { type: 'boolean', default: false },
  },
})

if (options.help) {
  console.log(`Usage: npm run eval -- dlp [folder] [options]

Judges the rules of DLP by a set of our own writing, a half of it held out, and by the cases of Presidio in the folder
(presidio/cases.tsv: entity, hits, text), and times a message of 10 MB. Ends in 1 where a rule is below ${AT_LEAST}.

  --seed N  draw other secrets (1)
  --wrong   list what it got wrong in the half for tuning
  --help    print this`)
  process.exit(0)
}

type Judged = Sample & { found: string[] }

const judged = dlpSet(Number(options.seed)).map((sample): Judged => {
  const hits = look({ where: 'text', ...sample })
  return { ...sample, found: [...new Set(hits.map(({ rule }) => rule))] }
})
const positives = judged.filter(({ rule }) => rule !== null).length
console.log(`${positives} positives, ${judged.length - positives} negatives that look alike`)
const tuning = report(
  'For tuning',
  judged.filter(({ isHeldOut }) => !isHeldOut),
)
const heldOut = report(
  'Held out: sentences written before anything was run',
  judged.filter(({ isHeldOut }) => isHeldOut),
)
if (options.wrong) {
  for (const { rule, family, found, text } of judged.filter(({ isHeldOut }) => !isHeldOut)) {
    if (rule === null ? found.length > 0 : !found.includes(rule)) console.log({ rule, family, found, text })
  }
}
const presidio = byPresidio(positionals[0])
const { ms, megabytes } = timed()
console.log(`
A text of ${megabytes} MB takes ${ms} ms of CPU.

When the held-out half was first run, us_ssn and azure_key missed one of seven each, both in base64: too short a block, and
one that ran on into the next line. That was put right since, so it is no longer wholly unseen. Look-alikes that were still
secrets (a password with another ending, a key with some letters changed) were counted as false alarms then; they were
replaced. The secrets come from generators by the author of the rules, so the figures flatter them. Nine bare digits are a
social security number only where they are named so, or all that a letter says; an IBAN in mixed case is one here.`)
process.exit(tuning && heldOut && presidio ? 0 : 1)

function report(title: string, half: Judged[]): boolean {
  console.log(`\n${title}\n  ${'rule'.padEnd(22)}recall           precision`)
  let isEnough = true
  for (const name of RULE_NAMES) {
    const wanted = half.filter(({ rule }) => rule === name)
    const right = wanted.filter(({ found }) => found.includes(name)).length
    const wrong = half.filter(({ rule, found }) => rule !== name && found.includes(name)).length
    const [recall, precision] = [right / wanted.length, right / Math.max(1, right + wrong)]
    isEnough &&= recall >= AT_LEAST && precision >= AT_LEAST
    const shown = `${recall.toFixed(3)} (${right} of ${wanted.length})`.padEnd(17)
    console.log(`  ${name.padEnd(22)}${shown}${precision.toFixed(3)} (${wrong} false)`)
  }
  return isEnough
}

function byPresidio(folder: string | undefined): boolean {
  const path = folder === undefined ? null : join(folder, 'presidio', 'cases.tsv')
  if (path === null || !existsSync(path)) {
    console.log('\nPresidio: no folder with presidio/cases.tsv was given; nothing was measured by it.')
    return true
  }
  const names = ['credit_card', 'us_ssn', 'iban', 'aba_routing']
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(1)
  console.log('\nPresidio')
  for (const name of names) {
    const cases = lines.map((line) => line.split('\t')).filter(([entity]) => entity === name)
    let [right, missed, wrong] = [0, 0, 0]
    for (const [, hits, text = ''] of cases) {
      const wanted = Number(hits)
      const got = look({ where: 'text', text: text.replaceAll('\\n', '\n') }).filter(
        ({ rule }) => rule === name,
      ).length
      right += Math.min(wanted, got)
      missed += Math.max(0, wanted - got)
      wrong += Math.max(0, got - wanted)
    }
    const [recall, precision] = [right / (right + missed), right / (right + wrong)]
    console.log(
      `  ${name.padEnd(22)}recall ${recall.toFixed(3)} (${right} of ${right + missed}), precision ${precision.toFixed(3)} (${wrong} false), ${cases.length} cases`,
    )
  }
  return true
}

function timed() {
  const prose =
    'The quarterly figures, 12 of 34, are at https://example.com/a?b=c%20d since 2026-11-12; call 555-1234. '
  const text = prose.repeat(Math.ceil(10_485_760 / prose.length))
  const begin = process.cpuUsage()
  scanText(text, search)
  const { user, system } = process.cpuUsage(begin)
  return { ms: Math.round((user + system) / 1_000), megabytes: Math.round(text.length / 1_048_576) }
}
