import { type BounceReason, REASONS, type Row } from './reasons.ts'
import { isSpecific } from './reply.ts'

/** The SMTP command that was refused: MAIL FROM, RCPT TO or DATA. */
export type Stage = 'sender' | 'recipient' | 'data'

/** What a report says about one failure. `stage` is null if the report does not tell. */
type Evidence = {
  text: string
  status: string | null
  code: string | null
  stage: Stage | null
}

/** How much of the text is read, in characters. */
const TEXT_AT_MOST = 4_000
/** Some servers say "user unknown" after DATA, or without naming the user, when a filter rejected the mail. */
const FILTERED: Row = { reason: 'filtered' }
const NAMELESS = /\b[245]\d\d[^a-z@]*(?:user unknown|unknown user)[^a-z@]*$/

/**
 * Why a mail bounced. A bounce is hard only if the address or host does not exist or accepts no mail, and the answer is
 * permanent (not class 4). Every other bounce is soft.
 */
export function classify(evidence: Evidence): { reason: BounceReason; isHard: boolean } {
  const row = rowFor(evidence)
  const isTransient = (evidence.status ?? evidence.code)?.startsWith('4') === true
  const isOfSender = evidence.stage === 'sender' || /^5\.1\.[78]$/.test(evidence.status ?? '')
  if (isOfSender && row?.isHard) return { reason: 'policy', isHard: false }
  return { reason: row?.reason ?? 'undetermined', isHard: row?.isHard === true && !isTransient }
}

function rowFor({ text, status, code, stage }: Evidence): Row | undefined {
  const words = wordsOf(text)
  const spoken = REASONS.find((row) => row.phrase?.test(words))
  const numbered = isSpecific(status) ? REASONS.find((row) => row.status?.test(status)) : undefined
  if (spoken?.isDoubtful) {
    if (stage === 'recipient' || numbered?.isHard) return spoken
    return numbered ?? (stage === 'data' || NAMELESS.test(words) ? FILTERED : spoken)
  }
  return spoken ?? numbered ?? REASONS.find((row) => code !== null && row.code?.test(code))
}

/** Lower-case words. Links, addresses and host names are replaced: words inside them are not the server's answer. */
function wordsOf(text: string) {
  return text
    .slice(0, TEXT_AT_MOST)
    .toLowerCase()
    .replace(/\bhttps?:\/\/\S+/g, ' ')
    .replace(/[<"]?[^\s<>@"]{1,64}"?@[^\s<>@,;:]{1,255}>?/g, ' @ ')
    .replace(/\b[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,20}\b/g, '~')
    .replace(/[\s_]+/g, ' ')
}
