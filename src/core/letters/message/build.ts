import { checkDraft, type Draft, type Mail, type Refusal } from './draft.ts'
import { assemble, writeFields } from './mime.ts'
import { faultInReadBack } from './read-back.ts'

export type Built = { ok: true; raw: Uint8Array; mail: Mail } | Refusal

/**
 * The bytes of one message in RFC 5322 form: pure ASCII, CRLF, lines of at most 998 octets (78 where a word allows),
 * no Bcc. The same draft gives the same bytes. A draft that cannot be sent exactly as given is refused, naming the field
 * (`to[1].email`, `headers.X-Ref`; `message` if the bytes read back differently).
 */
export async function buildMessage(draft: Draft): Promise<Built> {
  const mail = checkDraft(draft)
  if ('ok' in mail) return mail

  const fields = writeFields(mail)
  const raw = new TextEncoder().encode(assemble(mail, fields))
  const detail = await faultInReadBack(raw, mail, fields)
  return detail === null ? { ok: true, raw, mail } : { ok: false, field: 'message', detail }
}
