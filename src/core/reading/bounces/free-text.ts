import type { Stage } from './classify.ts'
import { oneOf, phrases } from './phrases.ts'

/** What a bounce message says about one failed address, in words for people. */
export type Notice = { address: string | null; text: string }

const ADDRESS = /[^\s<>()[\]"':;,@]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?/i
/** A line that names the address that the next lines are about: `<a@example.com>: host … said`. */
const HEADING = new RegExp(
  String.raw`^[\s>*-]{0,12}(?:RCPT TO:|To:|Recipient:|Address:)?[\s<"]{0,4}(${ADDRESS.source})["> ]{0,4}(?:<mailto:[^>]{1,320}>|<[^>]{1,320}>)?[ \t]*(?::|$|\(|on |\.\.\.)(.*)$`,
  'i',
)
/** A line that introduces the returned message. */
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
/** Pipelined commands fail together: `need rcpt` after DATA means that the server had refused the recipient. */
const STAGES: [Stage, RegExp][] = [
  ['data', /in reply to (?:end of )?data|after i sent the message|after end of data|for text command/i],
  ['sender', /in reply to mail from|after mail from|>>> mail from:[^\n]*\n<<< [45]/i],
  ['recipient', /in reply to rcpt to|need rcpt|after rcpt|>>> rcpt to:[^\n]*\n<<< [45]|not like recipient/i],
  ['data', />>> data[^\n]*\n<<< [45]/i],
]
const NOTICES_AT_MOST = 100
/** How much of a notice is read, in characters. */
const NOTICE_AT_MOST = 16_384

/** Separates the notice (the start of it, if it is long) from the returned message that it quotes. */
export function splitReturned(text: string): { notice: string; returned: string } {
  const marked = RETURNED.exec(text)?.index ?? text.length
  const headers = HEADER_BLOCK.exec(text)?.index ?? text.length
  const at = Math.min(marked, headers)
  return { notice: text.slice(0, Math.min(at, NOTICE_AT_MOST)), returned: text.slice(at) }
}

/**
 * The failures in a notice, at most a hundred: one for each address that starts a line, with the lines below it. If no line
 * starts with an address, the whole notice is about the first address that is not in `ours`.
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

/** Whether a notice says that a mail was not delivered, for now or for good. */
export function isUndelivered(text: string): boolean {
  return UNDELIVERED.test(text.toLowerCase())
}

/** Whether a notice says that delivery is still being tried. */
export function isDelayed(text: string): boolean {
  return DELAYED.test(text.toLowerCase())
}

/** The SMTP command that the server refused, or null if the notice does not tell. */
export function readStage(notice: string): Stage | null {
  return STAGES.find(([, told]) => told.test(notice))?.[0] ?? null
}
