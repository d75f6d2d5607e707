import fc from 'fast-check'
import PostalMime from 'postal-mime'
import { expect, test } from 'vitest'
import { safeHeaderText } from '../../src/core/ground/address.ts'
import { buildMessage } from '../../src/core/letters/message/build.ts'
import type { Draft } from '../../src/core/letters/message/draft.ts'
import type { Party } from '../../src/core/reading/party.ts'

const base: Draft = {
  messageId: 'snd_1@mail.example.com',
  date: new Date('2026-03-01T09:05:00Z'),
  from: { email: 'agent@example.com', name: 'Agent' },
  to: [{ email: 'ann@example.org', name: 'Ann' }],
  cc: [{ email: 'cid@example.org', name: null }],
  bcc: [{ email: 'dan@hidden.example', name: 'Dan' }],
  replyTo: { email: 'desk@example.com', name: 'Desk' },
  subject: 'Hello',
  text: 'Plain',
  html: '<p>Rich</p>',
  headers: { 'X-Moltpost-Send-Id': 'snd_1', 'In-Reply-To': '<a@b.example>', References: '<a@b.example>' },
  attachments: [{ filename: 'a.txt', contentType: 'text/plain', content: new Uint8Array([1, 2, 3]) }],
}

test('no injection attempt in any field that reaches a header or an SMTP command adds a header or a recipient', async () => {
  const breaks = [
    '\r\n',
    '\n',
    '\r',
    '\n\r',
    '\r\n ',
    '\0',
    '\u0085',
    '\u2028',
    '\u2029',
    '\v',
    '\f',
    '\t',
    '%0d%0a',
    '\\r\\n',
  ]
  const payloads = [
    ...breaks.map((line) => `${line}Bcc: evil@evil.example${line}`),
    ...breaks.slice(0, 6).map((line) => `${line}${line}<script>alert(1)</script>`),
    '\r\n.\r\nMAIL FROM:<evil@evil.example>\r\nRCPT TO:<evil@evil.example>\r\nDATA\r\n',
    '> SIZE=1\r\nRCPT TO:<evil@evil.example>',
    '\r\n--mix-snd1mailexamplecom\r\nContent-Type: text/html\r\n\r\nevil',
    '\r\nContent-Transfer-Encoding: 7bit\r\n\r\n',
    ', evil@evil.example', ',evil@evil.example,', '; evil@evil.example', ' evil@evil.example', 'evil@evil.example,',
    '<evil@evil.example>', '> <evil@evil.example>', '>, <evil@evil.example', '" <evil@evil.example>, "', '\\" <evil@evil.example>',
    '(evil@evil.example)', 'all: evil@evil.example;', '@evil.example:', '"evil@evil.example"', '\u202eevil\u202c', '\u2066', '\ufeff', '\ud800',
    '=?utf-8?Q?x=0D=0ABcc:_evil@evil.example?=', '=?utf-8?B?DQpCY2M6IGV2aWxAZXZpbC5leGFtcGxl?=', '=?utf-8?q?=22=20=3Cevil@evil.example=3E,?=',
    '=?utf-8?B?PGV2aWxAZXZpbC5leGFtcGxlPg==?=', '=?utf-7?Q?+AA0-?=', '=?', '?=', '=?utf-8?Q?', '\u010d\u010aBcc: evil@evil.example', '嘊嘍Bcc: evil@evil.example',
  ] // biome-ignore format: a table
  const party = (value: string): Party => ({ email: 'ann@example.org', name: value })
  const header = (name: string) => (draft: Draft, value: string) => ({ ...draft, headers: { [name]: value } })
  const file = { filename: 'a.txt', contentType: 'text/plain', content: new Uint8Array([1]) }
  const fields: Record<string, [string, (draft: Draft, value: string) => Draft]> = {
    messageId: ['snd_1@mail.example.com', (draft, messageId) => ({ ...draft, messageId })],
    'from.email': ['ann@example.org', (draft, email) => ({ ...draft, from: { email, name: 'Ann' } })],
    'from.name': ['Ann', (draft, name) => ({ ...draft, from: party(name) })],
    'to[0].email': ['ann@example.org', (draft, email) => ({ ...draft, to: [{ email, name: null }] })],
    'to[0].name': ['Ann', (draft, name) => ({ ...draft, to: [party(name)] })],
    'cc[0].email': ['ann@example.org', (draft, email) => ({ ...draft, cc: [{ email, name: 'Ann' }] })],
    'cc[0].name': ['Ann', (draft, name) => ({ ...draft, cc: [party(name)] })],
    'bcc[0].email': ['ann@example.org', (draft, email) => ({ ...draft, bcc: [{ email, name: null }] })],
    'bcc[0].name': ['Ann', (draft, name) => ({ ...draft, bcc: [party(name)] })],
    'replyTo.email': ['ann@example.org', (draft, email) => ({ ...draft, replyTo: { email, name: 'Ann' } })],
    'replyTo.name': ['Ann', (draft, name) => ({ ...draft, replyTo: party(name) })],
    subject: ['Hello', (draft, subject) => ({ ...draft, subject })],
    'headers.X-Ref': ['one', header('X-Ref')],
    'headers.In-Reply-To': ['<a@b.example>', header('In-Reply-To')],
    'headers.References': ['<a@b.example> <c@b.example>', header('References')],
    'headers.List-Unsubscribe': ['<https://example.com/u>', header('List-Unsubscribe')],
    'headers.': ['X-Ref', (draft, name) => ({ ...draft, headers: { [name]: 'one' } })],
    'attachments[0].filename': ['a.txt', (draft, filename) => ({ ...draft, attachments: [{ ...file, filename }] })],
    'attachments[0].contentType': ['text/plain', (draft, contentType) => ({ ...draft, attachments: [{ ...file, contentType }] })],
    text: ['Plain', (draft, text) => ({ ...draft, text })],
    html: ['<p>Rich</p>', (draft, html) => ({ ...draft, html })],
  } // biome-ignore format: a table

  let refused = 0
  let built = 0
  for (const [field, [value, put]] of Object.entries(fields)) {
    for (const payload of payloads) {
      for (const text of [
        value + payload,
        payload + value,
        `${value.slice(0, 3)}${payload}${value.slice(3)}`,
      ]) {
        const draft = put(base, text)
        const result = await buildMessage(draft)
        if (result.ok) await expectExactly(draft, result.raw)
        else expect(result.field, JSON.stringify(text)).toBe(field === 'headers.' ? `headers.${text}` : field)
        result.ok ? built++ : refused++
      }
    }
  }
  expect(refused + built).toBe(21 * 52 * 3)
  expect({ refused, built }).toEqual({ refused: 2172, built: 1104 })
})

test('text in any script reads back as written, and the same draft gives the same bytes', async () => {
  const letter = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...'abc XYZ,.;:<>()"\\@=?_\'-&äßéЖ漢字🙂👩‍👧'.split('')) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }) },
  )
  const words = (maxLength: number) =>
    // Text that a header may not contain is refused; the test above covers that.
    fc.string({ unit: letter, maxLength }).filter((text) => safeHeaderText(text) === null)
  const body = fc.string({
    unit: fc.oneof(letter, fc.constantFrom('\n', '\r\n', '.', '--mix', '\t')),
    maxLength: 300,
  })
  const name = fc.option(words(100), { nil: null })
  const email = fc.constantFrom(
    'ann@example.org',
    "o'hara+x@mail.example",
    '=?_{}@example.net',
    `${'l'.repeat(64)}@example.org`,
  )
  const party = fc.record({ email, name })
  const file = fc.record({
    filename: words(80).map((text) => `f${text.replace(/[/\\]/g, '').replace(/=+\?/g, '?')}`),
    contentType: fc.constantFrom('text/plain', 'text/html', 'application/pdf', 'image/png'),
    content: fc.uint8Array({ maxLength: 400 }),
  })
  const drafts = fc.record({
    from: party,
    to: fc.array(party, { maxLength: 6 }),
    cc: fc.array(party, { maxLength: 2 }),
    replyTo: fc.option(party, { nil: null }),
    subject: words(200),
    text: fc.option(
      body.filter((text) => text.isWellFormed()),
      { nil: null },
    ),
    html: body.filter((text) => text.isWellFormed()),
    attachments: fc.array(file, { maxLength: 2 }),
  })
  let longest = 0
  await fc.assert(
    fc.asyncProperty(drafts, async (parts) => {
      const draft: Draft = { ...base, ...parts }
      const result = await buildMessage(draft)
      if (!result.ok) return expect(result.detail).toMatch(/control|separator|bidi|byte order/)
      await expectExactly(draft, result.raw)
      expect(await buildMessage(result.mail)).toEqual(result)
      const lines = asciiOf(result.raw).split('\r\n')
      longest = Math.max(
        longest,
        ...lines.filter((line) => !line.includes('l'.repeat(64))).map((line) => line.length),
      )
    }),
    { numRuns: 400 },
  )
  expect(longest).toBeLessThanOrEqual(78)
})

test('each kind of message has the MIME structure that the standard asks for', async () => {
  const bare = { ...base, cc: [], replyTo: null, headers: {}, attachments: [] }
  const textOf = async (draft: Draft) => {
    const built = await buildMessage(draft)
    if (!built.ok) throw new Error(`${built.field} ${built.detail}`)
    await expectExactly(draft, built.raw)
    return asciiOf(built.raw)
  }
  expect(await textOf({ ...bare, html: null })).toBe(
    [
      'Date: Sun, 01 Mar 2026 09:05:00 +0000',
      'From: "Agent" <agent@example.com>',
      'To: "Ann" <ann@example.org>',
      'Message-ID: <snd_1@mail.example.com>',
      'Subject: Hello',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=UTF-8',
      'Content-Transfer-Encoding: base64',
      '',
      'UGxhaW4=',
      '',
    ].join('\r\n'),
  )
  const both = await textOf(bare)
  expect(both).toContain('Content-Type: multipart/alternative; boundary=alt-snd1mailexamplecom\r\n')
  expect(both.indexOf('text/plain')).toBeLessThan(both.indexOf('text/html'))

  const inline = {
    filename: 'inline attachment.txt',
    contentType: 'text/plain',
    content: new Uint8Array([0, 13, 10, 255]),
  }
  const invite = {
    filename: 'ü'.repeat(100),
    contentType: 'text/calendar',
    content: new TextEncoder().encode('BEGIN\r\nEND\r\n'),
  }
  const mixed = await textOf({
    ...bare,
    attachments: [inline, invite, { ...inline, content: new Uint8Array() }],
  })
  expect(mixed.match(/^--mix-\S+\r$/gm)).toHaveLength(5)
  expect(mixed.match(/^Content-Disposition: attachment/gm)).toHaveLength(3)
  await textOf({ ...bare, text: null, attachments: [inline] })
  await textOf({ ...bare, text: '', html: null, subject: '', to: [], cc: [] })

  const many = Array.from({ length: 60 }, (_, index) => ({
    email: `person.${index}@example.org`,
    name: `Ünal, ${index}`,
  }))
  const long = await textOf({ ...bare, to: many, subject: '🙂'.repeat(499), text: 'x'.repeat(100_000) })
  expect(Math.max(...long.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(76)

  const references = Array.from(
    { length: 40 },
    (_, index) => `<${index}.${'r'.repeat(40)}@example.org>`,
  ).join('  ')
  const threaded = await buildMessage({
    ...bare,
    headers: { References: references, 'X-Note': 'Grüße  =?x' },
  })
  expect(threaded).toMatchObject({
    ok: true,
    mail: { headers: { References: references.replaceAll('  ', ' '), 'X-Note': 'Grüße =?x' } },
  })
})

test('a draft that cannot be sent as given is refused, and the refusal names the field', async () => {
  const own =
    'From sender TO Cc BCC Reply-To Subject Date Message-ID MIME-Version Return-Path Received Received-SPF Delivered-To ' +
    'Authentication-Results DKIM-Signature ARC-Seal Content-Type Content-Disposition content-anything Resent-To ' +
    'Apparently-To Envelope-To Errors-To Return-Receipt-To Disposition-Notification-To X-SMTPAPI X-SES-Source-Arn ' +
    'X-Mailgun-Recipient-Variables X-MC-BccAddress X-PM-Message-Stream'
  for (const name of own.split(' ')) {
    const detail = 'is not for the caller to set'
    expect(await buildMessage({ ...base, headers: { [name]: 'x' } })).toEqual({
      ok: false,
      field: `headers.${name}`,
      detail,
    })
  }
  const cases: [string, Partial<Draft>][] = [
    ['to', { to: [], cc: [], bcc: [] }],
    [
      'to[1].email',
      {
        to: [
          { email: 'a@b.co', name: null },
          { email: 'a@b.co, c@d.co', name: null },
        ],
      },
    ],
    ['to[0].name', { to: [{ email: 'a@b.co', name: 'n'.repeat(257) }] }],
    ['subject', { subject: 's'.repeat(999) }],
    ['text', { text: null, html: null }],
    ['html', { html: 'a\0b' }],
    ['date', { date: new Date(Number.NaN) }],
    ['messageId', { messageId: '<a@b.co>' }],
    ['messageId', { messageId: `${'i'.repeat(250)}@b.co` }],
    ['headers.X Y', { headers: { 'X Y': '1' } }],
    ['headers.__proto__', { headers: JSON.parse('{"__proto__":"1"}') }],
    ['headers.x-a', { headers: { 'X-A': '1', 'x-a': '2' } }],
    ['headers.X-Empty', { headers: { 'X-Empty': ' ' } }],
    ['headers.List-Id', { headers: { 'List-Id': '<ü>' } }],
    ['headers.List-Unsubscribe', { headers: { 'List-Unsubscribe': `<https://e.co/${'u'.repeat(900)}>` } }],
    ['headers.X-Long', { headers: { 'X-Long': 'x '.repeat(4_001) } }],
    [
      'attachments[0].filename',
      { attachments: [{ filename: '../a', contentType: 'text/plain', content: new Uint8Array() }] },
    ],
    [
      'attachments[0].contentType',
      { attachments: [{ filename: 'a', contentType: 'message/rfc822', content: new Uint8Array() }] },
    ],
  ]
  for (const [field, parts] of cases)
    expect(await buildMessage({ ...base, ...parts }), field).toMatchObject({ ok: false, field })
})

const asciiOf = (raw: Uint8Array) => new TextDecoder('latin1').decode(raw)

/** Reads the bytes twice, with a parser and line by line, and compares both with the draft. */
async function expectExactly(draft: Draft, raw: Uint8Array) {
  const text = asciiOf(raw)
  expect(text).not.toContain('hidden.example')
  expect(text).toMatch(/^[\u0020-\u007e\r\n]+\r\n$/)
  expect(text.split('\r\n').find((line) => /[\r\n]/.test(line) || line.length > 998)).toBeUndefined()
  const lines = text.slice(0, text.indexOf('\r\n\r\n')).replace(/\r\n /g, ' ').split('\r\n')
  const intended = [
    'Date', 'From', ...(draft.replyTo ? ['Reply-To'] : []), ...(draft.to.length ? ['To'] : []), ...(draft.cc.length ? ['Cc'] : []),
    'Message-ID', ...(draft.subject.trim() ? ['Subject'] : []), ...Object.keys(draft.headers), 'MIME-Version', 'Content-Type',
    ...(draft.attachments?.length || (draft.text !== null && draft.html !== null) ? [] : ['Content-Transfer-Encoding']),
  ] // biome-ignore format: a table
  expect(lines.map((line) => line.slice(0, line.indexOf(':')))).toEqual(intended)

  const addressesIn = (name: string) =>
    (lines.find((line) => line.startsWith(`${name}: `)) ?? `${name}: `)
      .slice(name.length + 2)
      .replace(/"(?:[^"\\]|\\.)*"/g, '')
      .split(',')
      .map((one) => one.trim().replace(/^.*<([^<>]*)>$/, '$1'))
      .filter((one) => one !== '')
  const emails = (parties: Party[]) => parties.map((party) => party.email)
  expect(addressesIn('From')).toEqual([draft.from.email])
  expect(addressesIn('To')).toEqual(emails(draft.to))
  expect(addressesIn('Cc')).toEqual(emails(draft.cc))
  expect(addressesIn('Reply-To')).toEqual(draft.replyTo ? [draft.replyTo.email] : [])

  const read = await PostalMime.parse(raw)
  const parties = (list: Party[]) =>
    list.map(({ email, name }) => ({ address: email, name: name?.trim() ?? '' }))
  expect(read.headers.map(({ originalKey }) => originalKey)).toEqual(intended)
  expect([read.from]).toEqual(parties([draft.from]))
  expect(read.to ?? []).toEqual(parties(draft.to))
  expect(read.cc ?? []).toEqual(parties(draft.cc))
  expect(read.replyTo ?? []).toEqual(draft.replyTo ? parties([draft.replyTo]) : [])
  expect(read.bcc).toBeUndefined()
  expect(read.subject ?? '').toBe(draft.subject.trim())
  const unix = (body: string | null | undefined) => (body ?? '').replace(/\r\n?/g, '\n')
  expect(unix(read.text)).toBe(unix(draft.text).replace(/^\ufeff+/, ''))
  expect(unix(read.html)).toBe(unix(draft.html).replace(/^\ufeff+/, ''))
  expect(read.attachments.map((file) => file.filename)).toEqual(
    (draft.attachments ?? []).map((file) => file.filename.trim()),
  )
}
