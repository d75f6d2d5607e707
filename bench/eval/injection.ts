import { parseArgs } from 'node:util'
import { injectionScore } from '../../src/core/reading/text/injection.ts'
import { injectionSet, type Labelled } from '../sets/injection/set.ts'

const THRESHOLD = 0.5

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    wrong: { type: 'boolean', default: false },
  },
})

if (options.help) {
  console.log(`Usage: npm run eval -- injection [options]

Judges the injection score by generated attacks and harmless mail, at the threshold ${THRESHOLD}: a half that was used while
the phrases were written, and a half held out, in other words and mostly other disguises.

  --seed N  draw other mails from the same wordings (1)
  --json    print one JSON document
  --wrong   list what it got wrong in the half for tuning; the other half stays unseen
  --help    print this`)
  process.exit(0)
}

const set = injectionSet(Number(options.seed))
const scored = set.map((each) => ({ ...each, ...injectionScore(each.input) }))
const tuning = judge(scored.filter((each) => !each.isHeldOut))
const heldOut = judge(scored.filter((each) => each.isHeldOut))
const latency = timed()

if (options.json) {
  console.log(JSON.stringify({ threshold: THRESHOLD, heldOut, tuning, cpuMsFor100KB: latency }, null, 2))
} else {
  print('Held out (other words and mostly other disguises, by the same author)', heldOut)
  console.log()
  print('For tuning', tuning)
  console.log(`
100 KB of mail takes ${latency.p50.toFixed(1)} ms (median) and ${latency.p99.toFixed(1)} ms (99th percentile) of CPU.

When the held-out half was first run, recall was 97.6 % and false positives 2.9 %, all of them one wording of a call
transcript; that was put right since, so it is no longer wholly unseen.

These mails come from templates written by the author of the detector, so the figures flatter it. An attacker who adapts
gets past this detector, as past every other: no decision that matters may rest on the score alone.`)
  if (options.wrong) {
    for (const { family, isAttack, isHeldOut, input, score, reasons } of scored) {
      if (isHeldOut || isAttack === score >= THRESHOLD) continue
      console.log(`\n${isAttack ? 'missed' : 'false alarm'}, ${family}, ${score}: ${JSON.stringify(input)}`)
      for (const { code, detail } of reasons) console.log(`  ${code}: ${detail}`)
    }
  }
}

function judge(half: (Labelled & { score: number })[]) {
  const families = [...new Set(half.map((each) => each.family))].map((family) => {
    const mails = half.filter((each) => each.family === family)
    const flagged = mails.filter((each) => each.score >= THRESHOLD).length
    return { family, isAttack: mails[0]?.isAttack ?? false, count: mails.length, flagged }
  })
  const sum = (isAttack: boolean) => {
    const counted = families.filter((each) => each.isAttack === isAttack)
    const count = counted.reduce((all, each) => all + each.count, 0)
    const flagged = counted.reduce((all, each) => all + each.flagged, 0)
    const texts = new Set(
      half
        .filter((each) => each.isAttack === isAttack)
        .map((each) => JSON.stringify([each.input.text, each.input.html, each.input.subject])),
    )
    return { count, different: texts.size, flagged, rate: flagged / count }
  }
  return { attacks: sum(true), benign: sum(false), families }
}

function print(title: string, { attacks, benign, families }: ReturnType<typeof judge>) {
  console.log(`${title}:
  ${attacks.count} attacks (${attacks.different} different): recall ${percent(attacks.rate)}
  ${benign.count} harmless (${benign.different} different): false positives ${percent(benign.rate)}\n`)
  for (const { family, isAttack, count, flagged } of families) {
    const rate = percent(flagged / count).padStart(8)
    console.log(
      `  ${isAttack ? 'attack  ' : 'harmless'}  ${family.padEnd(30)} ${String(flagged).padStart(3)} of ${count} flagged ${rate}`,
    )
  }
}

/** Mails of the set, strung together until their bodies are 100 KB. */
function timed() {
  const bodies = set.map((each) => each.input)
  const durations: number[] = []
  for (let at = 0; at < 300; at++) {
    const input = { ...(bodies[at] ?? bodies[0]), text: '', html: '' }
    let next = at * 7
    while (input.text.length + input.html.length < 100_000) {
      const body = bodies[next++ % bodies.length]
      if (body?.text) input.text += `${body.text}\n\n`
      if (body?.html) input.html += body.html
      if (next > at * 7 + 2_000) break
    }
    const full = { subject: '', from: null, replyTo: [], isFirstContact: true, files: [], ...input }
    const begin = process.cpuUsage()
    injectionScore(full)
    const spent = process.cpuUsage(begin)
    if (at >= 20) durations.push((spent.user + spent.system) / 1000)
  }
  durations.sort((a, b) => a - b)
  return {
    p50: durations[Math.floor(durations.length / 2)] ?? 0,
    p99: durations[Math.floor(durations.length * 0.99)] ?? 0,
  }
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`
}
