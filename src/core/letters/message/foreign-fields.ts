/** Fields that the message is built from. They are read and written anew, or the message does not need them. */
const BUILT =
  /^(?:from|to|cc|bcc|reply-to|subject|date|message-id|in-reply-to|references|mime-version|content-(?:type|transfer-encoding|disposition|language|id|description|class))$/

/**
 * The fields besides `X-` that a sender may set, with the values that are allowed. Each only describes the message. Not among
 * them is every field that asks a reader's program to act or to believe something: receipts (RFC 8098), the other `List-`
 * fields (RFC 2369: buttons that write to an address of the sender's choice), `Sender` and `Resent-` (RFC 5322), trace fields
 * and `Return-Path` (RFC 5321), results and signatures of other hops (RFC 8601, RFC 6376, RFC 8617).
 */
const DESCRIBING = new Map<string, RegExp>([
  // RFC 3834, section 5. "no" would say that a person wrote the message.
  ['auto-submitted', /^auto-(?:generated|replied|notified)\b/i],
  ['precedence', /^(?:bulk|list|junk)$/i],
  ['list-id', /./],
  ['feedback-id', /./],
  ['importance', /./],
  ['priority', /./],
  ['sensitivity', /./],
  ['keywords', /./],
  ['comments', /./],
  ['organization', /./],
])

/** Fields of a reply that the service adds itself. */
const THREADING = /^(?:in-reply-to|references)$/

/**
 * Words in the name of an `X-` field that mail programs, filters or carriers act on: receipts, unsubscribing, redirection,
 * verdicts and routing of other hops, notes of a mail program to itself, and our own fields.
 */
const ACTING = new Set(
  [
    'read reading disposition list subscribe subscription redirect redirected forward forwarded resent sender return path errors',
    'bounce bounces delivered envelope original originating originator received recipient rcpt to cc bcc from reply replyto',
    'auth arc spf dmarc bimi vbr signature signed pgp openpgp autocrypt encrypted tls security secure verified trust',
    'spam virus scanned scanner quarantine phish phishing filter verdict policy sieve amavis rspamd ironport barracuda proofpoint',
    'mimecast forefront exchange ms outlook moz google gm gmail apple yahoo ymail',
    'flag flagged unsent uidl delete supersedes expire expires expiry amp script url image face',
    'ses mailgun mc pm msys mj sib sendgrid sg mandrill postmark resend cloudflare cf',
  ].flatMap((line) => line.split(' ')),
)
/** The same, for names that are written without hyphens. */
const ACTING_PART =
  /receipt|confirm|notif|unsubscri|authent|dkim|domainkey|antispam|antivirus|confirmreading|returnpath|replyto|msexch|microsoft|mozilla|smtpapi|moltpost|mailmolt|moltbotden/

const UNSUBSCRIBE = /^list-unsubscribe(?:-post)?$/

type Foreign = { name: string; value: string }

type Sorted = {
  kept: Foreign[]
  /** The names of the fields that do not leave. */
  dropped: string[]
  /** The message has an unsubscribe field of its sender. Ours takes its place. */
  asksUnsubscribe: boolean
}

/**
 * Sorts the header fields that a sender set, at any door. The list is closed: a field that it does not know is dropped. Of
 * several fields with one name the first counts.
 */
export function sortFields(fields: Foreign[]): Sorted {
  const kept = new Map<string, Foreign>()
  const dropped = new Map<string, string>()
  for (const field of fields) {
    const name = field.name.toLowerCase()
    if (kept.has(name) || BUILT.test(name)) continue
    if (mayLeave(name, field.value)) kept.set(name, field)
    else dropped.set(name, field.name)
  }
  const asksUnsubscribe = [...dropped.keys()].some((name) => UNSUBSCRIBE.test(name))
  return { kept: [...kept.values()], dropped: [...dropped.values()].sort(), asksUnsubscribe }
}

/** The fields of a stored request that may leave: those of its sender, and the references of a reply. */
export function leavingFields(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      ([name, value]) => THREADING.test(name.toLowerCase()) || mayLeave(name.toLowerCase(), value),
    ),
  )
}

function mayLeave(name: string, value: string): boolean {
  const allowed = DESCRIBING.get(name)
  if (allowed) return allowed.test(value.trim())
  if (!name.startsWith('x-') || ACTING_PART.test(name.replace(/[^a-z0-9]/g, ''))) return false
  return name.split(/[^a-z0-9]+/).every((word) => !ACTING.has(word))
}
