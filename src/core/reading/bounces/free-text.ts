import type { Stage } from './classify.ts'
import { oneOf, phrases } from './phrases.ts'

/** What a mail says of one failed address, in words for people. */
export type Notice = { address: string | null; text: string }

const ADDRESS = /[^\s<>()[\]"':;,@]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?/i
/** A line that says which address the lines below are about: `<a@example.com>: host … said`. */
const HEADING = new RegExp(
  String.raw`^[\s>*-]{0,12}(?:RCPT TO:|To:|Recipient:|Address:)?[\s<"]{0,4}(${ADDRESS.source})["> ]{0,4}(?:<mailto:[^>]{1,320}>|<[^>]{1,320}>)?[ \t]*(?::|$|\(|on |\.\.\.)(.*)$`,
  'i',
)
/** Where the returned message begins. */
const RETURNED = new RegExp(
  `^[ \\t]*[-*=]*[ \\t]*${oneOf(`
    below this line is a copy
    this is a copy of (the|your) message
    original message\\b
    the header of the original message
    original mail info
    enclosed is a copy
    returned message
    unsent message
    message header
    start of (the )?(returned|original)
    forwarded message
    undelivered message (follows|headers)
    message (text|headers?) follows?
    (the )?(original|message) headers? follow
    here is (the|a copy)
    (included|below|attached) is a copy
    below is the original
    en-t[êe]tes de message d'origine
    urspr[üu]ngliche
    mensaje original
  `)}`,
  'im',
)
const HEADER_BLOCK = /^(?:return-path|received): /im
const UNDELIVERED = phrases(`
  undeliver
  not (be |been |yet been )?deliver
  could( not|n[o']t) be delivered
  deliver … (fail|problem|delay|status|impossible|error)
  (fail|unable|error|problem|trouble) … deliver
  failure notice
  mail failure
  returned mail
  returned? to sender
  mail (system )?error
  did not reach
  non remis
  [ée]chec de
  nicht zugestellt
  unzustellbar
  not relayed
  smtp error
  address rejected
`)
const DELAYED = phrases(`
  (has|have) not yet been delivered
  (is|are|been|delivery) (temporarily )?delayed
  warning: (message|could not)
  will (continue to|be) (try|retr)
  temporary failure report
`)
/** Commands sent together fail together: `need rcpt` after DATA says that the recipient had been refused. */
const STAGES: [Stage, RegExp][] = [
  ['data', /in reply to (?:end of )?data|after i sent the message|after end of data|for text command/i],
  ['sender', /in reply to mail from|after mail from|>>> mail from:[^\n]*\n<<< [45]/i],
  ['recipient', /in reply to rcpt to|need rcpt|after rcpt|>>> rcpt to:[^\n]*\n<<< [45]|not like recipient/i],
  ['data', />>> data[^\n]*\n<<< [45]/i],
]
const NOTICES_AT_MOST = 100
/** Longest notice that is looked at, in characters. */
const NOTICE_AT_MOST = 16_384

/** Splits a notice, or the start of a long one, from the returned message that it quotes. */
export function splitReturned(text: string): { notice: string; returned: string } {
  const marked = RETURNED.exec(text)?.index ?? text.length
  const headers = HEADER_BLOCK.exec(text)?.index ?? text.length
  const at = Math.min(marked, headers)
  return { notice: text.slice(0, Math.min(at, NOTICE_AT_MOST)), returned: text.slice(at) }
}

/**
 * The failures that a notice reports, at most a hundred: one for each line that names an address, with the lines below
 * it. Where none does, the first address that is not one of `ours` is meant, and the whole notice speaks of it.
 */
export function readNotices(notice: string, ours: Set<string>): Notice[] {
  const found = new Map<string, Notice>()
  let current: Notice | undefined
  for (const line of notice.split('\n')) {
    const [, address, rest] = HEADING.exec(line) ?? []
    const key = address?.toLowerCase() ?? ''
    if (address !== undefined && !ours.has(key)) {
      current = found.get(key) ?? { address, text: '' }
      if (found.size < NOTICES_AT_MOST) found.set(key, current)
      current.text += `${rest ?? ''}\n`
    } else if (current && (line.trim() !== '' || current.text.trim() === '')) {
      current.text += `${line}\n`
    } else {
      current = undefined
    }
  }
  if (found.size > 0) return [...found.values()]
  const others = [...notice.matchAll(new RegExp(ADDRESS, 'gi'))].map((match) => match[0])
  const address = others.find((each) => !ours.has(each.toLowerCase())) ?? null
  return [{ address, text: notice }]
}

/** Whether a notice says that a mail was not delivered, be it for good or so far. */
export function isUndelivered(text: string): boolean {
  return UNDELIVERED.test(text.toLowerCase())
}

/** Whether a notice says that delivery is still being tried. */
export function isDelayed(text: string): boolean {
  return DELAYED.test(text.toLowerCase())
}

/** The SMTP command that was refused, where a notice tells. */
export function readStage(notice: string): Stage | null {
  return STAGES.find(([, told]) => told.test(notice))?.[0] ?? null
}
