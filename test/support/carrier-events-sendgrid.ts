import {
  type Carriers,
  NOW,
  SECONDS,
  SENDGRID_SIGNATURE,
  SENDGRID_TIMESTAMP,
  signSendgrid,
  type Wire,
} from './carrier-events.ts'
import {
  MINUTE_MS,
  secondsAhead,
  type Table,
  textOf,
  withBody,
  withHeaders,
  without,
} from './carrier-events-forged.ts'

export const SENDGRID_BOUNCE = {
  email: 'ada@example.com',
  event: 'bounce',
  type: 'bounce',
  status: '5.1.1',
  reason: '550 5.1.1 user unknown',
  sg_event_id: 'Ym91bmNlLTAtMTk5NDIxMTI',
  sg_message_id: 'qNwBLgPQQjW6DJvKQwSAbw.filterdrecv-canary-547b64655b-cw6zx-1-6089EA4A-56.0',
  'smtp-id': '<snd_1@moltpost.test>',
  timestamp: NOW.getTime() / 1000 - 3,
  tenant_id: 'tenant_1',
  send_id: 'snd_1',
}

/** Signed again until the signature ends in padding, as three of four do: the library reads no further than that. */
async function signPadded(body: string, key: Carriers['keys']['sendgrid']): Promise<Wire> {
  for (;;) {
    const wire = await signSendgrid(body, key)
    if (String(wire.headers[SENDGRID_SIGNATURE]).endsWith('=')) return wire
  }
}

/** Batches of SendGrid. */
export async function sendgridTable({ keys }: Carriers): Promise<Table> {
  const body = `${JSON.stringify([SENDGRID_BOUNCE])}\r\n`
  const wire = await signPadded(body, keys.sendgrid)
  const genuine = String(wire.headers[SENDGRID_SIGNATURE])
  const second = await signSendgrid(
    JSON.stringify([{ ...SENDGRID_BOUNCE, event: 'spamreport' }]),
    keys.sendgrid,
  )
  const seal = (change: Parameters<typeof signSendgrid>[2], text: Wire['body'] = body) =>
    signSendgrid(text, keys.sendgrid, change)
  const signed = (signature: string) => withHeaders(wire, { [SENDGRID_SIGNATURE]: signature })
  const der = (hex: string) => signed(Buffer.from(hex, 'hex').toString('base64'))
  const noAge = 'it does not look at the age of a report'
  const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
  const raw = (bytes: ArrayBuffer) => new Uint8Array(bytes)
  return {
    pages: new Map(),
    genuine: [
      { name: 'a batch', wire },
      { name: 'a batch of four minutes ago', wire: await seal({ seconds: secondsAhead(-4 * MINUTE_MS) }) },
      {
        name: 'a key twice, signed so',
        wire: await seal({}, body.replace('"event":', '"event":"spamreport","event":')),
      },
    ],
    forged: [
      { name: 'another body', wire: withBody(wire, textOf(second)) },
      { name: 'one character changed', wire: withBody(wire, body.replace('ada@', 'eda@')) },
      { name: 'the line end left out', wire: withBody(wire, body.trimEnd()) },
      { name: 'a line end more', wire: withBody(wire, `${body}\r\n`) },
      { name: 'half of the body', wire: withBody(wire, body.slice(0, 100)) },
      { name: 'no body', wire: withBody(wire, '') },
      {
        name: 'an event added',
        wire: withBody(wire, body.replace(']', `,${JSON.stringify(SENDGRID_BOUNCE)}]`)),
      },
      {
        name: 'a key twice, the forged last',
        wire: withBody(wire, body.replace('}]', ',"event":"spamreport"}]')),
      },
      { name: 'a byte order mark', wire: withBody(wire, `\ufeff${body}`) },
      {
        name: 'another time',
        wire: withHeaders(wire, { [SENDGRID_TIMESTAMP]: String(Number(SECONDS) - 1) }),
      },
      {
        name: 'a batch of six minutes ago',
        wire: await seal({ seconds: secondsAhead(-6 * MINUTE_MS) }),
        libraryTakes: noAge,
      },
      {
        name: 'a batch of yesterday',
        wire: await seal({ seconds: secondsAhead(-1_440 * MINUTE_MS) }),
        libraryTakes: noAge,
      },
      {
        name: 'a batch of six minutes from now',
        wire: await seal({ seconds: secondsAhead(6 * MINUTE_MS) }),
        libraryTakes: noAge,
      },
      { name: 'a time in milliseconds', wire: await seal({ seconds: `${SECONDS}000` }), libraryTakes: noAge },
      { name: 'a time in fractions', wire: await seal({ seconds: `${SECONDS}.0` }), libraryTakes: noAge },
      { name: 'a time in words', wire: await seal({ seconds: NOW.toUTCString() }), libraryTakes: noAge },
      {
        name: 'a digit moved from the time to the body',
        wire: withBody(
          withHeaders(wire, { [SENDGRID_TIMESTAMP]: SECONDS.slice(0, 9) }),
          `${SECONDS.slice(9)}${body}`,
        ),
        libraryTakes: 'it sees time and body as one text',
      },
      { name: 'no signature', wire: without(wire, SENDGRID_SIGNATURE) },
      { name: 'no time', wire: without(wire, SENDGRID_TIMESTAMP) },
      { name: 'an empty signature', wire: signed('') },
      { name: 'a signature cut short', wire: signed(genuine.slice(0, -8)) },
      { name: 'the signature of another batch', wire: signed(String(second.headers[SENDGRID_SIGNATURE])) },
      {
        name: 'two signatures',
        wire: signed(`${genuine}, ${genuine}`),
        libraryTakes: 'it takes base64 of any spelling',
      },
      { name: 'another key', wire: await signSendgrid(body, keys.ec) },
      { name: 'a key on another curve', wire: await signSendgrid(body, keys.p384) },
      { name: 'another digest', wire: await seal({ hash: 'SHA-512' }) },
      { name: 'r and s without their envelope', wire: await seal({ form: raw }) },
      { name: 'r and s of zero', wire: der('3006020100020100') },
      { name: 'r and s of one', wire: der('3006020101020101') },
      { name: 'r and s of the order of the curve', wire: der(`3046022100${order}022100${order}`) },
      {
        name: 'bytes behind the signature',
        wire: signed(
          Buffer.concat([Buffer.from(genuine, 'base64'), Buffer.from('00', 'hex')]).toString('base64'),
        ),
      },
      { name: 'a signature in hexadecimal', wire: signed(Buffer.from(genuine, 'base64').toString('hex')) },
      {
        name: 'a signature in quotes',
        wire: signed(`"${genuine}"`),
        libraryTakes: 'it takes base64 of any spelling',
      },
      {
        name: 'a signature with a space',
        wire: signed(`${genuine.slice(0, 20)} ${genuine.slice(20)}`),
        libraryTakes: 'it takes base64 of any spelling',
      },
      {
        name: 'one event instead of a list',
        wire: await seal({}, JSON.stringify(SENDGRID_BOUNCE)),
        libraryTakes: 'it does not read the body',
      },
      {
        name: 'words instead of a list',
        wire: await seal({}, 'bounce'),
        libraryTakes: 'it does not read the body',
      },
      {
        name: 'bytes that are no text',
        wire: await seal({}, Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d)),
      },
    ],
  }
}
