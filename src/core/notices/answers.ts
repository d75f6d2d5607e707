import { type Env, settings } from '../../env.ts'
import type { arrivals } from '../../schema/arrivals.ts'
import { parseAddress } from '../ground/address.ts'
import { Fault } from '../ground/fault.ts'
import { throttle } from '../limits/throttle.ts'
import { type IncomingMail, readMail } from '../reading/mime/mail.ts'
import { textOfHtml } from '../reading/text/html.ts'
import { replyText } from '../reading/text/reply-text.ts'
import { sendSystemMail } from './system-mail.ts'
import { decideByToken, mailboxOf, readToken } from './tokens.ts'

type At = { env: Env; now: Date }

const ADDRESS = /^decide\+([0-9a-f]{32})@(.+)$/
/** Letters about the result of an answer, to one person. */
const REPORTS = { hour: 20, day: 100 }
const REASON_AT_MOST = 500

/** Words after an "approve" that may mean anything but yes. */
const DOUBT =
  /\b(?:reject\w*|decline|deny|do not|don['’]?t|not|never|no|wait|hold|stop|unless|if|but|only|edit|change|instead|except|after|before)\b/i

/** The address that answers to a notice go to. */
export function answerAddress(env: Env, token: string): string {
  return `decide+${token}@${settings(env).mailDomain}`
}

/** Whether an address is one that answers to notices go to. */
export function isAnswerAddress(env: Env, contact: string): boolean {
  return ADDRESS.exec(contact)?.[2] === settings(env).mailDomain
}

/** The mailbox of the held message that an answer is about, or null if the address was never given out. */
export async function mailboxAnswered(env: Env, contact: string) {
  return await mailboxOf(env, tokenIn(contact))
}

/**
 * Decides an approval by the answer of the person who was asked. The answer counts only if our own receiving hop says that
 * DMARC passed for the address we wrote to, if it can be read in one way only, and if it decides plainly. The result is
 * mailed to a sender who has proved to be that person, and to nobody else.
 */
export async function decideByAnswer(
  at: At,
  { recipient, envelopeFrom }: Pick<typeof arrivals.$inferSelect, 'recipient' | 'envelopeFrom'>,
  raw: Uint8Array,
): Promise<void> {
  const token = tokenIn(recipient)
  const entitled = await readToken(at, 'answer', token)
  if (!entitled) return
  const mail = await readMail(raw, { authservIds: settings(at.env).authservIds })
  if (!isFrom(mail, entitled.owner.contact)) return
  if (mail.automatic.isAutomatic || envelopeFrom === '') return
  const outcome = await outcomeOf(at, token, mail)
  const counted = await throttle(at, `answers of ${entitled.owner.contact}`, REPORTS)
  if (!counted.isAllowed) return
  await sendSystemMail(at, {
    to: entitled.owner.email,
    subject: outcome.title,
    text: `${outcome.text}\n\n${settings(at.env).publicUrl}/portal/approvals/${entitled.approvalId}\n`,
  })
}

type Outcome = { title: string; text: string }

async function outcomeOf(at: At, token: string, mail: IncomingMail): Promise<Outcome> {
  if (mail.ambiguities.length > 0 || mail.unreadable !== null || mail.isTruncated) {
    return nothingDone(
      'Your mail program sent a message that can be read in more than one way, so it decides nothing.',
    )
  }
  const decision = readDecision(mail.text ?? (mail.html === null ? '' : textOfHtml(mail.html)))
  if (decision === null) {
    return nothingDone('Write "approve" alone, or "reject" and a reason, on the first line of your answer.')
  }
  try {
    await decideByToken(at, 'answer', token, decision)
  } catch (error) {
    if (error instanceof Fault) return nothingDone(error.message)
    throw error
  }
  return decision.approve
    ? { title: 'Approved', text: 'The message will be sent as soon as the rules allow it.' }
    : { title: 'Rejected', text: 'The message will not be sent.' }
}

const nothingDone = (text: string): Outcome => ({ title: 'Your answer decided nothing', text })

/** Whether the mail provably comes from the address. */
function isFrom({ from, authentication }: IncomingMail, contact: string): boolean {
  if (authentication.dmarc !== 'pass' || !authentication.isFromAuthenticated || !from) return false
  return parseAddress(from.email)?.contact === contact
}

/** The decision in the new words of an answer, or null if they do not decide plainly. */
export function readDecision(text: string): { approve: boolean; reason: string | null } | null {
  const [first = '', ...others] = replyText(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (/^approved?[.!]?$/i.test(first)) {
    const rest = others.join(' ')
    return rest.length <= 300 && !DOUBT.test(rest) ? { approve: true, reason: null } : null
  }
  const rejected = /^reject(?:ed)?(?:\b[\s:,.;–-]*(.*))?$/i.exec(first)
  if (!rejected) return null
  return { approve: false, reason: rejected[1]?.slice(0, REASON_AT_MOST) || null }
}

const tokenIn = (address: string) => ADDRESS.exec(address)?.[1] ?? ''
