import { parseArgs } from 'node:util'
import { readIntent } from '../../src/core/reading/intent/embedded.ts'
import { blind, hard, judge, labelled } from '../sets/intent/set.ts'

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    json: { type: 'boolean', default: false },
    wrong: { type: 'boolean', default: false },
  },
})

if (options.help) {
  console.log(`Usage: npm run eval -- intent [options]

Judges the embedded intent classifier by the labelled replies in bench/sets/intent: by the half that nothing was tuned
on, and by the blind ones that were written when the phrases were finished, which is the figure to believe.

  --json   print one JSON document
  --wrong  list what it got wrong in the half for tuning; the other half stays unseen
  --help   print this`)
  process.exit(0)
}

const read = (message: { subject: string; bodyText: string }) => readIntent(message).intent
const tuning = judge(
  labelled.filter((each) => !each.isHeldOut),
  read,
)
const heldOut = judge(
  labelled.filter((each) => each.isHeldOut),
  read,
)

const unseen = judge(blind, read)

const batch = Array.from({ length: 500 }, (_, at) => labelled[at % labelled.length]).filter(
  (each) => each !== undefined,
)
const begin = process.cpuUsage()
for (const message of batch) readIntent(message)
const spent = process.cpuUsage(begin)
const batchMs = (spent.user + spent.system) / 1000

if (options.json) {
  const shown = ({ wrong, ...figures }: typeof heldOut) => ({ ...figures, wrong: wrong.length })
  console.log(
    JSON.stringify(
      {
        heldOut: shown(heldOut),
        blind: shown(unseen),
        hard: shown(judge(hard, read)),
        tuning: shown(tuning),
        batchOf500CpuMs: batchMs,
      },
      null,
      2,
    ),
  )
} else {
  print('Held out (not tuned on, but by the author of the phrases)', heldOut)
  console.log()
  print('Blind (written when the phrases were finished)', unseen)
  console.log(
    `\nFor tuning: ${tuning.count} replies, accuracy ${percent(tuning.accuracy)}, macro-F1 ${tuning.macroF1.toFixed(3)}`,
  )
  console.log(`A batch of 500 took ${batchMs.toFixed(0)} ms of CPU.`)
  if (options.wrong) {
    for (const { message, as } of tuning.wrong) {
      console.log(`\n${message.intent}, read as ${as}: ${message.subject} | ${message.bodyText}`)
    }
  }
}

function print(title: string, { count, accuracy, macroF1, scores, confusion }: typeof heldOut) {
  console.log(`${title}: ${count} replies, accuracy ${percent(accuracy)}, macro-F1 ${macroF1.toFixed(3)}\n`)
  const intents = scores.map(({ intent }) => intent)
  console.log(
    `${'is \\ read as'.padEnd(14)}${intents.map((each) => each.slice(0, 7).padStart(8)).join('')}      F1`,
  )
  for (const { intent, f1 } of scores) {
    const row = intents.map((as) => String(confusion[intent]?.[as] || '.').padStart(8)).join('')
    console.log(`${intent.padEnd(14)}${row}   ${f1.toFixed(3)}`)
  }
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`
}
