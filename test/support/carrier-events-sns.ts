import {
  type Carriers,
  CERTIFICATE,
  type Envelope,
  envelopeOf,
  type Pages,
  SNS,
  signSns,
  snsWire,
  subscriptionOf,
  TOPIC,
} from './carrier-events.ts'
import { ahead, MINUTE_MS, spoiled, type Table, twice, withBody } from './carrier-events-forged.ts'

export const SES_BOUNCE = {
  eventType: 'Bounce',
  mail: {
    timestamp: '2026-11-21T08:59:50.000Z',
    messageId: '0102019aa5b1-ses',
    destination: ['ada@example.com'],
    tags: { tenant_id: ['tenant_1'], send_id: ['snd_1'] },
    commonHeaders: { messageId: '<snd_1@moltpost.test>' },
  },
  bounce: {
    bounceType: 'Permanent',
    bounceSubType: 'General',
    timestamp: '2026-11-21T08:59:57.000Z',
    bouncedRecipients: [
      { emailAddress: 'ada@example.com', status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1 user unknown' },
    ],
  },
}

/** Messages of SNS. The first three are genuine and each of another kind. */
export async function snsTable({ keys, pages }: Carriers): Promise<Table> {
  const at = (name: string) =>
    `${SNS}/SimpleNotificationService-${Buffer.from(name.padEnd(16, '.')).toString('hex')}.pem`
  const web: Pages = new Map()
  web.set(CERTIFICATE, { status: 200, body: pages.genuine })
  for (const [name, body] of Object.entries(pages)) web.set(at(name), { status: 200, body })
  web.set(at('moved'), { status: 302, body: pages.genuine, location: CERTIFICATE })
  const tooLong = `${'x'.repeat(20_000)}\n${pages.genuine}`
  web.set(at('far too long'), { status: 200, body: tooLong })
  for (const url of [subscriptionOf().SubscribeURL]) web.set(String(url), { status: 200, body: '<ok/>' })

  const plain = envelopeOf(SES_BOUNCE)
  const signed = await signSns(plain, keys.signer)
  const sealed = async (change: Envelope, key = keys.signer) =>
    snsWire(await signSns({ ...plain, ...change }, key))
  const altered = (change: Envelope) => snsWire({ ...signed, ...change })
  const shown = (url: string) => altered({ SigningCertURL: url })
  const confirming = async (change: Envelope, key = keys.signer) =>
    snsWire(await signSns(subscriptionOf(change), key))
  const signature = String(signed.Signature)
  const elsewhere = (url: string) => {
    web.set(url, { status: 200, body: pages.genuine })
    return shown(url)
  }
  const otherTopic = 'arn:aws:sns:eu-west-1:123456789012:somebody-elses'
  const strangers = await signSns({ ...plain, TopicArn: otherTopic }, keys.signer)
  const fields = [
    'Message',
    'MessageId',
    'Timestamp',
    'TopicArn',
    'Type',
    'Signature',
    'SigningCertURL',
    'SignatureVersion',
  ]
  const path = CERTIFICATE.slice(SNS.length)
  const query = (entries: Record<string, string>) => `${SNS}/?${new URLSearchParams(entries)}`
  const asking = { Action: 'ConfirmSubscription', TopicArn: TOPIC, Token: 'a1b2c3' }
  const noTopic = 'it asks for no particular topic'
  const noRegion = 'it takes a certificate of any region'
  const noPath = 'it takes any path that ends in .pem'
  const noCertificate = 'it looks at nothing but the key of a certificate'
  const noAge = 'it does not look at the age of a message'
  const noConfirmation = 'it does not follow the confirmation'

  return {
    pages: web,
    genuine: [
      { name: 'a notification by signature version 1', wire: snsWire(signed) },
      { name: 'a notification by signature version 2', wire: await sealed({ SignatureVersion: '2' }) },
      { name: 'a notification without a subject', wire: await sealed({ Subject: undefined }) },
      {
        name: 'a notification five hours old',
        wire: await sealed({ Timestamp: ahead(-300 * MINUTE_MS).toISOString() }),
      },
      { name: 'a certificate of the region’s own name', wire: shown(at('own region')) },
      { name: 'a subscription to be confirmed', wire: await confirming({}) },
      {
        name: 'the same keys twice, the genuine last',
        wire: withBody(snsWire(signed), `{"Message":"{}","TopicArn":"x",${JSON.stringify(signed).slice(1)}`),
      },
    ],
    forged: [
      {
        name: 'another message',
        wire: altered({ Message: JSON.stringify({ ...SES_BOUNCE, eventType: 'Complaint' }) }),
      },
      { name: 'one character more', wire: altered({ Message: `${plain.Message} ` }) },
      { name: 'another id', wire: altered({ MessageId: '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325' }) },
      { name: 'another moment', wire: altered({ Timestamp: '2026-11-21T08:59:59.000Z' }) },
      {
        name: 'another type',
        wire: altered({ Type: 'UnsubscribeConfirmation', Token: 'a1b2c3', SubscribeURL: query(asking) }),
      },
      { name: 'an unknown type', wire: await sealed({ Type: 'Gossip' }) },
      { name: 'another subject', wire: altered({ Subject: 'Hello' }) },
      { name: 'the subject left out', wire: altered({ Subject: undefined }) },
      {
        name: 'a subject of two lines',
        wire: await sealed({ Subject: 'a\nTimestamp\nb' }),
        libraryTakes: 'it takes line ends in a subject',
      },
      {
        name: 'a subject that is null',
        wire: snsWire({ ...(await signSns({ ...plain, Subject: undefined }, keys.signer)), Subject: null }),
        libraryTakes: 'it takes null for no subject',
      },
      {
        name: 'a topic of ours by name, of another account',
        wire: await sealed({ TopicArn: TOPIC.replace('123456789012', '210987654321') }),
        libraryTakes: noTopic,
      },
      { name: 'another topic', wire: snsWire(strangers), libraryTakes: noTopic },
      { name: 'another topic renamed to ours', wire: snsWire({ ...strangers, TopicArn: TOPIC }) },
      {
        name: 'our topic in another region',
        wire: await sealed({ TopicArn: TOPIC.replace('eu-west-1', 'eu-west-2') }),
        libraryTakes: noTopic,
      },
      {
        name: 'a topic that only begins as ours',
        wire: await sealed({ TopicArn: `${TOPIC}-2` }),
        libraryTakes: noTopic,
      },
      {
        name: 'a valid certificate of another region',
        wire: elsewhere(`https://sns.us-east-1.amazonaws.com${path}`),
        libraryTakes: noRegion,
      },
      {
        name: 'a certificate of China',
        wire: elsewhere(`https://sns.eu-west-1.amazonaws.com.cn${path}`),
        libraryTakes: noRegion,
      },
      { name: 'a certificate in a bucket', wire: elsewhere(`https://s3.amazonaws.com/evil${path}`) },
      {
        name: 'a certificate in a bucket named sns',
        wire: elsewhere(`https://sns.s3.eu-west-1.amazonaws.com${path}`),
      },
      {
        name: 'a host that begins as Amazon’s',
        wire: elsewhere(`https://sns.eu-west-1.amazonaws.com.evil.example${path}`),
      },
      {
        name: 'a host that ends as Amazon’s',
        wire: elsewhere(`https://evilsns.eu-west-1.amazonaws.com${path}`),
      },
      {
        name: 'Amazon as the user of another host',
        wire: elsewhere(`https://sns.eu-west-1.amazonaws.com@evil.example${path}`),
      },
      {
        name: 'a user at Amazon’s host',
        wire: elsewhere(`https://evil@sns.eu-west-1.amazonaws.com${path}`),
        libraryTakes: 'it overlooks a user in the address',
      },
      { name: 'a port', wire: elsewhere(`https://sns.eu-west-1.amazonaws.com:8443${path}`) },
      { name: 'the port of https, named', wire: elsewhere(`https://sns.eu-west-1.amazonaws.com:443${path}`) },
      { name: 'a dot behind the host', wire: elsewhere(`https://sns.eu-west-1.amazonaws.com.${path}`) },
      {
        name: 'the host in capitals',
        wire: elsewhere(`https://SNS.eu-west-1.amazonaws.com${path}`),
        libraryTakes: 'it takes a host in any case',
      },
      {
        name: 'a Cyrillic letter in the host',
        wire: elsewhere(`https://ѕns.eu-west-1.amazonaws.com${path}`),
      },
      {
        name: 'a backslash behind the host',
        wire: elsewhere(`https://sns.eu-west-1.amazonaws.com\\@evil.example${path}`),
        libraryTakes: 'it reads a backslash as a slash, and then takes any path',
      },
      { name: 'http', wire: elsewhere(CERTIFICATE.replace('https', 'http')) },
      {
        name: 'a scheme in capitals',
        wire: elsewhere(CERTIFICATE.replace('https', 'HTTPS')),
        libraryTakes: 'it takes a scheme in any case',
      },
      {
        name: 'a space before the address',
        wire: elsewhere(` ${CERTIFICATE}`),
        libraryTakes: 'it trims the address',
      },
      { name: 'another path', wire: elsewhere(`${SNS}/evil.pem`), libraryTakes: noPath },
      { name: 'a path that climbs', wire: elsewhere(`${SNS}/evil/..${path}`), libraryTakes: noPath },
      { name: 'a path below', wire: elsewhere(`${SNS}/evil${path}`), libraryTakes: noPath },
      {
        name: 'an encoded letter in the path',
        wire: elsewhere(CERTIFICATE.replace('/S', '/%53')),
        libraryTakes: noPath,
      },
      { name: 'an encoded dot in the path', wire: elsewhere(CERTIFICATE.replace('.pem', '%2Epem')) },
      { name: 'a query that ends as a certificate', wire: elsewhere(`${SNS}/?x=.pem`), libraryTakes: noPath },
      { name: 'a query behind the path', wire: elsewhere(`${CERTIFICATE}?.pem`), libraryTakes: noPath },
      {
        name: 'a fragment behind the path',
        wire: elsewhere(`${CERTIFICATE}#x`),
        libraryTakes: 'it drops the fragment',
      },
      { name: 'a certificate that is elsewhere', wire: shown(at('moved')) },
      { name: 'a certificate that is not there', wire: shown(at('nowhere')) },
      {
        name: 'a certificate behind 20 KB',
        wire: shown(at('far too long')),
        libraryTakes: 'it reads a certificate of any length',
      },
      { name: 'a page for a certificate', wire: shown(at('no certificate')) },
      { name: 'an expired certificate', wire: shown(at('expired')), libraryTakes: noCertificate },
      { name: 'a certificate of tomorrow', wire: shown(at('not yet valid')), libraryTakes: noCertificate },
      { name: 'a certificate of another name', wire: shown(at('another name')), libraryTakes: noCertificate },
      {
        name: 'the signing name of another region',
        wire: shown(at('another region')),
        libraryTakes: noCertificate,
      },
      {
        name: 'a key on an elliptic curve',
        wire: await sealed({ SigningCertURL: at('elliptic curve'), SignatureVersion: '2' }, keys.ec),
        libraryTakes: noCertificate,
      },
      {
        name: 'a key of 1024 bits',
        wire: await sealed({ SigningCertURL: at('1024 bits') }, keys.weak),
        libraryTakes: noCertificate,
      },
      { name: 'another key', wire: await sealed({}, keys.stranger) },
      { name: 'signature version 3, by the digest of 1', wire: altered({ SignatureVersion: '3' }) },
      {
        name: 'signature version 3, by the digest of 2',
        wire: snsWire({
          ...(await signSns({ ...plain, SignatureVersion: '2' }, keys.signer)),
          SignatureVersion: '3',
        }),
      },
      { name: 'version 1 called version 2', wire: altered({ SignatureVersion: '2' }) },
      {
        name: 'version 2 called version 1',
        wire: snsWire({
          ...(await signSns({ ...plain, SignatureVersion: '2' }, keys.signer)),
          SignatureVersion: '1',
        }),
      },
      {
        name: 'a version that is a number',
        wire: snsWire(
          JSON.parse(JSON.stringify(signed).replace('"SignatureVersion":"1"', '"SignatureVersion":1')),
        ),
      },
      { name: 'an empty signature', wire: altered({ Signature: '' }) },
      { name: 'a signature cut short', wire: altered({ Signature: signature.slice(0, -8) }) },
      { name: 'a signature of zeros', wire: altered({ Signature: Buffer.alloc(256).toString('base64') }) },
      {
        name: 'one bit of the signature turned',
        wire: altered({ Signature: (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1) }),
      },
      {
        name: 'a signature in the alphabet of URLs',
        wire: altered({
          Signature: `${signature.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`,
        }),
        libraryTakes: 'it takes base64 of any spelling',
      },
      {
        name: 'a signature with line ends',
        wire: altered({ Signature: signature.replace(/.{64}/g, '$&\n') }),
        libraryTakes: 'it takes base64 of any spelling',
      },
      {
        name: 'a signature without its padding',
        wire: altered({ Signature: signature.replace(/=+$/, '') }),
        libraryTakes: 'it takes base64 of any spelling',
      },
      { name: 'the signature of another message', wire: altered({ Signature: String(strangers.Signature) }) },
      {
        name: 'a genuine message with another body',
        wire: altered({ Message: '{"eventType":"Complaint"}', MessageId: String(plain.MessageId) }),
      },
      {
        name: 'a message of seven hours ago',
        wire: await sealed({ Timestamp: ahead(-420 * MINUTE_MS).toISOString() }),
        libraryTakes: noAge,
      },
      {
        name: 'a message of ten minutes from now',
        wire: await sealed({ Timestamp: ahead(10 * MINUTE_MS).toISOString() }),
        libraryTakes: noAge,
      },
      {
        name: 'a moment in words',
        wire: await sealed({ Timestamp: 'Sat, 21 Nov 2026 08:59:58 GMT' }),
        libraryTakes: 'it does not read the moment',
      },
      ...fields.map((field) => ({ name: `no ${field}`, wire: snsWire({ ...signed, [field]: undefined }) })),
      { name: 'a message that is no text', wire: snsWire({ ...signed, Message: SES_BOUNCE }) },
      {
        name: 'the spelling of Lambda',
        wire: snsWire({ ...signed, SigningCertURL: undefined, SigningCertUrl: CERTIFICATE }),
        libraryTakes: 'it takes the spelling of Lambda too',
      },
      { name: 'the message twice, the forged last', wire: twice(snsWire(signed), '"Message":"{}"') },
      {
        name: 'the topic twice, the forged last',
        wire: twice(snsWire(signed), `"TopicArn":"${otherTopic}"`),
      },
      { name: 'an escaped key twice, the forged last', wire: twice(snsWire(signed), '"\\u004dessage":"{}"') },
      {
        name: 'fields on the prototype',
        wire: withBody(snsWire(signed), `{"__proto__":${JSON.stringify(signed)}}`),
      },
      { name: 'a list', wire: withBody(snsWire(signed), JSON.stringify([signed])) },
      { name: 'null', wire: withBody(snsWire(signed), 'null') },
      { name: 'half of it', wire: withBody(snsWire(signed), JSON.stringify(signed).slice(0, 700)) },
      { name: 'nothing', wire: withBody(snsWire(signed), '') },
      { name: 'a byte order mark', wire: withBody(snsWire(signed), `\ufeff${JSON.stringify(signed)}`) },
      {
        name: 'bytes that are no text',
        wire: spoiled(await sealed({ Message: 'a \ufffd b' })),
        libraryTakes: 'it is given text, with U+FFFD for what was none',
      },
      { name: 'a subscription by another key', wire: await confirming({}, keys.stranger) },
      { name: 'a subscription without its token', wire: await confirming({ Token: undefined }) },
      {
        name: 'a subscription to another topic',
        wire: await confirming({ TopicArn: otherTopic }),
        libraryTakes: noTopic,
      },
      {
        name: 'a confirmation at another host',
        wire: await confirming({
          SubscribeURL: query(asking).replace('amazonaws.com', 'amazonaws.com.evil.example'),
        }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation by http',
        wire: await confirming({ SubscribeURL: query(asking).replace('https', 'http') }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation that does something else',
        wire: await confirming({ SubscribeURL: query({ ...asking, Action: 'DeleteTopic' }) }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation of another topic',
        wire: await confirming({ SubscribeURL: query({ ...asking, TopicArn: otherTopic }) }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation by another token',
        wire: await confirming({ SubscribeURL: query({ ...asking, Token: 'ffffff' }) }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation that asks for more',
        wire: await confirming({ SubscribeURL: `${query(asking)}&AuthenticateOnUnsubscribe=true` }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation that asks twice',
        wire: await confirming({ SubscribeURL: `${query(asking)}&Action=DeleteTopic` }),
        libraryTakes: noConfirmation,
      },
      {
        name: 'a confirmation changed afterwards',
        wire: snsWire({
          ...(await signSns(subscriptionOf(), keys.signer)),
          SubscribeURL: query({ ...asking, Token: 'ffffff' }),
        }),
      },
    ],
  }
}
