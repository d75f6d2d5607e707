import { expect, test } from 'vitest'
import { type SmtpSettings, type SmtpTimeouts, smtp } from '../../src/carriers/smtp.ts'
import type { Outcome, OutgoingMessage } from '../../src/core/delivery/carrier.ts'
import { arrived, fault, letter, peers, write } from '../support/peer-letter.ts'

/** For servers that never answer. All others get the time that a busy machine needs. */
const quick = { stepMs: 300, finalMs: 300, sessionMs: 1_000 }

function relay(settings: Partial<SmtpSettings> & { port: number }) {
  return smtp({ host: '127.0.0.1', security: 'none', clientName: 'moltpost.test', ...settings })
}

test('a message arrives through STARTTLS and AUTH as it was written, and the queue id comes back', async () => {
  const message = letter({
    cc: [{ email: 'cc@example.com', name: null }],
    bcc: [{ email: 'hidden@example.com', name: null }],
  })
  message.recipients = [message.recipient, 'cc@example.com', 'hidden@example.com']
  for (const host of ['localhost', '127.0.0.1']) {
    const outcome = await relay({
      host,
      port: peers.smtp.starttls,
      security: 'starttls',
      ...peers.login,
    }).send(message)
    expect(outcome).toEqual({
      kind: 'accepted',
      carrierMessageId: expect.stringMatching(/^Q\d+$/),
      delivered: false,
      refused: [],
    })
  }
  const mails = await arrived(message.recipient)
  expect(mails).toHaveLength(2)
  expect(mails[0]).toMatchObject({
    server: 'starttls',
    envelope: {
      from: 'bounces@moltpost.test',
      to: [message.recipient, 'cc@example.com', 'hidden@example.com'],
      user: peers.login.username,
      secure: true,
      arguments: ['SIZE'],
    },
    raw: new TextDecoder('latin1').decode(message.raw),
    parsed: {
      subject: 'Your table is booked',
      text: expect.stringContaining('Tuesday at eight.'),
      html: expect.stringContaining('<p>Tuesday at eight.</p>'),
      from: '"Scout, the agent" <scout@moltpost.test>',
      to: message.recipient,
      messageId: message.messageId,
      headers: { 'x-moltpost-send-id': message.sendId },
    },
  })
})

test('implicit TLS, AUTH LOGIN and AUTH PLAIN each carry a message', async () => {
  const message = letter()
  const [tls, login, clear] = await Promise.all([
    relay({ port: peers.smtp.tls, security: 'tls', ...peers.login }).send(message),
    relay({ port: peers.smtp.loginOnly, security: 'starttls', ...peers.login }).send(message),
    relay({ port: peers.smtp.plain, ...peers.login }).send(message),
  ])
  expect([tls.kind, login.kind, clear.kind]).toEqual(['accepted', 'accepted', 'accepted'])
  const mails = await arrived(message.recipient)
  expect(mails.map(({ server, envelope }) => [server, envelope.user, envelope.secure]).sort()).toEqual([
    ['loginOnly', peers.login.username, true],
    ['plain', peers.login.username, false],
    ['tls', peers.login.username, true],
  ])
})

test("a wrong password is a refusal of the relay, and the server's words about it are not kept", async () => {
  const password = 'sesame-open'
  for (const port of [peers.smtp.starttls, peers.smtp.loginOnly]) {
    const outcome = await relay({ port, security: 'starttls', username: 'someone', password }).send(letter())
    expect(outcome).toEqual({ kind: 'refused_retry', code: 'auth', detail: '535', recipients: [] })
  }
  const none = await relay({ port: peers.smtp.bare, username: 'someone', password }).send(letter())
  expect(none).toMatchObject({ kind: 'refused_retry', code: 'auth' })
  const unknown = await relay({ port: peers.smtp.starttls, security: 'starttls' }).send(letter())
  expect(unknown).toMatchObject({ kind: 'refused_retry', code: 'auth' })
})

test('a certificate for another name is not trusted', async () => {
  const message = letter()
  const starttls = await relay({ port: peers.smtp.stranger, security: 'starttls' }).send(message)
  const tls = await relay({ host: 'localhost', port: peers.smtp.strangerTls, security: 'tls' }).send(message)
  expect(starttls).toMatchObject({ kind: 'refused_retry', code: 'tls' })
  expect(tls).toMatchObject({ kind: 'refused_retry', code: 'connect' })
  expect(await arrived(message.recipient)).toEqual([])
})

test('nothing is sent unencrypted if STARTTLS is missing, refused, forged or broken', async () => {
  const message = letter()
  const settings = { security: 'starttls', ...peers.login } as const
  const silent = { stepMs: 3_000 }
  const missing = await relay({ port: peers.smtp.plain, ...settings }).send(message)
  expect(missing).toMatchObject({
    kind: 'refused_retry',
    code: 'tls',
    detail: expect.stringContaining('not offer'),
  })
  expect(await arrived(message.recipient)).toEqual([])

  for (const attack of ['inject', 'lie', 'cut', 'hang', 'refuse']) {
    const name = `starttls:${attack}`
    const outcome = await relay({ port: peers.faults[name] ?? 0, ...settings, timeouts: silent }).send(
      message,
    )
    expect(outcome, attack).toMatchObject({ kind: 'refused_retry', code: 'tls' })
    const { commands } = await fault(name)
    expect(commands.slice(0, 2)).toEqual(['EHLO moltpost.test', 'STARTTLS'])
    expect(commands.join('\n')).not.toMatch(/AUTH|MAIL/)
    // workerd ends an endless handshake only when the invocation ends: close() waits for it.
    if (attack !== 'hang')
      await expect.poll(async () => (await fault(name)).open, { message: name, timeout: 10_000 }).toBe(0)
  }
  const injected = await relay({ port: peers.faults['starttls:inject'] ?? 0, ...settings }).send(message)
  expect(injected).toMatchObject({ detail: 'the server spoke before the handshake' })
})

test('each recipient has an outcome of its own', async () => {
  const message = letter()
  const send = (recipients: string[], port = peers.smtp.plain) =>
    relay({ port }).send({ ...message, recipients })

  const some = await send(['hard@example.com', message.recipient, 'soft@example.com', 'full@example.com'])
  expect(some).toMatchObject({
    kind: 'accepted',
    refused: [
      { email: 'hard@example.com', permanent: true, code: '550', detail: '550 5.1.1 no such user' },
      { email: 'soft@example.com', permanent: false, code: '450' },
      { email: 'full@example.com', permanent: false, code: '452' },
    ],
  })
  expect((await arrived(message.recipient)).map(({ envelope }) => envelope.to)).toEqual([[message.recipient]])

  expect(await send(['hard@example.com', 'hard@example.org'])).toMatchObject({
    kind: 'refused_permanent',
    recipients: [
      { email: 'hard@example.com', permanent: true },
      { email: 'hard@example.org', permanent: true },
    ],
  })
  expect(await send(['hard@example.com', 'soft@example.com'])).toMatchObject({
    kind: 'refused_retry',
    recipients: [{ permanent: true }, { permanent: false }],
  })
  expect(await send(['full@example.com'])).toMatchObject({ kind: 'refused_retry' })
  expect(await send(['rate@example.com'])).toMatchObject({
    kind: 'throttled',
    code: '451',
    retryAfterMs: null,
  })
})

test('dots, long bodies and missing line ends arrive untouched', async () => {
  const message = letter()
  const lines = ['.', '..', '...leading', '.hidden', '', '.']
  const many = Array.from({ length: 9_000 }, (_, n) => `.${'x'.repeat(n % 70)}`)
  for (const body of [lines, [...lines, ''], many, ['end', '.', '']]) {
    const raw = write([`Subject: dots`, '', ...body])
    expect(await relay({ port: peers.smtp.plain }).send({ ...message, raw })).toMatchObject({
      kind: 'accepted',
    })
    const sent = new TextDecoder().decode(raw)
    expect((await arrived(message.recipient)).at(-1)?.raw).toBe(sent.endsWith('\r\n') ? sent : `${sent}\r\n`)
  }
})

test('a message that the server cannot carry is refused before it leaves', async () => {
  const message = letter()
  const send = (server: 'plain' | 'bare', change: Partial<OutgoingMessage>) =>
    relay({ port: peers.smtp[server] }).send({ ...message, ...change })
  const umlaut = write(['Subject: x', '', 'grün', ''])
  const header = write(['Subject: grün', '', 'x', ''])

  const large = write(['Subject: x', '', 'x'.repeat(900), ''].concat(Array(1200).fill('y'.repeat(900))))
  expect(await send('plain', { raw: large })).toMatchObject({ kind: 'refused_permanent', code: 'size' })
  expect(await send('bare', { raw: umlaut })).toMatchObject({ kind: 'refused_retry', code: '8bitmime' })
  expect(await send('bare', { recipients: ['jörg@example.com'] })).toMatchObject({
    kind: 'refused_retry',
    code: 'smtputf8',
  })
  expect(await arrived(message.recipient)).toEqual([])

  expect(await send('plain', { raw: umlaut })).toMatchObject({ kind: 'accepted' })
  expect(await send('plain', { raw: header })).toMatchObject({ kind: 'accepted' })
  const mails = await arrived(message.recipient)
  expect(mails.map(({ envelope }) => envelope.arguments)).toEqual([
    ['SIZE', 'BODY'],
    ['SIZE', 'BODY', 'SMTPUTF8'],
  ])
  expect(mails.map(({ parsed }) => [parsed.subject, parsed.text])).toEqual([
    ['x', 'grün\n'],
    ['grün', 'x\n'],
  ])
})

/** The outcome of a conversation that fails in some way at some stage. */
const broken = ['cut', 'reset', 'hang', 'garbage', 'flood', 'drip']
const all = (kind: Outcome['kind']) => Object.fromEntries(broken.map((action) => [action, kind]))
const relayRefuses = {
  ...all('refused_retry'),
  '451': 'refused_retry',
  '554': 'refused_retry',
  multi: 'accepted',
}
const refuses = { '421': 'throttled', '451': 'refused_retry', '554': 'refused_permanent' }
const expected: Record<string, Record<string, string>> = {
  greeting: { ...relayRefuses, '421': 'throttled', extra: 'refused_retry' },
  ehlo: { ...relayRefuses, '421': 'throttled', extra: 'refused_retry' },
  auth: { ...relayRefuses, '421': 'refused_retry', extra: 'refused_retry' },
  mail: {
    ...all('refused_retry'),
    ...refuses,
    '354': 'refused_retry',
    multi: 'accepted',
    extra: 'refused_retry',
  },
  rcpt: { ...all('refused_retry'), ...refuses, multi: 'accepted', extra: 'refused_retry' },
  data: { ...all('refused_retry'), ...refuses, multi: 'accepted', extra: 'refused_retry' },
  body: { ...all('ambiguous'), ...refuses },
  dot: { ...all('ambiguous'), ...refuses, '354': 'ambiguous', multi: 'accepted', extra: 'accepted' },
  quit: { ...all('accepted'), '421': 'accepted', '451': 'accepted', '554': 'accepted', multi: 'accepted' },
}

/** The reason, if only one is right. */
const reasons: Record<string, RegExp> = {
  extra: /answered before it was asked|answered before the message ended/,
  flood: /the reply is too long/,
  garbage: /the answer is not an SMTP reply/,
  drip: /no answer in time/,
  hang: /no answer in time/,
}

/** Short limits only for the answer that never comes: after the final dot it is another limit than before. */
function patience(stage: string, action: string): Partial<SmtpTimeouts> {
  if (!['hang', 'drip'].includes(action) || stage === 'quit') return {}
  return ['body', 'dot'].includes(stage) ? { finalMs: quick.finalMs } : quick
}

test('every fault at every stage is classified promptly, and no message called refused was accepted', async () => {
  const cases = Object.entries(expected).flatMap(([stage, actions]) =>
    Object.entries(actions).map(([action, kind]) => ({ stage, action, kind, name: `${stage}:${action}` })),
  )
  const results = await Promise.all(
    cases.map(async ({ name, stage, action }) => {
      const credentials = { username: 'u', password: 'secret-word' }
      const outcome = await relay({
        port: peers.faults[name] ?? 0,
        timeouts: patience(stage, action),
        ...credentials,
      }).send(letter())
      return { name, stage, action, outcome, seen: await fault(name) }
    }),
  )
  // A reset within the body may be noticed before the dot is sent, which makes it definite, or after.
  const early = results.find(({ name, outcome }) => name === 'body:reset' && outcome.kind === 'refused_retry')
  if (early)
    cases.splice(
      cases.findIndex(({ name }) => name === 'body:reset'),
      1,
      { ...early, kind: 'refused_retry' },
    )
  expect(Object.fromEntries(results.map(({ name, outcome }) => [name, outcome.kind]))).toEqual(
    Object.fromEntries(cases.map(({ name, kind }) => [name, kind])),
  )
  for (const { name, stage, action, outcome, seen } of results) {
    expect(JSON.stringify(outcome), name).not.toMatch(/secret-word|AHUAc2VjcmV0LXdvcmQ/)
    if (!['dot', 'quit'].includes(stage) && outcome.kind !== 'accepted')
      expect([name, seen.taken]).toEqual([name, 0])
    if (outcome.kind === 'accepted') expect([name, seen.taken]).toEqual([name, 1])
    const said = reasons[action]
    if (said && outcome.kind !== 'accepted') expect(outcome.detail, name).toMatch(said)
  }
  for (const { name } of results)
    await expect.poll(async () => (await fault(name)).open, { message: name, timeout: 10_000 }).toBe(0)
  const hangs = results.filter(({ name }) => name === 'greeting:hang' || name === 'dot:multi')
  expect(hangs.map(({ outcome }) => outcome)).toEqual([
    { kind: 'refused_retry', code: 'connect', detail: 'timeout: no answer in time', recipients: [] },
    { kind: 'accepted', carrierMessageId: 'FAULTLESS', delivered: false, refused: [] },
  ])
})

test('a server that announces its closing gets no further command', async () => {
  const before = (await fault('rcpt:421')).commands.length
  const recipients = ['a@example.com', 'b@example.com']
  const outcome = await relay({ port: peers.faults['rcpt:421'] ?? 0 }).send(letter({ recipients }))
  expect(outcome).toMatchObject({ kind: 'throttled', code: '421' })
  const { commands } = await fault('rcpt:421')
  expect(commands.slice(before).map((command) => command.slice(0, 4))).toEqual([
    'EHLO',
    'MAIL',
    'RCPT',
    'QUIT',
  ])
})

test('a hundred servers that hang up leave the Worker able to send', async () => {
  const ports = ['greeting:cut', 'ehlo:reset', 'body:reset', 'dot:cut'].map((name) => peers.faults[name] ?? 0)
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => relay({ port: ports[n % 4] ?? 0, timeouts: quick }).send(letter())),
  )
  const message = letter()
  expect(await relay({ port: peers.smtp.plain }).send(message)).toMatchObject({ kind: 'accepted' })
  expect(await arrived(message.recipient)).toHaveLength(1)
})

test('no field brings a line end, a NUL or a space into a command, and a lone line end smuggles nothing', async () => {
  const message = letter()
  const poisons = ['\r\nRCPT TO:<evil@example.com>', '\n', '\r', '\0', '\u2028', '\u0085']
  const address = (poison: string) => `a${poison}b@example.com`
  const party = (poison: string) => ({ email: address(poison), name: null })
  const named = (poison: string) => ({ email: 'a@example.com', name: `x${poison}y` })
  const changes = (poison: string): [string, Partial<OutgoingMessage>][] => [
    ['envelopeFrom', { envelopeFrom: address(poison) }],
    ['recipients', { recipients: ['fine@example.com', address(poison)] }],
    ['from', { from: party(poison) }],
    ['from', { from: named(poison) }],
    ['to', { to: [party(poison)] }],
    ['to', { to: [named(poison)] }],
    ['cc', { cc: [named(poison)] }],
    ['bcc', { bcc: [party(poison)] }],
    ['replyTo', { replyTo: party(poison) }],
    ['subject', { subject: `x${poison}y` }],
    ['headers', { headers: { 'X-A': `x${poison}y` } }],
    ['headers', { headers: { [`X-A${poison}`]: 'x' } }],
    ['sendId', { sendId: `x${poison}y` }],
    ['messageId', { messageId: `<x${poison}y>` }],
    ['idempotencyKey', { idempotencyKey: `x${poison}y` }],
  ]
  const spaces: [string, Partial<OutgoingMessage>][] = [
    ...[' ', '>', '<', '@', ',', '"', '\\', '\t'].flatMap((sign): [string, Partial<OutgoingMessage>][] => [
      ['envelopeFrom', { envelopeFrom: address(sign) }],
      ['recipients', { recipients: [address(sign)] }],
    ]),
    ['recipients', { recipients: [] }],
    ['recipients', { recipients: ['nobody'] }],
    ['recipients', { recipients: [`${'x'.repeat(250)}@example.com`] }],
  ]
  // Nothing listens on port 1: if a connection had been opened, the refusal would be about the connection.
  for (const [field, change] of [...poisons.flatMap(changes), ...spaces]) {
    const outcome = await relay({ port: 1 }).send({ ...message, ...change })
    expect(outcome, JSON.stringify(change)).toMatchObject({
      kind: 'refused_permanent',
      code: 'unsafe_field',
      detail: `${field} holds what no carrier may be given`,
    })
  }
  for (const smuggled of ['\n.\r\nMAIL FROM:<a@b.c>\r\n', '\r.\r', '\n.\n', 'x\n', 'x\r', 'x\0y']) {
    const raw = new TextEncoder().encode(`Subject: x\r\n\r\nx${smuggled}`)
    expect(await relay({ port: 1 }).send({ ...message, raw })).toMatchObject({
      kind: 'refused_permanent',
      code: 'line_end',
    })
  }
  const broken = [
    { clientName: 'a b' },
    { clientName: 'a\r\nb' },
    { host: 'a b' },
    { port: 0 },
    { username: 'a\0', password: 'b' },
  ]
  for (const change of broken)
    expect(await relay({ port: 1, ...change }).send(message)).toMatchObject({
      kind: 'refused_retry',
      code: 'settings',
    })
})

test('port 25 is refused by name, and a port without a listener is a refused connection', async () => {
  expect(await relay({ port: 25 }).send(letter())).toMatchObject({ kind: 'refused_retry', code: 'port_25' })
  expect(await relay({ port: 1 }).send(letter())).toMatchObject({ kind: 'refused_retry', code: 'connect' })
})
