import { NOW, resendWire, SECONDS, svixSignature, type Wire } from './carrier-events.ts'
import {
  MINUTE_MS,
  secondsAhead,
  spoiled,
  type Table,
  textOf,
  twice,
  withBody,
  withHeaders,
  without,
} from './carrier-events-forged.ts'

export const RESEND_BOUNCE = {
  type: 'email.bounced',
  created_at: '2026-11-21T08:59:57.000Z',
  data: {
    email_id: '56761188-7520-42d8-8898-ff6fc54ce618',
    message_id: '<snd_1@moltpost.test>',
    to: ['ada@example.com'],
    tags: { tenant_id: 'tenant_1', send_id: 'snd_1' },
    bounce: {
      type: 'Permanent',
      subType: 'General',
      message: 'The recipient’s email provider sent a hard bounce message.',
      diagnosticCode: ['smtp; 550 5.1.1 user unknown'],
    },
  },
}

/** Reports by the Standard Webhooks scheme, as Svix sends them for Resend. */
export function svixTable(): Table {
  const wire = resendWire(RESEND_BOUNCE)
  const body = textOf(wire)
  const id = String(wire.headers['svix-id'])
  const genuine = String(wire.headers['svix-signature'])
  const other = resendWire({ ...RESEND_BOUNCE, type: 'email.complained' }, { id: 'msg_other' })
  const signed = (signature: string) => withHeaders(wire, { 'svix-signature': signature })
  const timed = (seconds: string, signedSeconds = seconds) =>
    withHeaders(wire, { 'svix-timestamp': seconds, 'svix-signature': svixSignature(id, signedSeconds, body) })
  const named = (name: string) =>
    withHeaders(wire, { 'svix-id': name, 'svix-signature': svixSignature(name, SECONDS, body) })
  const byOther = svixSignature(id, SECONDS, body, `whsec_${btoa('another endpoint’s key'.replace('’', ''))}`)
  const unspoiled = resendWire({ ...RESEND_BOUNCE, note: '\ufffd' })
  const renamed = (from: Wire) => ({
    ...from,
    headers: Object.fromEntries(
      Object.entries(from.headers).map(([name, value]) => [name.replace('svix-', 'webhook-'), value]),
    ),
  })
  const leading = 'it reads the leading digits of a time'
  return {
    pages: new Map(),
    genuine: [
      { name: 'a report', wire },
      { name: 'a report by the scheme’s own headers', wire: renamed(wire) },
      {
        name: 'a second signature that fits, while a secret is changed',
        wire: signed(`${byOther} ${genuine}`),
      },
      { name: 'a signature of a later version beside', wire: signed(`v2,AAAA ${genuine} v1a,AAAA`) },
      { name: 'a report of four minutes ago', wire: timed(secondsAhead(-4 * MINUTE_MS)) },
    ],
    forged: [
      { name: 'another body', wire: withBody(wire, textOf(other)) },
      { name: 'one character more', wire: withBody(wire, `${body} `) },
      { name: 'half of the body', wire: withBody(wire, body.slice(0, 100)) },
      { name: 'no body', wire: withBody(wire, '') },
      { name: 'a key twice, the forged last', wire: twice(wire, '"type":"email.complained"') },
      { name: 'a byte order mark', wire: withBody(wire, `\ufeff${body}`) },
      {
        name: 'bytes that are no text',
        wire: spoiled(unspoiled),
        libraryTakes: 'it is given text, with U+FFFD for what was none',
      },
      { name: 'another id', wire: withHeaders(wire, { 'svix-id': 'msg_forged' }) },
      {
        name: 'the id used again for another body',
        wire: withHeaders(other, { 'svix-id': id, 'svix-signature': genuine }),
      },
      { name: 'an id with a dot', wire: named('msg_1.1763715600'), libraryTakes: 'it takes dots in an id' },
      { name: 'an id in two lines', wire: withHeaders(wire, { 'svix-id': `${id}, ${id}` }) },
      { name: 'another time', wire: withHeaders(wire, { 'svix-timestamp': String(Number(SECONDS) + 1) }) },
      { name: 'a report of six minutes ago', wire: timed(secondsAhead(-6 * MINUTE_MS)) },
      { name: 'a report of yesterday', wire: timed(secondsAhead(-1_440 * MINUTE_MS)) },
      { name: 'a report of six minutes from now', wire: timed(secondsAhead(6 * MINUTE_MS)) },
      { name: 'a time in milliseconds', wire: timed(`${SECONDS}000`) },
      { name: 'a time in fractions', wire: timed(`${SECONDS}.0`, SECONDS), libraryTakes: leading },
      { name: 'a time with words behind', wire: timed(`${SECONDS}abc`, SECONDS), libraryTakes: leading },
      { name: 'a time with a sign', wire: timed(`+${SECONDS}`, SECONDS), libraryTakes: leading },
      { name: 'a time with a zero before', wire: timed(`0${SECONDS}`, SECONDS), libraryTakes: leading },
      { name: 'a time in words', wire: timed(NOW.toUTCString()) },
      { name: 'no id', wire: without(wire, 'svix-id') },
      { name: 'no time', wire: without(wire, 'svix-timestamp') },
      { name: 'no signature', wire: without(wire, 'svix-signature') },
      { name: 'an empty signature', wire: signed('') },
      { name: 'a version without a signature', wire: signed('v1,') },
      { name: 'a version without a comma', wire: signed('v1') },
      { name: 'a signature without its version', wire: signed(genuine.slice(3)) },
      { name: 'a signature cut short', wire: signed(genuine.slice(0, -4)) },
      { name: 'a signature of another version', wire: signed(genuine.replace('v1', 'v2')) },
      { name: 'an asymmetric signature’s version', wire: signed(genuine.replace('v1', 'v1a')) },
      { name: 'a version in capitals', wire: signed(genuine.replace('v1', 'V1')) },
      {
        name: 'a signature with more behind a comma',
        wire: signed(`${genuine},more`),
        libraryTakes: 'it overlooks what follows a second comma',
      },
      {
        name: 'a signature in the alphabet of URLs',
        wire: signed(genuine.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')),
      },
      {
        name: 'a signature in hexadecimal',
        wire: signed(`v1,${Buffer.from(genuine.slice(3), 'base64').toString('hex')}`),
      },
      { name: 'the signature of another report', wire: signed(String(other.headers['svix-signature'])) },
      { name: 'another endpoint’s secret', wire: signed(byOther) },
      {
        name: 'several signatures, none of which fits',
        wire: signed(`${byOther} v1,AAAA v2,${genuine.slice(3)}`),
      },
      { name: 'signatures in a list with commas', wire: signed(`${byOther},${genuine}`) },
      {
        name: 'id and signature of two families',
        wire: {
          ...without(wire, 'svix-signature'),
          headers: { ...without(wire, 'svix-signature').headers, 'webhook-signature': genuine },
        },
        libraryTakes: 'it mixes both families of headers',
      },
    ],
  }
}
