import {
  MAILGUN_EVENTS,
  MAILGUN_TOKEN,
  mailgunSignature,
  mailgunWire,
  NOW,
  SECONDS,
} from './carrier-events.ts'
import {
  MINUTE_MS,
  secondsAhead,
  spoiled,
  type Table,
  textOf,
  twice,
  withBody,
} from './carrier-events-forged.ts'

export const MAILGUN_BOUNCE = {
  event: 'failed',
  id: 'G9Bn5sl1TC6nu79C8C0bwg',
  timestamp: NOW.getTime() / 1000 - 3.25,
  severity: 'permanent',
  reason: 'bounce',
  recipient: 'ada@example.com',
  message: { headers: { 'message-id': 'snd_1@moltpost.test' } },
  'delivery-status': { code: 550, 'enhanced-code': '5.1.1', message: '550 5.1.1 user unknown' },
  'user-variables': { tenant_id: 'tenant_1', send_id: 'snd_1' },
}

/** Mailgun signs a time and a token only; its API has the events, two of them here. */
export function mailgunTable(): Table {
  const delivered = {
    ...MAILGUN_BOUNCE,
    event: 'delivered',
    id: 'delivered-2',
    message: { headers: { 'message-id': 'snd_2@moltpost.test' } },
  }
  const wire = mailgunWire(MAILGUN_BOUNCE)
  const signed = (change: Record<string, unknown>) => mailgunWire(MAILGUN_BOUNCE, change)
  const timed = (timestamp: string) => signed({ timestamp, signature: mailgunSignature(timestamp) })
  const tokened = (token: string) => signed({ token, signature: mailgunSignature(SECONDS, token) })
  const hinted = (change: Record<string, unknown>) => mailgunWire({ ...MAILGUN_BOUNCE, ...change })
  const about = (id: string) => hinted({ message: { headers: { 'message-id': id } } })
  const genuine = mailgunSignature()
  return {
    pages: new Map([[MAILGUN_EVENTS, { status: 200, body: JSON.stringify([delivered, MAILGUN_BOUNCE]) }]]),
    genuine: [
      { name: 'a report', wire },
      { name: 'a report of four minutes ago', wire: timed(secondsAhead(-4 * MINUTE_MS)) },
      {
        name: 'a report that says more than the API',
        wire: hinted({
          recipient: 'eve@example.com',
          reason: 'x',
          severity: 'temporary',
          'user-variables': { tenant_id: 'tenant_2' },
        }),
      },
    ],
    forged: [
      {
        name: 'another key',
        wire: signed({ signature: mailgunSignature(SECONDS, MAILGUN_TOKEN, 'another endpoint’s key') }),
      },
      {
        name: 'the key of the API',
        wire: signed({ signature: mailgunSignature(SECONDS, MAILGUN_TOKEN, 'key-of-the-api') }),
      },
      { name: 'another token', wire: signed({ token: MAILGUN_TOKEN.replace(/1$/, '2') }) },
      { name: 'another time', wire: signed({ timestamp: String(Number(SECONDS) - 1) }) },
      { name: 'a report of six minutes ago', wire: timed(secondsAhead(-6 * MINUTE_MS)) },
      { name: 'a report of yesterday', wire: timed(secondsAhead(-1_440 * MINUTE_MS)) },
      { name: 'a report of six minutes from now', wire: timed(secondsAhead(6 * MINUTE_MS)) },
      { name: 'a time in milliseconds', wire: timed(`${SECONDS}000`) },
      { name: 'a time that is a number', wire: signed({ timestamp: Number(SECONDS) }) },
      {
        name: 'a digit moved from the time to the token',
        wire: signed({ timestamp: SECONDS.slice(0, 9), token: SECONDS.slice(9) + MAILGUN_TOKEN }),
      },
      {
        name: 'digits moved from the token to the time',
        wire: signed({ timestamp: SECONDS + MAILGUN_TOKEN.slice(0, 3), token: MAILGUN_TOKEN.slice(3) }),
      },
      { name: 'a token of one letter', wire: tokened('a') },
      { name: 'an empty token', wire: tokened('') },
      { name: 'a token that is no word', wire: tokened(`${MAILGUN_TOKEN.slice(1)}\n`) },
      { name: 'token before time', wire: signed({ signature: mailgunSignature(MAILGUN_TOKEN, SECONDS) }) },
      { name: 'no signature', wire: signed({ signature: undefined }) },
      { name: 'no token', wire: signed({ token: undefined }) },
      { name: 'no time', wire: signed({ timestamp: undefined }) },
      { name: 'an empty signature', wire: signed({ signature: '' }) },
      { name: 'a signature cut short', wire: signed({ signature: genuine.slice(0, -2) }) },
      { name: 'a signature in capitals', wire: signed({ signature: genuine.toUpperCase() }) },
      {
        name: 'a signature in base64',
        wire: signed({ signature: Buffer.from(genuine, 'hex').toString('base64') }),
      },
      { name: 'a signature with a space', wire: signed({ signature: ` ${genuine}` }) },
      { name: 'a list of signatures', wire: signed({ signature: [genuine] }) },
      { name: 'nothing signed', wire: withBody(wire, JSON.stringify({ 'event-data': MAILGUN_BOUNCE })) },
      { name: 'nothing told', wire: withBody(wire, textOf(wire).replace('event-data', 'event')) },
      { name: 'an event that the API does not know', wire: hinted({ id: 'forged' }) },
      { name: 'an event of another message', wire: about('snd_2@moltpost.test') },
      { name: 'an event of a message that the API does not know', wire: about('snd_3@moltpost.test') },
      { name: 'the event called another', wire: hinted({ event: 'complained' }) },
      { name: 'an event that is no word', wire: hinted({ event: 'failed OR delivered' }) },
      { name: 'a message by an expression', wire: about('snd_1@moltpost.test OR snd_2@moltpost.test') },
      { name: 'a message by a part of its id', wire: about('snd_1') },
      { name: 'no id', wire: hinted({ id: undefined }) },
      { name: 'no message', wire: hinted({ message: undefined }) },
      {
        name: 'the signature twice, the forged last',
        wire: twice(
          wire,
          `"signature":${JSON.stringify({ timestamp: SECONDS, token: MAILGUN_TOKEN, signature: '0'.repeat(64) })}`,
        ),
      },
      {
        name: 'the event twice, the forged last',
        wire: twice(wire, `"event-data":${JSON.stringify({ ...MAILGUN_BOUNCE, id: 'forged' })}`),
      },
      {
        name: 'the form of former days',
        wire: withBody(
          wire,
          new URLSearchParams({
            event: 'bounced',
            timestamp: SECONDS,
            token: MAILGUN_TOKEN,
            signature: genuine,
          }).toString(),
        ),
      },
      { name: 'a list', wire: withBody(wire, `[${textOf(wire)}]`) },
      { name: 'half of it', wire: withBody(wire, textOf(wire).slice(0, 200)) },
      { name: 'nothing', wire: withBody(wire, '') },
      { name: 'a byte order mark', wire: withBody(wire, `\ufeff${textOf(wire)}`) },
      { name: 'bytes that are no text', wire: spoiled(hinted({ note: '\ufffd' })) },
    ],
  }
}
