import { POSTMARK_LOGIN, postmarkWire } from './carrier-events.ts'
import { spoiled, type Table, textOf, withBody, withHeaders, without } from './carrier-events-forged.ts'

export const POSTMARK_BOUNCE = {
  RecordType: 'Bounce',
  ID: 692560173,
  Type: 'HardBounce',
  TypeCode: 1,
  MessageID: '00000000-0000-0000-0000-000000000001',
  Email: 'ada@example.com',
  BouncedAt: '2026-11-21T09:59:57.0000000+01:00',
  Details: 'smtp;550 5.1.1 user unknown',
  Description: 'The server was unable to deliver your message (ex: unknown user, mailbox not found).',
  Inactive: true,
  Metadata: { tenant_id: 'tenant_1', send_id: 'snd_1' },
}

/** Postmark proves itself by a password only; no signature covers the body. */
export function postmarkTable(): Table {
  const wire = postmarkWire(POSTMARK_BOUNCE)
  const [user = '', password = ''] = POSTMARK_LOGIN.split(':')
  const login = (text: string) => postmarkWire(POSTMARK_BOUNCE, text)
  const header = (authorization: string) => withHeaders(wire, { authorization })
  const encoded = Buffer.from(POSTMARK_LOGIN).toString('base64')
  const latin = Buffer.from(POSTMARK_LOGIN, 'latin1').toString('base64')
  return {
    pages: new Map(),
    genuine: [
      { name: 'a report', wire },
      { name: 'the scheme in small letters', wire: header(`basic ${encoded}`) },
      { name: 'a key twice', wire: withBody(wire, `{"RecordType":"Delivery",${textOf(wire).slice(1)}`) },
    ],
    forged: [
      { name: 'no password', wire: without(wire, 'authorization') },
      { name: 'an empty header', wire: header('') },
      { name: 'a scheme without a password', wire: header('Basic') },
      { name: 'an empty password', wire: header('Basic ') },
      { name: 'another scheme', wire: header(`Bearer ${encoded}`) },
      { name: 'a digest', wire: header(`Digest username="${user}", response="${'0'.repeat(32)}"`) },
      { name: 'the password as a bearer token', wire: header(`Bearer ${encodeURIComponent(password)}`) },
      { name: 'no scheme', wire: header(encoded) },
      { name: 'the login in clear', wire: header(`Basic ${encodeURIComponent(POSTMARK_LOGIN)}`) },
      { name: 'encoded twice', wire: header(`Basic ${btoa(encoded)}`) },
      { name: 'no padding', wire: header(`Basic ${encoded.replace(/=+$/, '')}x`) },
      { name: 'padding too many', wire: header(`Basic ${encoded}==`) },
      { name: 'two logins', wire: header(`Basic ${encoded}, Basic ${encoded}`) },
      { name: 'spaces within', wire: header(`Basic ${encoded.slice(0, 8)} ${encoded.slice(8)}`) },
      { name: 'another password', wire: login(`${user}:a guess`) },
      { name: 'another user', wire: login(`root:${password}`) },
      { name: 'another endpoint’s login', wire: login('resend:some other secret') },
      { name: 'the first half', wire: login(POSTMARK_LOGIN.slice(0, 20)) },
      { name: 'the last half', wire: login(POSTMARK_LOGIN.slice(20)) },
      { name: 'all but one character', wire: login(POSTMARK_LOGIN.slice(0, -1)) },
      { name: 'one character more', wire: login(`${POSTMARK_LOGIN}x`) },
      { name: 'a NUL behind', wire: login(`${POSTMARK_LOGIN}\0`) },
      { name: 'a space behind', wire: login(`${POSTMARK_LOGIN} `) },
      { name: 'a line end behind', wire: login(`${POSTMARK_LOGIN}\r\n`) },
      { name: 'in capitals', wire: login(POSTMARK_LOGIN.toUpperCase()) },
      { name: 'user and password changed about', wire: login(`${password}:${user}`) },
      { name: 'the user alone', wire: login(`${user}:`) },
      { name: 'the password alone', wire: login(`:${password}`) },
      { name: 'a colon alone', wire: login(':') },
      { name: 'the letters decomposed', wire: login(POSTMARK_LOGIN.normalize('NFD')) },
      { name: 'a look-alike letter', wire: login(POSTMARK_LOGIN.replace('o', 'о')) },
      { name: 'in Latin-1', wire: header(`Basic ${latin}`) },
      {
        name: 'the login in another header',
        wire: withHeaders(without(wire, 'authorization'), { 'proxy-authorization': `Basic ${encoded}` }),
      },
      {
        name: 'the login in the body',
        wire: withBody(
          without(wire, 'authorization'),
          JSON.stringify({ ...POSTMARK_BOUNCE, authorization: `Basic ${encoded}` }),
        ),
      },
      { name: 'a list', wire: withBody(wire, JSON.stringify([POSTMARK_BOUNCE])) },
      { name: 'no record type', wire: postmarkWire({ ...POSTMARK_BOUNCE, RecordType: undefined }) },
      { name: 'a record type that is a number', wire: postmarkWire({ ...POSTMARK_BOUNCE, RecordType: 1 }) },
      { name: 'half of it', wire: withBody(wire, textOf(wire).slice(0, 100)) },
      { name: 'nothing', wire: withBody(wire, '') },
      { name: 'a byte order mark', wire: withBody(wire, `\ufeff${textOf(wire)}`) },
      { name: 'bytes that are no text', wire: spoiled(postmarkWire({ ...POSTMARK_BOUNCE, note: '\ufffd' })) },
    ],
  }
}
