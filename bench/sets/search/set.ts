import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export type Mail = { id: string; fromName: string; from: string; subject: string; text: string }
/** What a query asks for: 2 for each mail that answers it, 1 for one that helps. */
export type Judged = { q: string; relevant: Map<string, number>; isHeldOut: boolean }

const lines = (name: string) =>
  readFileSync(join(import.meta.dirname, name), 'utf8')
    .trim()
    .split('\n')

const FIRMS =
  'Alder Bramble Marigold Cobalt Dovetail Ember Foxglove Granite Harrow Inkwell Juniper Kestrel Lantern Meridian Nettle Orchid Marigold Quarry Rowan Saffron Tamarack Umber Verbena Willow Yarrow Zephyr'.split(
    ' ',
  )
const PEOPLE = 'Ada Boris Chloe Dmitri Esther Felix Greta Hamid Iris Jakub Katya Leon Maren'.split(' ')
const GOODS = 'desk chairs, toner, network cables, coffee beans, oak shelves, safety gloves, monitors'.split(
  ', ',
)

/** Mail of the kind that fills a mailbox: six forms for each firm, that differ in names, numbers and goods. */
function templated(): Mail[] {
  return FIRMS.flatMap((firm, at) => {
    const person = PEOPLE[at % PEOPLE.length] ?? ''
    const goods = GOODS[at % GOODS.length] ?? ''
    const from = `${person.toLowerCase()}@${firm.toLowerCase()}.test`
    const fromName = `${person} at ${firm}`
    const number = 101 + at
    const mail = (id: string, subject: string, text: string): Mail => ({ id, fromName, from, subject, text })
    return [
      mail(
        `INV-2026-0${number}`,
        `Invoice INV-2026-0${number} from ${firm}`,
        `Dear customer, please find the invoice for ${goods}, ${at * 37 + 112}.50 euros, payable within 30 days. Kind regards, ${person}`,
      ),
      mail(
        `ORD-${70200 + at}`,
        `Order ${70200 + at} is on its way`,
        `Good news: your parcel with ${goods} has left our warehouse. Track it with number ${firm.slice(0, 2).toUpperCase()}${90 + at}XK. ${firm} delivers within ${2 + (at % 5)} days.`,
      ),
      mail(
        `NEWS-${String(at === 20 ? 7 : at + 30).padStart(2, '0')}`,
        `${firm} quarterly newsletter`,
        `News from ${firm}: new ${goods} in the shop, a discount of ${5 + at} percent for subscribers, and a word from ${person}. Unsubscribe at any time.`,
      ),
      mail(
        `STAND-${at}`,
        `Project ${firm}: notes of the standup`,
        `Yesterday: tests for the ${goods} page. Today: review. Blocked: nothing. Next meeting tomorrow at nine. ${person}`,
      ),
      mail(
        `TICK-${4400 + at}`,
        `[Ticket ${4400 + at}] We received your question`,
        `Hello, thank you for writing to ${firm} support about ${goods}. ${person} will answer within one working day.`,
      ),
      mail(
        `ADM-${at}`,
        `Account at ${firm}: please confirm your address`,
        `We are updating our records. Log in to your profile and confirm the delivery address for ${goods}.`,
      ),
      ...(at % 8 !== 5
        ? [
            mail(
              `LUNCH-${at}`,
              `Lunch with ${person} of ${firm}?`,
              `Are you free on the ${1 + at}th? There is a new place near the river. Best, ${person}`,
            ),
            mail(
              `FEED-${at}`,
              `How did ${firm} do?`,
              `Take two minutes to rate your last order of ${goods}. Your feedback helps us to improve.`,
            ),
            mail(
              `CAL-${at}`,
              `Invitation: review of ${goods}`,
              `${person} invites you to a call on the ${1 + at}th at 14:00. Dial in with the link. Agenda: prices, terms, delivery dates.`,
            ),
            mail(
              `DOC-${at}`,
              `${firm}: the contract, version ${at + 1}`,
              `Attached is version ${at + 1} of the framework agreement on ${goods}. Changes are marked. Please comment by Friday. ${person}`,
            ),
          ]
        : []),
    ]
  })
}

/** Hand-written mail, and templated mail around it. */
export const mails: Mail[] = [
  ...lines('written.txt').map((line): Mail => {
    const [id = '', sender = '', subject = '', text = ''] = line.split(' | ')
    const [, fromName = '', from = ''] = /^(.*) <(.*)>$/.exec(sender) ?? []
    return { id, fromName, from, subject, text }
  }),
  ...templated(),
]

/** The queries; half of them, chosen by hash, were never looked at while weights were set. */
export const queries: Judged[] = lines('queries.txt').map((line) => {
  const [q = '', answers = ''] = line.split(' | ')
  const relevant = new Map(
    answers.split(' ').map((answer): [string, number] => {
      const [id = '', grade = '2'] = answer.split(':')
      return [id, Number(grade)]
    }),
  )
  const isHeldOut = (createHash('sha256').update(q).digest()[0] ?? 0) % 2 === 1
  return { q, relevant, isHeldOut }
})

/** nDCG at 10 of one ranked list: gains 2^grade − 1, discounted by log2 of the rank plus one. */
export function ndcg(ranked: string[], relevant: Map<string, number>): number {
  const gain = (grade: number, place: number) => (2 ** grade - 1) / Math.log2(place + 2)
  const got = ranked.slice(0, 10).reduce((sum, id, at) => sum + gain(relevant.get(id) ?? 0, at), 0)
  const best = [...relevant.values()].sort((a, b) => b - a).slice(0, 10)
  return got / best.reduce((sum, grade, at) => sum + gain(grade, at), 0)
}
