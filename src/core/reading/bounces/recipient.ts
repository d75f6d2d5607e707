import { parseAddress } from '../../ground/address.ts'
import { classify, type Stage } from './classify.ts'
import type { BounceReason } from './reasons.ts'
import { isSpecific, readReply, statusIn } from './reply.ts'

const ACTIONS = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'] as const

/** RFC 3464, section 2.3.3. */
type BounceAction = (typeof ACTIONS)[number]

export type ComplaintReason = 'abuse' | 'fraud' | 'virus' | 'opt_out'

export type BouncedRecipient = {
  /** In canonical form if we could have written to it, else as reported. */
  address: string | null
  action: BounceAction | null
  /** RFC 3463, such as 5.1.1. */
  status: string | null
  /** RFC 5321, such as 550. */
  replyCode: string | null
  /** The address accepts no mail and never will. */
  isHard: boolean
  reason: BounceReason | ComplaintReason | 'delivered'
  /** What the server said, printable, at most 300 characters. */
  diagnostic: string | null
}

/** What a report says about one recipient. `told` is the notice's text about it, `field` its Status field. */
type Said = {
  address: string | null
  action: BounceAction
  field: string | null
  diagnostic: string | null
  told: string
  stage: Stage | null
}

/** Judges one recipient by the diagnostic, or by the text of the notice if the diagnostic gives no reason. */
export function judgeRecipient({ address, action, field, diagnostic, told, stage }: Said): BouncedRecipient {
  const given = statusIn(field ?? '')
  const read = (text: string) => {
    const { code, status: beside } = readReply(text)
    const status = isSpecific(beside) ? beside : (given ?? beside)
    return { text, status, code, ...classify({ text, status, code, stage }) }
  }
  const readings = [diagnostic ?? '', told].filter((text) => text.trim() !== '').map(read)
  const telling = readings.find(({ reason }) => reason !== 'undetermined') ?? readings[0] ?? read('')
  const isFailure = action === 'failed' || action === 'delayed'
  return {
    address,
    action,
    status: readings.map(({ status }) => status).find(isSpecific) ?? telling.status,
    replyCode: readings.map(({ code }) => code).find((code) => code !== null) ?? null,
    isHard: action === 'failed' && telling.isHard,
    reason: isFailure ? telling.reason : 'delivered',
    diagnostic: printable(excerpt(telling.text)),
  }
}

/** The action of RFC 3464 at the start of a value. Any other value, such as `expired`, is a failure. */
export function actionIn(value: string | null): BounceAction {
  return ACTIONS.find((action) => value?.toLowerCase().startsWith(action)) ?? 'failed'
}

/** The address in a field, in canonical form if we could have written to it. Null if there is none. */
export function addressIn(value: string | null): string | null {
  const text = value?.trim().replace(/^<(.*)>$/, '$1') ?? ''
  if (text.length > 320) return null
  return parseAddress(text)?.email ?? (/^[^\s@/][^\s]*@[^\s@]+$/.test(text) ? printable(text) : null)
}

/** One line of at most 300 characters, without unprintable characters. Null if nothing is left. */
export function printable(text: string): string | null {
  const line = text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return line === '' ? null : [...line].slice(0, 300).join('')
}

/** A long notice, starting at the line with the server's answer. */
function excerpt(text: string) {
  if (text.length <= 300) return text
  const lines = text.split('\n')
  const answer = lines.findIndex((line) => readReply(line).code !== null)
  return lines.slice(Math.max(answer, 0)).join('\n')
}
