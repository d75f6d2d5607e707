import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '../../src/core/ground/ids.ts'
import { readBounce } from '../../src/core/reading/bounces/report.ts'
import { readReturnPath, returnPath } from '../../src/core/reading/bounces/return-path.ts'

const SECRET = 'a secret of thirty-two characters'
const SEND_ID = newId('req', new Date('2026-01-02T03:04:05Z'))

const read = (text: string) => readBounce(new TextEncoder().encode(text))

/** A multipart message with CRLF line ends. */
const multipart = (type: string, head: Record<string, string>, ...parts: [type: string, body: string][]) =>
  [
    ...Object.entries(head).map(([name, value]) => `${name}: ${value}`),
    'MIME-Version: 1.0',
    `Content-Type: multipart/${type}; boundary="limit"`,
    '',
    ...parts.flatMap(([partType, body]) => ['--limit', `Content-Type: ${partType}`, '', body]),
    '--limit--',
    '',
  ]
    .join('\n')
    .replaceAll('\n', '\r\n')

const DAEMON = {
  From: 'Mail Delivery System <MAILER-DAEMON@mx.example.net>',
  To: 'bounce+x@mail.example.com',
  Subject: 'Undelivered Mail Returned to Sender',
  'Auto-Submitted': 'auto-replied',
}

const RETURNED = `Return-Path: <bounce+${SEND_ID}-aaaaaaaaaaaaaaaa@mail.example.com>
Message-ID:
 <m1@mail.example.com>
X-Moltpost-Send-Id: ${SEND_ID}
From: agent@mail.example.com
To: ann@example.org
Subject: Hello

Hello
X-Moltpost-Send-Id: req_inbody`

const dsn = (fields: string, notice = 'See below.', head: Record<string, string> = DAEMON) =>
  multipart(
    'report; report-type=delivery-status',
    head,
    ['text/plain', notice],
    ['message/delivery-status', `Reporting-MTA: dns; mx.example.net\n\n${fields}\n`],
    ['message/rfc822', RETURNED],
  )

const words = (body: string, head: Record<string, string> = DAEMON) =>
  `${Object.entries(head)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\r\n')}\r\n\r\n${body.replaceAll('\n', '\r\n')}\r\n`

const feedback = (fields: string, type = 'report; report-type=feedback-report') =>
  multipart(
    type,
    { From: 'fbl@isp.example', To: 'abuse@mail.example.com', Subject: 'FW: Hello' },
    ['text/plain', 'This is an email abuse report.'],
    ['message/feedback-report', `User-Agent: Some/1.0\nVersion: 1\n${fields}\n`],
    ['text/rfc822-headers', RETURNED],
  )

const LAST = { sendId: SEND_ID, position: 49 }

test('a return path is in lower case and names one recipient of its send, and it is recognised in any case', async () => {
  const address = await returnPath(SECRET, 'Mail.Example.com', LAST)
  expect(address).toMatch(/^bounce\+[a-z0-9]{36}-49-[a-z2-7]{16}@mail\.example\.com$/)
  expect(address.indexOf('@')).toBeLessThanOrEqual(64)
  expect(await returnPath(SECRET, 'mail.example.com', LAST)).toBe(address)
  expect(await readReturnPath(SECRET, address)).toEqual(LAST)
  expect(await readReturnPath(SECRET, address.toUpperCase())).toEqual(LAST)
  await expect(
    returnPath(SECRET, 'mail.example.com', { sendId: 'req_With-Dash', position: 0 }),
  ).rejects.toThrow(RangeError)
  await expect(returnPath(SECRET, 'mail.example.com', { ...LAST, position: 100 })).rejects.toThrow(RangeError)

  // The proof is for this recipient only.
  for (const other of ['0', '1', '4', '48', '50']) {
    expect(await readReturnPath(SECRET, address.replace('-49-', `-${other}-`))).toBe('forged')
  }

  // The Kelvin sign: its lower case is `k`.
  const kelvin = await returnPath(SECRET, 'mail.example.com', { sendId: 'req_k', position: 0 })
  expect(await readReturnPath(SECRET, kelvin.replace('+k', '+\u212a'))).toBeNull()

  expect(await readReturnPath('another secret of thirty-two chars', address)).toBe('forged')
  for (const other of [
    '',
    'ann@example.org',
    'bounce@mail.example.com',
    `bounce+${SEND_ID}@mail.example.com`,
    address.replace('-49-', '-049-'),
  ]) {
    expect(await readReturnPath(SECRET, other)).toBeNull()
  }
})

test('a changed return path is never accepted', async () => {
  const address = await returnPath(SECRET, 'mail.example.com', LAST)
  const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789_-+@.= \n\0\u212a\u017f']
  const mutation = fc.record({
    at: fc.nat(address.length - 1),
    kind: fc.constantFrom('replace', 'insert', 'remove', 'swap', 'cut'),
    letter: fc.constantFrom(...letters),
  })
  const mutated = fc.array(mutation, { minLength: 1, maxLength: 3 }).map((steps) =>
    steps.reduce((text, { at, kind, letter }) => {
      if (kind === 'cut') return text.slice(0, at)
      if (kind === 'insert') return text.slice(0, at) + letter + text.slice(at)
      if (kind === 'remove') return text.slice(0, at) + text.slice(at + 1)
      if (kind === 'replace') return text.slice(0, at) + letter + text.slice(at + 1)
      return (
        text.slice(0, at) +
        text
          .slice(at, at + 2)
          .split('')
          .reverse()
          .join('') +
        text.slice(at + 2)
      )
    }, address),
  )
  let tried = 0
  await fc.assert(
    fc.asyncProperty(mutated, async (text) => {
      fc.pre(text !== address)
      tried++
      const found = await readReturnPath(SECRET, text)
      expect(found === null || found === 'forged').toBe(true)
    }),
    { numRuns: 1_000 },
  )
  expect(tried).toBeGreaterThanOrEqual(1_000)
})

test('a delivery status tells which recipient failed, how and why, and which send was returned', async () => {
  const gone = await read(
    dsn(`Original-Recipient: rfc822;Ann@Example.org
Final-Recipient: rfc822; ann@internal.example.org
Action: failed
Status: 5.0.0 (permanent failure)
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <ann@example.org>: Recipient address rejected:
 User unknown in virtual mailbox table`),
  )
  expect(gone).toEqual({
    kind: 'bounce',
    recipients: [
      {
        address: 'Ann@example.org',
        action: 'failed',
        status: '5.1.1',
        replyCode: '550',
        isHard: true,
        reason: 'user_unknown',
        diagnostic:
          '550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown in virtual mailbox table',
      },
    ],
    originalMessageId: 'm1@mail.example.com',
    sendId: SEND_ID,
    originalSender: `bounce+${SEND_ID}-aaaaaaaaaaaaaaaa@mail.example.com`,
    reporter: 'mx.example.net',
  })

  const bodyOnly = dsn('Final-Recipient: rfc822; ann@example.org').replace(
    `\r\nX-Moltpost-Send-Id: ${SEND_ID}`,
    '',
  )
  expect(await read(bodyOnly)).toMatchObject({ originalMessageId: 'm1@mail.example.com', sendId: null })
  const inner = dsn('Final-Recipient: rfc822; bob@example.org\nStatus: 5.1.1').replaceAll('limit', 'inner')
  const bounceOfBounce = multipart(
    'mixed',
    DAEMON,
    ['text/plain', '<ann@example.org>: 550 mailbox full'],
    ['message/rfc822', inner],
  )
  expect((await read(bounceOfBounce))?.recipients).toMatchObject([
    { address: 'ann@example.org', isHard: false },
  ])

  const delayed = await read(
    dsn(
      'Final-Recipient: rfc822; ann@example.org\nAction: delayed\nStatus: 4.4.1\nDiagnostic-Code: smtp; 550 5.1.1 no',
    ),
  )
  expect(delayed).toMatchObject({ kind: 'delay', recipients: [{ action: 'delayed', isHard: false }] })
  for (const action of ['delivered', 'relayed', 'expanded (to list)']) {
    const arrived = await read(
      dsn(`Final-Recipient: rfc822; ann@example.org\nAction: ${action}\nStatus: 2.0.0`),
    )
    expect(arrived).toMatchObject({
      kind: 'delivered',
      recipients: [{ reason: 'delivered', isHard: false, status: '2.0.0' }],
    })
  }
})

test('each of several recipients is judged by its own text, and a delayed one does not hide a failed one', async () => {
  const report = await read(
    dsn(
      `Final-Recipient: rfc822; full@example.org
Action: failed
Status: 5.2.2

Final-Recipient: rfc822; gone@example.org
Action: failed
Diagnostic-Code: smtp; 550 no such user here

Final-Recipient: rfc822; slow@example.org
Action: delayed
Status: 4.4.1

Final-Recipient: utf-8; j\\x{F6}rg@example.org
Action: failed
Status: 5.0.0`,
      `<j\u00f6rg@example.org>: host mx.example.org said: 550 Der Benutzer ist unbekannt\n`,
    ),
  )
  expect(report?.kind).toBe('bounce')
  expect(report?.recipients.map(({ address, reason, isHard }) => [address, reason, isHard])).toEqual([
    ['full@example.org', 'mailbox_full', false],
    ['gone@example.org', 'user_unknown', true],
    ['slow@example.org', 'network', false],
    ['j\u00f6rg@example.org', 'refused', false],
  ])
  const run =
    'Final-Recipient: rfc822; a@example.org\nAction: failed\nFinal-Recipient: rfc822; b@example.org\nAction: failed'
  expect((await read(dsn(run)))?.recipients.map(({ address }) => address)).toEqual([
    'a@example.org',
    'b@example.org',
  ])
  const many = Array.from(
    { length: 300 },
    (_, at) => `Final-Recipient: rfc822; a${at}@example.org\nAction: failed\n`,
  )
  expect((await read(dsn(many.join('\n'))))?.recipients).toHaveLength(100)
})

test('a bounce is hard only if the address accepts no mail for good', async () => {
  const judged = async (diagnostic: string, status = '5.0.0', notice = '') => {
    const fields = `Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: ${status}\nDiagnostic-Code: smtp; ${diagnostic}`
    const first = (await read(dsn(fields, notice)))?.recipients[0]
    return `${first?.reason} ${first?.isHard ? 'hard' : 'soft'} ${first?.status}`
  }
  expect(await judged('550 5.1.1 <ann@example.org> mailbox unavailable', '5.1.1')).toBe(
    'user_unknown hard 5.1.1',
  )
  expect(await judged('550 No such user here')).toBe('user_unknown hard 5.0.0')
  expect(await judged('550 Host unknown', '5.1.2')).toBe('host_unknown hard 5.1.2')
  expect(await judged('556 Domain does not accept mail')).toBe('host_refuses_mail hard 5.0.0')
  expect(await judged('551 5.1.6 Recipient has moved', '5.1.6')).toBe('moved hard 5.1.6')
  expect(await judged('552 5.2.2 Mailbox full', '5.1.1')).toBe('mailbox_full soft 5.2.2')
  expect(await judged('550 5.2.1 The account is disabled')).toBe('mailbox_disabled soft 5.2.1')
  expect(await judged('552 5.3.4 Message size exceeds fixed limit')).toBe('message_too_big soft 5.3.4')
  expect(await judged('550 5.7.1 Email rejected per DMARC policy')).toBe('authentication soft 5.7.1')
  expect(await judged('554 5.7.1 Client host blocked using zen.dnsbl.example')).toBe('blocked soft 5.7.1')
  expect(await judged('550 5.7.1 Message looks like spam')).toBe('spam soft 5.7.1')
  expect(await judged('554 5.7.1 <ann@example.org>: Relay access denied')).toBe('relay_denied soft 5.7.1')
  expect(await judged('550 5.4.1 Recipient address rejected: Access denied')).toBe('user_unknown hard 5.4.1')
  expect(await judged('550 5.7.606 Access denied, banned sending IP')).toBe('blocked soft 5.7.606')
  expect(await judged('421 4.7.0 Too many connections')).toBe('rate_limited soft 4.7.0')
  expect(await judged('450 4.1.1 User unknown', '4.1.1')).toBe('user_unknown soft 4.1.1')
  expect(await judged('550 5.1.8 Sender address rejected: Domain not found')).toBe('policy soft 5.1.8')
  expect(
    await judged('550 user unknown <ann@example.org>', '5.0.0', 'x said (in reply to end of DATA command)'),
  ).toBe('filtered soft 5.0.0')
  expect(await judged('550 No such domain', '5.0.0', 'x said (in reply to MAIL FROM command)')).toBe(
    'policy soft 5.0.0',
  )
  const disabled = '550 5.2.1 <ann@example.org>... User unknown'
  expect(await judged(disabled, '5.2.1')).toBe('mailbox_disabled soft 5.2.1')
  expect(await judged(disabled, '5.2.1', 'x said (in reply to RCPT TO command)')).toBe(
    'user_unknown hard 5.2.1',
  )
  expect(await judged('550 Rejected, see https://x.test/user-unknown')).toBe('refused soft 5.0.0')
  expect(await judged('550 <no_such_user@example.org> is busy')).toBe('refused soft 5.0.0')
  expect(await judged('Message expired from 10.5.1.1 after 5.1.1.9 tries')).toBe('expired soft 5.0.0')
  expect(await judged('smtp; 554 4.4.7 gave up <550 5.1.1 no such user>')).toBe('user_unknown hard 5.1.1')
})

test('bounces from qmail, Exim, Gmail, Exchange, sendmail and Postfix are read without a delivery status', async () => {
  const dialects = [
    `Hi. This is the qmail-send program at mx.example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ann@example.org>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 no mailbox here by that name
Giving up on 192.0.2.1.

--- Below this line is a copy of the message.

${RETURNED}`,
    `This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ann@example.org
    SMTP error from remote mail server after RCPT TO:<ann@example.org>:
    host mx.example.org [192.0.2.1]: 550 5.1.1 Unrouteable address

------ This is a copy of the message, including all the headers. ------

${RETURNED}`,
    `Delivery to the following recipient failed permanently:

     ann@example.org

Technical details of permanent failure:
The error that the other server returned was: 550 550 5.1.1 user unknown (state 14).

----- Original message -----

${RETURNED}`,
    `Delivery has failed to these recipients or groups:

ann@example.org<mailto:ann@example.org>
The email address you entered couldn't be found.

Remote Server returned '550 5.1.1 RESOLVER.ADR.RecipNotFound; not found'

Original message headers:

${RETURNED}`,
    `   ----- The following addresses had permanent fatal errors -----
<ann@example.org>
    (reason: 550 5.1.1 <ann@example.org>... User unknown)

   ----- Message header follows -----
${RETURNED}`,
    `<ann@example.org>: host mx.example.org[192.0.2.1] said: 550 5.1.1
    <ann@example.org>: User unknown (in reply to RCPT TO command)

${RETURNED}`,
  ]
  for (const dialect of dialects) {
    const report = await read(words(dialect))
    expect(report, dialect).toMatchObject({
      kind: 'bounce',
      recipients: [
        {
          address: 'ann@example.org',
          status: '5.1.1',
          replyCode: '550',
          isHard: true,
          reason: 'user_unknown',
        },
      ],
      originalMessageId: 'm1@mail.example.com',
      sendId: SEND_ID,
      reporter: 'mx.example.net',
    })
  }
  const warning =
    'A message that you sent has not yet been delivered to one or more of its recipients:\n\n  ann@example.org\n    no such user\n'
  expect(await read(words(warning))).toMatchObject({
    kind: 'delay',
    recipients: [{ address: 'ann@example.org', isHard: false }],
  })

  const own = await read(
    words('To: bounce+x@mail.example.com\n\nNot delivered to ann@example.org: user unknown'),
  )
  expect(own?.recipients).toMatchObject([{ address: 'ann@example.org', isHard: true }])
  const crowd = Array.from({ length: 300 }, (_, at) => `<a${at}@example.org>: 550 no such user\n`).join('\n')
  expect((await read(words(crowd)))?.recipients).toHaveLength(100)

  const quoted =
    'Technical report:\n\nReporting-MTA: dsn; mx.example.org\n\nFinal-Recipient: rfc822; ann@example.org\nStatus: 5.1.1\n'
  expect(await read(words(quoted))).toMatchObject({
    recipients: [{ isHard: true }],
    reporter: 'mx.example.org',
  })

  const named = { ...DAEMON, From: 'robot@example.net', 'X-Failed-Recipients': 'ann@example.org' }
  const silent = await read(words('Ihre Nachricht konnte nicht zugestellt werden.', named))
  expect(silent).toMatchObject({
    kind: 'bounce',
    recipients: [{ address: 'ann@example.org', reason: 'undetermined' }],
  })
  const old = words(`<ann@example.org>:\n550 5.1.1 no such user`).replaceAll('\r\n', '\r')
  expect(await read(`From MAILER-DAEMON Fri Jan  2 03:04:05 2026\r${old}`)).toMatchObject({
    recipients: [{ isHard: true }],
    reporter: 'mx.example.net',
  })
})

test('a feedback report counts as a complaint only if its type says so', async () => {
  const abuse = await read(
    feedback(`Feedback-Type: abuse
Original-Mail-From: <bounce+${SEND_ID}-aaaaaaaaaaaaaaaa@mail.example.com>
Original-Rcpt-To: <Ann@example.org>
Original-Rcpt-To: <Ann@example.org>
Reporting-MTA: dns; mx.isp.example`),
  )
  expect(abuse).toEqual({
    kind: 'complaint',
    recipients: [
      {
        address: 'Ann@example.org',
        action: null,
        status: null,
        replyCode: null,
        isHard: false,
        reason: 'abuse',
        diagnostic: null,
      },
    ],
    originalMessageId: 'm1@mail.example.com',
    sendId: SEND_ID,
    originalSender: `bounce+${SEND_ID}-aaaaaaaaaaaaaaaa@mail.example.com`,
    reporter: 'mx.isp.example',
  })
  const redacted = await read(feedback('Feedback-Type: Opt-Out'))
  expect(redacted).toMatchObject({
    kind: 'complaint',
    recipients: [{ address: null, reason: 'opt_out' }],
    reporter: 'isp.example',
  })
  for (const type of ['not-spam', 'auth-failure', 'other', 'dmarc', '']) {
    expect(await read(feedback(`Feedback-Type: ${type}`)), type).toBeNull()
  }
  expect(await read(feedback('Feedback-Type: abuse', 'mixed'))).toBeNull()
})

test('an Amazon SES notification by mail is read from its JSON, even if its lines were folded', async () => {
  const head = {
    From: 'AWS <no-reply@sns.amazonaws.com>',
    To: 'a@example.com',
    Subject: 'AWS Notification Message',
  }
  const mail = { source: 'agent@example.com', headers: [{ name: 'X-Moltpost-Send-Id', value: SEND_ID }] }
  const bounce = {
    bouncedRecipients: [
      {
        emailAddress: 'ann@example.org',
        action: 'failed',
        status: '5.1.1',
        diagnosticCode: 'smtp; 550 5.1.1 user unknown',
      },
    ],
    reportingMTA: 'dsn; a1.smtp-out.amazonses.com',
  }
  const message = JSON.stringify({ notificationType: 'Bounce', mail, bounce })
  const envelope = JSON.stringify({ Type: 'Notification', Message: message }).replace('failed', 'fai!\n led')
  for (const body of [`${message}\n--\nunsubscribe here`, envelope]) {
    expect(await read(words(body, head))).toMatchObject({
      kind: 'bounce',
      recipients: [{ address: 'ann@example.org', status: '5.1.1', isHard: true }],
      sendId: SEND_ID,
      reporter: 'a1.smtp-out.amazonses.com',
    })
  }
  const complaint = { complainedRecipients: [{ emailAddress: 'ann@example.org' }] }
  const told = await read(words(JSON.stringify({ notificationType: 'Complaint', mail, complaint }), head))
  expect(told).toMatchObject({
    kind: 'complaint',
    recipients: [{ address: 'ann@example.org', action: null, isHard: false, reason: 'abuse' }],
  })
  for (const body of ['{', '[]', 'null', '{"notificationType":"Bounce"}', `${'['.repeat(50_000)}`, 'Hello']) {
    expect(await read(words(body, head))).toBeNull()
  }
})

test('automatic replies, receipts, ordinary mail and forwarded reports are no bounces', async () => {
  const person = { From: 'Ann <ann@example.org>', To: 'agent@mail.example.com', Subject: 'Re: Hello' }
  const report = dsn('Final-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.1.1')
  const status =
    'Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.1.1\n'
  const nobody = { ...person, 'Return-Path': '<>', 'Auto-Submitted': 'auto-replied' }
  const others = [
    words('Thank you, yes.', person),
    words('I am out of the office. Mail is not delivered until Monday.', {
      ...nobody,
      Subject: 'Automatic reply: Hello',
    }),
    words('I am on vacation; for delivery problems call 550 1234.', {
      ...nobody,
      Subject: 'Undeliverable until May',
    }),
    words('Your mailbox is almost full. Please delete mail.', {
      ...person,
      From: 'postmaster@example.org',
      Subject: 'Quota',
    }),
    words(
      `They wrote:\n> <bob@example.org>: 550 5.1.1 user unknown\n> Undelivered Mail\n\n${status}`,
      person,
    ),
    words(status, { ...DAEMON, Subject: 'Fwd: Undelivered Mail Returned to Sender' }),
    multipart(
      'mixed',
      { ...person, Subject: 'Fwd: Undelivered Mail' },
      ['text/plain', 'Look at this'],
      ['message/rfc822', report.replaceAll('limit', 'inner')],
    ),
    multipart('mixed', person, ['text/plain', 'Look at this'], ['message/delivery-status', status]),
    multipart(
      'mixed',
      person,
      ['text/plain', 'Is this ours?'],
      ['message/rfc822', feedback('Feedback-Type: abuse').replaceAll('limit', 'inner')],
    ),
    ...[person, DAEMON].map((head) =>
      multipart(
        'report; report-type=disposition-notification',
        head,
        ['text/plain', 'Not read'],
        [
          'message/disposition-notification',
          'Final-Recipient: rfc822; ann@example.org\nDisposition: deleted',
        ],
      ),
    ),
    multipart('report; report-type=delivery-status', person, ['text/plain', 'Nothing here']),
    '',
    '\r\n\r\n',
  ]
  for (const other of others) expect(await read(other), other).toBeNull()
})

test('hostile and broken reports are read as far as possible, in limited time, and without unprintable characters in the result', async () => {
  const controls = await read(
    dsn(
      'Final-Recipient: rfc822; <a\u0007b@example.org>\nAction: failed\nDiagnostic-Code: smtp; 550 \u202eno\u0000\u001b[31m \u05e9\u05dc\u05d5\u05dd \ud83d\ude00'.padEnd(
        2_000,
        'x',
      ),
    ),
  )
  expect(controls?.recipients[0]?.diagnostic).toMatch(
    /^550 no \[31m \u05e9\u05dc\u05d5\u05dd \ud83d\ude00x+$/u,
  )
  expect([...(controls?.recipients[0]?.diagnostic ?? '')]).toHaveLength(300)
  const path = await read(dsn('Final-Recipient: rfc822; /var/mail/ann\nAction: failed\nStatus: 5.0.0'))
  expect(path?.recipients[0]).toMatchObject({ address: null, reason: 'undetermined', status: '5.0.0' })
  const long = await read(dsn(`Final-Recipient: rfc822; ${'a'.repeat(400)}@example.org\nAction: failed`))
  expect(long?.recipients[0]?.address).toBeNull()
  const forgedId = dsn('Final-Recipient: rfc822; ann@example.org')
    .replace(SEND_ID, "req_1' OR 1=1")
    .replace(SEND_ID, 'x')
  expect((await read(forgedId))?.sendId).toBeNull()
  expect(await read(words('\n--'.repeat(2_000)))).toBeNull()

  const late = dsn('Final-Recipient: rfc822; ann@example.org\nStatus: 5.1.1', 'x\n'.repeat(11_000))
  expect((await read(late))?.recipients).toMatchObject([{ status: null, isHard: false }])

  const nested = Array.from(
    { length: 60 },
    (_, at) => `--b${at}\nContent-Type: multipart/mixed; boundary=b${at + 1}\n`,
  )
  expect(
    await read(
      `From: MAILER-DAEMON\nSubject: Undelivered\nContent-Type: multipart/mixed; boundary=b0\n\n${nested.join('\n')}`,
    ),
  ).toBeNull()

  const floods = [
    '\n',
    ' ',
    'a@b.cc:\n',
    'user ',
    '550 5.1.1 ',
    '>>> RCPT To:\n',
    '"<',
    'a.',
    'deliver ',
    '\u0000',
    '<p>',
  ]
  for (const flood of floods) {
    const began = Date.now()
    await read(words(flood.repeat(600_000 / flood.length)))
    await read(dsn(flood.repeat(600_000 / flood.length)))
    expect(Date.now() - began, JSON.stringify(flood)).toBeLessThan(5_000)
  }
})

test('a changed report never makes the reader throw or return an invalid result', async () => {
  const seeds = [
    dsn(
      'Final-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown',
    ),
    feedback('Feedback-Type: abuse\nOriginal-Rcpt-To: ann@example.org'),
    words(
      '<ann@example.org>:\n550 5.1.1 no such user\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <a@b>',
    ),
    words(
      '{"notificationType":"Bounce","mail":{},"bounce":{"bouncedRecipients":[{"emailAddress":"a@b.cc"}]}}',
      { From: 'no-reply@sns.amazonaws.com' },
    ),
  ].map((text) => new TextEncoder().encode(text))
  const step = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    octets: fc.uint8Array({ maxLength: 4 }),
    drop: fc.nat(40),
  })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...seeds), fc.array(step, { maxLength: 6 }), async (seed, steps) => {
      const mutated = steps.reduce((octets, { at, octets: fresh, drop }) => {
        const from = Math.floor(at * octets.length)
        return new Uint8Array([...octets.subarray(0, from), ...fresh, ...octets.subarray(from + drop)])
      }, seed)
      const report = await readBounce(mutated)
      if (report === null) return
      expect(report.recipients.length).toBeGreaterThan(0)
      for (const { status, replyCode, isHard, action, diagnostic } of report.recipients) {
        expect(status ?? '5.1.1').toMatch(/^[245]\.\d{1,3}\.\d{1,3}$/)
        expect(replyCode ?? '550').toMatch(/^[245]\d\d$/)
        if (isHard) expect([report.kind, action]).toEqual(['bounce', 'failed'])
        expect(diagnostic ?? '').not.toMatch(/\p{C}/u)
      }
      expect(report.sendId ?? 'req_x').toMatch(/^[a-z]+_[a-z0-9]+$/)
    }),
    { numRuns: 500 },
  )
})
