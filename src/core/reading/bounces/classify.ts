import { type BounceReason, REASONS, type Row } from './reasons.ts'
import { isSpecific } from './reply.ts'

/** The SMTP command that was refused: MAIL FROM, RCPT TO or DATA. */
export type Stage = 'sender' | 'recipient' | 'data'

/** What is known of one failure; `stage` where the report tells. */
export type Evidence = {
  text: string
  status: string | null
  code: string | null
  stage: Stage | null
}

/** Longest text that is looked at, in characters. */
const TEXT_AT_MOST = 4_000
/** After the data, or without a name, an unknown user may only be one who does not want this mail. */
const FILTERED: Row = { reason: 'filtered' }
const NAMELESS = /\b[245]\d\d[^a-z@]*(?:user unknown|unknown user)[^a-z@]*$/

/**
 * Why a mail came back. Hard means that the address or its host does not exist or takes no mail, and that nothing but a
 * final answer (class 5) says so; everything else is soft.
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

/** Lower-case words without what a server only cites: links, addresses and host names could say anything. */
function wordsOf(text: string) {
  return text
    .slice(0, TEXT_AT_MOST)
    .toLowerCase()
    .replace(/\bhttps?:\/\/\S+/g, ' ')
    .replace(/[<"]?[^\s<>@"]{1,64}"?@[^\s<>@,;:]{1,255}>?/g, ' @ ')
    .replace(/\b[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){1,20}\b/g, '~')
    .replace(/[\s_]+/g, ' ')
}
