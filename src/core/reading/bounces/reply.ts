/** An SMTP server's answer: its reply code (RFC 5321) and the enhanced status after it (RFC 3463). */
type Reply = { code: string | null; status: string | null }

const STATUS = String.raw`[245]\.\d{1,3}\.\d{1,3}`
const REPLY = new RegExp(
  String.raw`(?:^|[\s:;<>'"(,=])([245][0-5]\d)(?:[- ]+[#'"(]{0,2}(${STATUS}))?(?=[\s:;,.>'")-]|$)`,
  'g',
)
const LONE_STATUS = new RegExp(String.raw`(?:^|[\s#(<'"=:-])(${STATUS})(?=[\s:;,>'")-]|\.(?:\s|$)|$)`, 'g')

/**
 * Finds the reply in a text. A relay quotes the answer of the next server, so the last status counts, with the code next to
 * it. Without a status, the first code counts.
 */
export function readReply(text: string): Reply {
  const replies = [...text.matchAll(REPLY)]
  const pairs = replies.filter((reply) => reply[2] !== undefined)
  const paired = pairs.findLast((reply) => reply[1]?.startsWith('2') === false) ?? pairs.at(-1)
  if (paired) return { code: paired[1] ?? null, status: paired[2] ?? null }
  const status = [...text.matchAll(LONE_STATUS)].at(-1)?.[1] ?? null
  return { code: replies[0]?.[1] ?? null, status }
}

/** Whether a status gives a reason. `5.0.0` and `4.0.0` name only the class. */
export function isSpecific(status: string | null): status is string {
  return status !== null && !/^\d\.0\.0$/.test(status)
}

/** The status at the start of a Status field, such as `5.1.1 (bad address)`, or null. */
export function statusIn(field: string): string | null {
  return /^\s*([245]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(field)?.[1] ?? null
}
