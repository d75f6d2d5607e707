import type { InjectionInput } from '../../../src/core/reading/text/injection.ts'
import { mail } from './attacks.ts'
import type { Draw } from './draw.ts'

/** A harmless mail with `{slots}`; a body that begins with `<` is HTML. */
export type Mail = [subject: string, body: string]

const SLOTS: Record<string, readonly string[]> = {
  name: ['Ann', 'Joe', 'Priya', 'Lukas', 'Marta', 'Kenji', 'Sofia', 'Omar'],
  company: ['Acme', 'Globex', 'Initech', 'Umbrella', 'Hooli', 'Contoso', 'Northwind', 'Stark'],
  day: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'],
  month: ['January', 'March', 'May', 'June', 'September', 'November'],
  amount: ['120.00', '4,310.55', '89.90', '12,000.00', '640.10', '75.00'],
  id: ['10482', '99310', '55127', '70031', '31877', '24090', '88001'],
  time: ['9:00', '10:30', '14:15', '16:00', '8:45'],
  product: ['Ledger', 'Compass', 'Beacon', 'Harbor', 'Atlas', 'Relay'],
  city: ['Berlin', 'Lyon', 'Lisbon', 'Madrid', 'Leeds', 'Oslo'],
}

/** The next mail of a family, its slots drawn; every fifth brings its text as HTML with a hidden preview line. */
export function benignFamilies(
  mails: Record<string, readonly Mail[]>,
  family: string,
  draw: Draw,
  at: number,
): InjectionInput {
  const list = mails[family] ?? []
  const [subject, body] = list[at % list.length] ?? ['', '']
  const fill = (text: string) =>
    text.replace(/\{(\w+)\}/g, (whole, slot: string) =>
      slot === 'base64' ? picture(draw) : SLOTS[slot] ? draw.of(SLOTS[slot]) : whole,
    )
  const written = fill(body)
  const shape: Partial<InjectionInput> = written.startsWith('<')
    ? { html: written }
    : at % 5 === 4
      ? { html: preview(written) }
      : { text: written }
  const isFirstContact = draw.number(2) === 0
  const replyTo = draw.number(6) === 0 ? ['reply@tickets.example.net'] : []
  return mail(draw, { subject: fill(subject), isFirstContact, replyTo, ...shape })
}

function preview(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const first = escaped.split('\n')[0] ?? ''
  return `<!doctype html><html><head><style>.pre{display:none}@media (max-width:600px){.wide{display:none}}</style></head>
<body style="margin:0"><!--[if mso]><table><tr><td><![endif]--><div style="display:none;font-size:1px;color:#ffffff;max-height:0;overflow:hidden">${first} &zwnj;&nbsp;&zwnj;&nbsp;&zwnj;&nbsp;</div>
<table class="wide"><tr><td bgcolor="#112244"><a href="https://click.mailer.example.net/c/1" style="color:#ffffff">www.example.com</a></td></tr>
<tr><td>${escaped.replaceAll('\n', '<br>')}</td></tr></table><img src="https://open.mailer.example.net/o.gif" width="1" height="1" alt=""></body></html>`
}

/** Bytes of no meaning, as pictures and tokens are. */
function picture(draw: Draw): string {
  return btoa(Array.from({ length: 90 }, () => String.fromCharCode(draw.number(256))).join(''))
}
