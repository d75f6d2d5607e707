import { type Env, settings } from '../../env.ts'
import { SYSTEM } from '../ground/system.ts'
import { readHeader } from '../reading/mime/header.ts'
import type { IncomingMail } from '../reading/mime/mail.ts'

/** Links of ours that prove who a person is. No agent may get one. */
const PERSONAL = ['portal/enter', 'portal/address', 'portal/deletion', 'verify']

/**
 * Whether a mail that came in was written by the service itself. A person's provider may have passed it on to one of our
 * mailboxes, where an agent could read its links. Such a mail is dropped; so is one that only claims to be ours.
 */
export function isOwnLetter(env: Env, raw: Uint8Array): boolean {
  const own = `${SYSTEM.localPart}@${settings(env).mailDomain}`
  const { fields } = readHeader(raw, 0)
  return fields.some(
    ({ name, value }) =>
      /^(?:x-original-|resent-)?(?:from|sender)$/.test(name) && value.toLowerCase().includes(own),
  )
}

/** Whether a mail holds a link that proves who a person is, in whatever envelope it came. */
export function holdsPersonalLink(env: Env, { text, html }: Pick<IncomingMail, 'text' | 'html'>): boolean {
  const { publicUrl } = settings(env)
  const content = `${text ?? ''} ${html ?? ''}`
  return PERSONAL.some((path) => content.includes(`${publicUrl}/${path}/`))
}
