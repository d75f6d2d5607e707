import type { AttachedFile, Carrier, Outcome, OutgoingMessage, Party } from '../core/delivery/carrier.ts'
import { type Answer, classify, httpCarrier, under } from './http.ts'
import { addressed, base64, inactive, mailbox, namedIn } from './message.ts'

type PostmarkSettings = {
  serverToken: string
  baseUrl?: string | undefined
  /** The message stream that mail leaves by. */
  stream?: string | undefined
  timeoutMs?: number | undefined
}

/** Postmark. It knows no idempotency key: a repeat is a second mail. */
export function postmark({
  serverToken,
  baseUrl = 'https://api.postmarkapp.com',
  stream = 'outbound',
  timeoutMs,
}: PostmarkSettings): Carrier {
  const url = under(baseUrl, '/email')
  return httpCarrier('postmark', timeoutMs, (message) => ({
    url,
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      'x-postmark-server-token': serverToken,
    },
    body: JSON.stringify(request(message, stream)),
    read: (answer) => read(answer, message.recipients, [serverToken]),
  }))
}

function request(message: OutgoingMessage, stream: string) {
  const { to, cc, bcc } = addressed(message)
  // Without this field Postmark replaces our Message-ID with its own.
  const headers = Object.entries({ ...message.headers, 'X-PM-KeepID': 'true' })
  return {
    From: mailbox(message.from),
    To: list(to),
    ...(cc.length > 0 ? { Cc: list(cc) } : {}),
    ...(bcc.length > 0 ? { Bcc: list(bcc) } : {}),
    ...(message.replyTo ? { ReplyTo: mailbox(message.replyTo) } : {}),
    Subject: message.subject,
    ...(message.text === null ? {} : { TextBody: message.text }),
    ...(message.html === null ? {} : { HtmlBody: message.html }),
    Headers: headers.map(([Name, Value]) => ({ Name, Value })),
    ...(message.attachments.length > 0 ? { Attachments: message.attachments.map(attached) } : {}),
    Metadata: { tenant_id: message.tenantId, send_id: message.sendId },
    MessageStream: stream,
  }
}

function list(parties: Party[]) {
  return parties.map(mailbox).join(', ')
}

function attached({ filename, contentType, content, contentId }: AttachedFile) {
  const shown = contentId === undefined ? {} : { ContentID: `cid:${contentId}` }
  return { Name: filename, ContentType: contentType, Content: base64(content), ...shown }
}

const INACTIVE = 406
/** Invalid request, invalid or incompatible JSON, forbidden attachment: the message's fault, not the account's. */
const MESSAGE_FAULTS = [300, 402, 403, 411]

function read(answer: Answer, recipients: string[], secrets: string[]): Outcome {
  const { status, body } = answer
  const error = typeof body.ErrorCode === 'number' ? body.ErrorCode : null
  const named = namedIn(typeof body.Message === 'string' ? body.Message : '', recipients)
  if (status === 200 && error === 0 && typeof body.MessageID === 'string' && body.MessageID) {
    const refused = inactive(named, `error_${INACTIVE}`)
    return { kind: 'accepted', carrierMessageId: body.MessageID, delivered: false, refused }
  }
  const code = error === null ? `http_${status}` : `error_${error}`
  const refused = error === INACTIVE ? inactive(named.length > 0 ? named : recipients, code) : []
  const isForAll = refused.length > 0 && refused.length === recipients.length
  const isPermanent = status === 413 || (status === 422 && (isForAll || MESSAGE_FAULTS.includes(error ?? 0)))
  return classify(answer, { code, isPermanent, isThrottled: error === 429, recipients: refused, secrets })
}
