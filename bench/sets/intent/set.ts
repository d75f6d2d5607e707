import blindReplies from './blind.json' with { type: 'json' }
import hardReplies from './hard.json' with { type: 'json' }
import replies from './replies.json' with { type: 'json' }

export type Labelled = { intent: string; subject: string; bodyText: string; isHeldOut: boolean }

/**
 * The labelled replies. Half of them, chosen by a hash of the text, are for judging only: no error among them was looked
 * at. But who wrote them wrote the phrases next, so that half flatters.
 */
export const labelled = read(replies)

/** Written in other words than the phrases of that day on purpose; the phrases were widened after it. */
export const hard = read(hardReplies)

/** Written last, when the phrases were finished: whoever changes phrases after looking at it must write another. */
export const blind = read(blindReplies)

function read(replies: Record<string, string[][]>): Labelled[] {
  return Object.entries(replies).flatMap(([intent, each]) =>
    each.map(([subject = '', bodyText = '']) => ({
      intent,
      subject,
      bodyText,
      isHeldOut: hash(`${subject}\n${bodyText}`) % 2 === 1,
    })),
  )
}

/** FNV-1a with a last stir, so that its lowest bit depends on all of the text. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193)
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d)
  return (value ^ (value >>> 12)) >>> 0
}

export type Score = { intent: string; precision: number; recall: number; f1: number; count: number }

/** How a classifier did on these replies: what it said for each intent, and the usual figures. */
export function judge(set: Labelled[], read: (message: Labelled) => string) {
  const intents = [...new Set(labelled.map(({ intent }) => intent))]
  const said = set.map((message) => ({ message, as: read(message) }))
  const count = (intent: string, as: string) =>
    said.filter((each) => each.message.intent === intent && each.as === as).length
  const scores = intents.map((intent): Score => {
    const right = count(intent, intent)
    const all = set.filter((each) => each.intent === intent).length
    const claimed = said.filter((each) => each.as === intent).length
    const precision = claimed === 0 ? 0 : right / claimed
    const recall = all === 0 ? 0 : right / all
    return {
      intent,
      precision,
      recall,
      f1: right === 0 ? 0 : (2 * precision * recall) / (precision + recall),
      count: all,
    }
  })
  return {
    count: set.length,
    accuracy: said.filter(({ message, as }) => message.intent === as).length / set.length,
    macroF1: scores.reduce((sum, { f1 }) => sum + f1, 0) / scores.length,
    scores,
    confusion: Object.fromEntries(
      intents.map((intent) => [intent, Object.fromEntries(intents.map((as) => [as, count(intent, as)]))]),
    ),
    wrong: said.filter(({ message, as }) => message.intent !== as),
  }
}
