import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BUDGET } from '../../src/core/reading/mime/budget.ts'
import { readMail } from '../../src/core/reading/mime/mail.ts'

const HOP = { authservIds: ['mx.cloudflare.net'] }
const MIB = 1024 * 1024

/** The field that our receiving server adds at the top of every message. */
const RECEIVED =
  'Received: from out.good.test (192.0.2.7)\r\n        by cloudflare-email.net (cloudflare) id x7 for <a@agents.test>; Sun, 1 Mar 2026 09:05:00 +0000'
const VERDICT =
  'Authentication-Results: mx.cloudflare.net;\r\n\tdkim=pass header.d=good.test header.s=s1 header.b=oWz3;\r\n\tdmarc=pass header.from=good.test policy.dmarc=reject;\r\n\tspf=none (mx.cloudflare.net: no records for postmaster@out.good.test) smtp.helo=out.good.test;\r\n\tspf=pass (mx.cloudflare.net: domain of ann@good.test designates 192.0.2.7 as permitted sender) smtp.mailfrom=ann@good.test;\r\n\tarc=none smtp.remote-ip=192.0.2.7'
const REST = [
  'To: Agent <a@agents.test>',
  'Subject: Hello',
  'Date: Sun, 1 Mar 2026 09:05:00 +0000',
  'Message-ID: <m1@good.test>',
]

const octets = (text: string) => new TextEncoder().encode(text)
const latin = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))
const base64 = (text: string) => btoa(String.fromCharCode(...octets(text)))
const read = (raw: string | Uint8Array) => readMail(typeof raw === 'string' ? octets(raw) : raw, HOP)
const message = (...lines: string[]) => octets(lines.join('\r\n'))
/** A message as our receiving server hands it on: its own two fields, then the sender's message. */
const delivered = (...lines: string[]) => message(RECEIVED, VERDICT, ...lines)
const from = (value: string) => delivered(`From: ${value}`, ...REST, '', 'Hi')

test("an ordinary message is read completely, and its author is authenticated by the author's domain", async () => {
  const mail = await read(
    delivered(
      'From: =?utf-8?Q?Ann_M=C3=BCller?= <Ann@Good.test>',
      'To: Agent <a@agents.test>, "Ops, the" <ops@agents.test>, undisclosed:;',
      'Cc: Team: bob@good.test, "Carla" <carla@good.test>;, nonsense, a@agents.test',
      'Reply-To: <desk@good.test>',
      'Subject: =?utf-8?B?R3LDvMOfZSA=?= =?utf-8?B?8J+Rqw==?=',
      ' and more',
      'Date: Sun, 1 Mar 2026 10:05:00 +0100 (CET)',
      'Message-ID: <m2@good.test>',
      'In-Reply-To: <m1@agents.test>',
      'References: <m0@agents.test> <not valid> <m1@agents.test>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="out er"',
      '',
      'Preamble.',
      '--out er',
      'Content-Type: multipart/related; boundary=rel (a comment)',
      '',
      '--rel',
      'Content-Type: multipart/alternative; boundary="=_alt"',
      '',
      '--=_alt',
      'Content-Type: text/plain; charset=iso-8859-1',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Gr=FC=DFe aus=20=',
      ' K=F6ln=',
      '',
      '--=_alt',
      'Content-Type: text/html; charset=utf-8',
      'Content-Transfer-Encoding: base64',
      '',
      base64('<p>Grüße <img src="cid:logo@good.test"></p>'),
      '--=_alt--',
      '--rel',
      'Content-Type: image/png',
      'Content-Transfer-Encoding: base64',
      'Content-ID: <logo@good.test>',
      '',
      'iVBORw==',
      '--rel--',
      '--out er ',
      'Content-Type: application/pdf; name="x.pdf"',
      'Content-Disposition: attachment; filename*0*=utf-8\'\'%c3%9cber; filename*1="sicht.pdf"',
      'Content-Transfer-Encoding: BASE64',
      '',
      'JVBE\r\nRg==',
      '--out er',
      'Content-Type: text/plain; name=notes.txt',
      'Content-Disposition: attachment; filename="..\\..\\notes.txt"',
      '',
      'a note',
      '--out er',
      'Content-Type: message/rfc822',
      '',
      'From: other@elsewhere.test',
      'Content-Type: multipart/mixed; boundary=in',
      '',
      '--in',
      '',
      'Inner text',
      '--in--',
      '--out er--',
      'Epilogue.',
    ),
  )
  expect(mail).toMatchObject({
    messageId: 'm2@good.test',
    inReplyTo: 'm1@agents.test',
    references: ['m0@agents.test', 'm1@agents.test'],
    date: new Date('2026-03-01T09:05:00Z'),
    from: { email: 'Ann@good.test', name: 'Ann Müller' },
    claimedFrom: 'Ann Müller <Ann@Good.test>',
    replyTo: [{ email: 'desk@good.test', name: null }],
    to: [
      { email: 'a@agents.test', name: 'Agent' },
      { email: 'ops@agents.test', name: 'Ops, the' },
    ],
    cc: [
      { email: 'bob@good.test', name: null },
      { email: 'carla@good.test', name: 'Carla' },
      { email: 'a@agents.test', name: null },
    ],
    subject: 'Grüße 👫 and more',
    isTruncated: false,
    ambiguities: [],
    authentication: {
      spf: 'pass',
      dkim: 'pass',
      dmarc: 'pass',
      fromDomain: 'good.test',
      isFromAuthenticated: true,
    },
    automatic: { isAutomatic: false, reason: null },
    unreadable: null,
  })
  expect(mail.text?.trim()).toBe('Grüße aus  Köln')
  expect(mail.html?.trim()).toBe('<p>Grüße <img src="cid:logo@good.test"></p>')
  expect(mail.files.map(({ content, ...file }) => ({ ...file, text: new TextDecoder('latin1').decode(content) }))).toEqual([
    { filename: 'unnamed', contentType: 'image/png', size: 4, contentId: 'logo@good.test', isInline: true, text: '\u2030PNG' },
    { filename: 'Übersicht.pdf', contentType: 'application/pdf', size: 4, contentId: null, isInline: false, text: '%PDF' },
    { filename: 'notes.txt', contentType: 'text/plain', size: 6, contentId: null, isInline: false, text: 'a note' },
    {
      filename: 'message.eml', contentType: 'message/rfc822', size: 122, contentId: null, isInline: false,
      text: 'From: other@elsewhere.test\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\nInner text\r\n--in--'.padEnd(122).trimEnd(),
    },
  ].map((file) => ({ ...file, size: file.text.length }))) // biome-ignore format: a table
})

test('bodies in every structure and encoding are read, and broken ones are shown rather than lost', async () => {
  const head = ['From: ann@good.test', ...REST]
  const bodies: [lines: string[], text: string | null, html: string | null, files: number][] = [
    [['', 'Plain\r\ntext'], 'Plain\ntext', null, 0],
    [['X-End: 1'], null, null, 0],
    [['', ' '], null, null, 0],
    [['Content-Type: text/html', '', '<b>Rich</b>'], null, '<b>Rich</b>', 0],
    [['Content-Type: text/html charset=utf-8', '', '<b>ü</b>'], null, '<b>ü</b>', 0],
    [['Content-Type: nonsense', '', 'Hi'], 'Hi', null, 0],
    [['Content-Type: text/plain; charset=utf-8; format=flowed; delsp=no', '', 'one \r\ntwo'], 'one two', null, 0],
    [['Content-Type: text/plain; charset=iso-2022-jp', '', '\x1b$B$3$s\x1b(B'], 'こん', null, 0],
    [['Content-Type: text/plain; charset=x-unheard-of', '', 'Hi'], 'Hi', null, 0],
    [['Content-Type: text/plain', 'Content-Transfer-Encoding: base64', '', 'YQ==YmM=\r\nZA'], 'abcd', null, 0],
    [['Content-Type: text/plain', 'Content-Transfer-Encoding: base64', '', 'a*b!c?d'], 'i\ufffd\u001d', null, 0],
    [['Content-Transfer-Encoding: quoted-printable', '', 'a=3Db=zz=\r\nc=4'], 'a=b=zzc=4', null, 0],
    [['Content-Transfer-Encoding: x-uuencode', '', 'begin 644 a'], 'begin 644 a', null, 0],
    [['Content-Type: multipart/mixed; boundary=b', '', 'No delimiter'], 'No delimiter', null, 0],
    [['Content-Type: multipart/mixed', '', '--b\r\n\r\nHi'], '--b\n\nHi', null, 0],
    [['Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'Cut short'], 'Cut short', null, 0],
    [['Content-Type: multipart/mixed; boundary=b', '', 'Only this', '--b--'], 'Only this', null, 0],
    [['Content-Type: multipart/mixed; boundary=b', '', '--b', 'Content-Type: text/html'], null, null, 0],
    [['Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'One', '--bb', '--b', '', 'Two', '--b--'], 'One\n--bb\nTwo', null, 0],
    [['Content-Type: multipart/mixed; boundary=b; boundary=c', '', '--b', '', 'One', '--b--'], 'One', null, 0],
    [['Content-Type: multipart/alternative; boundary=b', '', '--b', 'Content-Type: text/calendar', '', 'BEGIN:VCALENDAR', '--b--'], null, null, 1],
    [['Content-Type: multipart/digest; boundary=b', '', '--b', '', 'From: x@y.test', '', 'Inner', '--b--'], null, null, 1],
    [['Content-Type: text/plain; name=a.txt', 'Content-Disposition: inline; filename=a.txt', '', 'Hi'], 'Hi', null, 0],
    [['Content-Type: application/pdf', '', '%PDF'], null, null, 1],
  ] // biome-ignore format: a table
  for (const [lines, text, html, files] of bodies) {
    const mail = await read(message(...head, ...lines))
    const label = lines.join('\n')
    expect({ text: mail.text?.trim() || null, html: mail.html?.trim() || null }, label).toEqual({
      text,
      html,
    })
    expect(mail.files, label).toHaveLength(files)
    expect(mail.unreadable, label).toBeNull()
  }

  // An HTML body with a plain-text footer: the footer alone is not the text of the mail, so text is null.
  const listed = await read(
    message(
      ...head,
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b\r\nContent-Type: text/html\r\n\r\n<p>Body</p>\r\n--b\r\n\r\nFooter <b>\r\n--b--',
    ),
  )
  expect(listed).toMatchObject({ text: null, html: '<p>Body</p>\n<pre>Footer &lt;b&gt;</pre>' })

  const unix = await read('From: ann@good.test\nSubject: Hi\nTo: a@agents.test\n\nA\nB\n')
  expect(unix).toMatchObject({
    subject: 'Hi',
    ambiguities: [],
    text: 'A\nB\n',
    from: { email: 'ann@good.test' },
  })
})

test('the author is read from every common form of the From field', async () => {
  const forms: [value: string, name: string | null][] = [
    ['ann@good.test', null],
    ['<ann@good.test>', null],
    [' ann@good.test ', null],
    ['Ann <ann@good.test>', 'Ann'],
    ['"Ann" <ann@good.test>', 'Ann'],
    ['Ann Lee <ann@good.test>', 'Ann Lee'],
    ['"Lee, Ann" <ann@good.test>', 'Lee, Ann'],
    ['"Ann \\"A\\" Lee" <ann@good.test>', 'Ann "A" Lee'],
    ['"Lee (Ann)" <ann@good.test>', 'Lee (Ann)'],
    ['"ann@good.test" <ann@good.test>', null],
    ['ANN@GOOD.TEST <ann@good.test>', 'ANN@GOOD.TEST'],
    ["'ann@good.test' <ann@good.test>", "'ann@good.test'"],
    ['ann@good.test (Ann Lee)', 'Ann Lee'],
    ['=?utf-8?q?Ann?= =?utf-8?q?_Lee?= <ann@good.test>', 'Ann Lee'],
    ['"=?utf-8?B?w4RubmU=?=" <ann@good.test>', 'Änne'],
    ['Änne Müller <ann@good.test>', 'Änne Müller'],
    ['آن <ann@good.test>', 'آن'],
    ['Ann 👩‍💻 <ann@good.test>', 'Ann 👩‍💻'],
    ['Ann\r\n Lee\r\n <ann@good.test>', 'Ann Lee'],
    ['\r\n Ann <ann@good.test>', 'Ann'],
    ['Dr. Ann <ann@good.test>', 'Dr. Ann'],
    ['Ann @ Good <ann@good.test>', 'Ann @ Good'],
  ]
  for (const [value, name] of forms) {
    const mail = await read(from(value))
    expect({ ...mail.from, found: mail.ambiguities }, value).toEqual({
      email: 'ann@good.test',
      name,
      found: [],
    })
    expect(mail.authentication.isFromAuthenticated, value).toBe(true)
  }
})

test('a message that mail programs may read differently is marked ambiguous and never authenticated, and has no author if From is ambiguous', async () => {
  const word = (text: string) => `=?utf-8?B?${base64(text)}?=`
  // The verdict always says that good.test passed, but the check may have read another author than we do.
  const authors: [from: string, code: string][] = [
    ['', 'no_from'],
    ['""', 'malformed_address'],
    ['Ann', 'refused_address'],
    ['<>', 'malformed_address'],
    ['ann@good.test, eve@evil.test', 'several_from'],
    ['eve@evil.test, ann@good.test', 'several_from'],
    ['Ann <ann@good.test>, <ann@good.test>', 'several_from'],
    ['ann@good.test; eve@evil.test', 'several_from'],
    ['Lee, Ann <ann@good.test>', 'several_from'],
    ['Team: ann@good.test;', 'group_in_from'],
    ['ann@good.test:;', 'group_in_from'],
    ['Team:;', 'group_in_from'],
    ['A: B: ann@good.test;;', 'group_in_from'],
    ['"a@evil.test x"@good.test', 'quoted_local_part'],
    ['"ann"@good.test', 'quoted_local_part'],
    ['Ann <"ann"@good.test>', 'quoted_local_part'],
    ['<"ann@evil.test"@good.test>', 'quoted_local_part'],
    ['"ann@good.test" eve@evil.test', 'malformed_address'],
    ['ann@good.test <eve@evil.test>', 'address_in_name'],
    ['"ann@evil.test" <ann@good.test>', 'address_in_name'],
    ['"ann＠evil.test" <ann@good.test>', 'address_in_name'],
    ['"<ann@evil.test>" <ann@good.test>', 'address_in_name'],
    ['"Ann [ann@evil.test]" <ann@good.test>', 'address_in_name'],
    [`${word('eve@evil.test')} <ann@good.test>`, 'address_in_name'],
    [`${word('"Eve" <eve@evil.test>, ')} <ann@good.test>`, 'address_in_name'],
    ['=?utf-8?q?eve=40evil.test?= <ann@good.test>', 'address_in_name'],
    ['"=?utf-8?q?eve=40evil.test?=" <ann@good.test>', 'address_in_name'],
    ['ann@good.test (eve@evil.test)', 'address_in_name'],
    ['<ann@good.test> eve@evil.test', 'malformed_address'],
    ['<ann@good.test> Ann', 'malformed_address'],
    ['Ann <ann@good.test> <eve@evil.test>', 'malformed_address'],
    ['<<ann@good.test>>', 'malformed_address'],
    ['<eve@evil.test <ann@good.test>', 'malformed_address'],
    ['Ann ann@good.test', 'malformed_address'],
    ['ann@good.test eve@evil.test', 'malformed_address'],
    ['<ann @good.test>', 'malformed_address'],
    ['ann@ good.test', 'malformed_address'],
    ['<ann@\r\n good.test>', 'malformed_address'],
    ['<@evil.test:ann@good.test>', 'route_address'],
    ['<@a.test,@b.test:ann@good.test>', 'route_address'],
    ['(eve@evil.test) ann@good.test', 'comment_in_address'],
    ['ann(x)@good.test', 'comment_in_address'],
    ['ann@(evil.test)good.test', 'comment_in_address'],
    ['<ann@good.test(.evil.test)>', 'comment_in_address'],
    [`<${word('eve@evil.test')}>`, 'encoded_address'],
    [word('eve@evil.test'), 'encoded_address'],
    [word('Eve <eve@evil.test>'), 'encoded_address'],
    [`Ann <${word('ann')}@good.test>`, 'encoded_address'],
    [`<ann@${word('good.test')}>`, 'encoded_address'],
    ['<=?utf-8?q?ann=40evil.test?=@good.test>', 'encoded_address'],
    ['ann@good.test@evil.test', 'refused_address'],
    ['ann@good', 'refused_address'],
    ['ann@good.test.', 'refused_address'],
    ['ann@.good.test', 'refused_address'],
    ['.ann@good.test', 'refused_address'],
    ['ann..lee@good.test', 'refused_address'],
    ['ann@[192.0.2.1]', 'refused_address'],
    ['änn@good.test', 'refused_address'],
    ['ann@good\u200b.test', 'refused_address'],
    ['ann@ｇｏｏｄ.test', 'refused_address'],
    ['ann\\@evil.test@good.test', 'refused_address'],
    [`${'a'.repeat(65)}@good.test`, 'refused_address'],
    ['ann@gооd.test', 'mixed_script_domain'],
    ['ann@xn--gd-emca.test', 'mixed_script_domain'],
    ['"Ann <ann@good.test>', 'open_quote_in_from'],
    ['Ann (ann@good.test', 'open_quote_in_from'],
    ['Ann <ann@good.test', 'open_quote_in_from'],
    ['Ann\u202e <ann@good.test>', 'invisible_in_name'],
    ['A\u200bnn <ann@good.test>', 'invisible_in_name'],
    ['A\u200dnn <ann@good.test>', 'invisible_in_name'],
    [`${word('\u2066Ann')} <ann@good.test>`, 'invisible_in_name'],
    [`${word('Ann\r\nBcc: x')} <ann@good.test>`, 'control_in_name'],
    [`${word('A\0nn')} <ann@good.test>`, 'control_in_name'],
    [`${word(word('eve@evil.test'))} <ann@good.test>`, 'nested_encoding'],
    [`${'x '.repeat(1_500)}<ann@good.test>`, 'malformed_address'],
  ]
  const wrong: unknown[] = []
  for (const [value, code] of authors) {
    const mail = await read(from(value))
    const isMarked = mail.ambiguities.some((found) => found === code)
    const isShown = !/[\p{Cc}\u202e\u200b\u2066]/u.test(mail.claimedFrom) && mail.unreadable === null
    const isTrusted = mail.from !== null || mail.authentication.isFromAuthenticated
    if (!isMarked || isTrusted || !isShown) wrong.push([value, code, mail.ambiguities, mail.from])
  }
  expect(wrong).toEqual([])

  const plain = ['From: ann@good.test', ...REST]
  const others: [code: string, hasAuthor: boolean, raw: Uint8Array][] = [
    ['repeated_from', false, delivered('From: eve@evil.test', ...plain, '', 'Hi')],
    ['repeated_from', false, delivered(...plain, 'FROM: ann@good.test', '', 'Hi')],
    ...['Sender: a@good.test', 'Reply-To: a@good.test', 'To: b@agents.test', 'Cc: b@agents.test', 'Date: now', 'Subject: x', 'Message-ID: <x@y>', 'In-Reply-To: <x@y>', 'References: <x@y>', 'MIME-Version: 1.0']
      .map((field): [string, boolean, Uint8Array] => [
        `repeated_${field.replace(/:.*/, '').toLowerCase()}`, true, delivered(...plain, field, field, '', 'Hi'),
      ]),
    ['nul', false, delivered(...plain, 'X-A: a\0b', '', 'Hi')],
    ['nul', false, delivered('From: ann@good.test\0.evil.test', ...REST, '', 'Hi')],
    ['control_character', false, delivered(...plain, 'X-A: a\x07b', '', 'Hi')],
    ['control_character', false, delivered(...plain, 'X-A: a\x0bb', '', 'Hi')],
    ['eight_bit_junk', false, latin(new TextDecoder().decode(delivered('From: "M\xfcller" <ann@good.test>', ...REST, '', 'Hi')))],
    ['eight_bit_junk', false, latin(new TextDecoder().decode(delivered(...plain, 'X-A: \xff', '', 'Hi')))],
    ['bare_line_break', false, delivered(...plain, 'X-A: a\nFrom: eve@evil.test', '', 'Hi')],
    ['bare_line_break', false, delivered(...plain, 'X-A: a\rFrom: eve@evil.test', '', 'Hi')],
    ['bare_line_break', false, delivered(...plain, 'X-A: a\r\r\nX-B: b', '', 'Hi')],
    ['bare_line_break', false, delivered(...plain, 'X-A: a\n\nFrom: eve@evil.test', '', 'Hi')],
    ['obsolete_folding', false, delivered('From: ann@good.test', ' ', ' <eve@evil.test>', ...REST, '', 'Hi')],
    ['obsolete_folding', false, delivered(...plain, 'X-A: a', '\t', 'From: eve@evil.test', '', 'Hi')],
    ['space_before_colon', false, delivered('From : eve@evil.test', ...REST, '', 'Hi')],
    ['space_before_colon', false, delivered(...plain, 'From\t: eve@evil.test', '', 'Hi')],
    ['malformed_header', false, delivered(...plain, 'no colon here', '', 'Hi')],
    ['malformed_header', false, delivered(...plain, 'Fr om: eve@evil.test', '', 'Hi')],
    ['malformed_header', false, delivered(...plain, '\ufeffFrom: eve@evil.test', '', 'Hi')],
    ['malformed_header', false, delivered(...plain, 'Fr\u200bom: eve@evil.test', '', 'Hi')],
    ['malformed_header', false, delivered(...plain, ': eve@evil.test', '', 'Hi')],
    ['malformed_header', false, message(' folded first', RECEIVED, VERDICT, ...plain, '', 'Hi')],
    ['control_in_subject', true, delivered('From: ann@good.test', 'Subject: =?utf-8?q?a=0D=0AFrom:_eve?=', '', 'Hi')],
    ['contradictory_parts', true, delivered(...plain, 'Content-Type: text/plain', 'Content-Type: text/html', '', 'Hi')],
    ['contradictory_parts', true, delivered(...plain, 'Content-Type: multipart/mixed; boundary=b', '', '--b', 'Content-Transfer-Encoding: 7bit', 'Content-Transfer-Encoding: base64', '', 'SGk=', '--b--')],
  ] // biome-ignore format: a table
  for (const [code, hasAuthor, raw] of others) {
    const mail = await read(raw)
    const isMarked = mail.ambiguities.some((found) => found === code)
    const isRight = isMarked && !mail.authentication.isFromAuthenticated && (mail.from !== null) === hasAuthor
    if (!isRight)
      wrong.push([code, new TextDecoder().decode(raw.subarray(-120)), mail.ambiguities, mail.from])
  }
  expect(wrong).toEqual([])
  expect(authors.length + others.length).toBeGreaterThan(80)
})

test('verdicts are read from the field of our own receiving server, in every valid spelling', async () => {
  const plain = ['From: ann@good.test', ...REST, '', 'Hi']
  const all =
    'spf=pass smtp.mailfrom=ann@good.test; dkim=pass header.d=good.test; dmarc=pass header.from=good.test'
  const passed = {
    spf: 'pass',
    dkim: 'pass',
    dmarc: 'pass',
    fromDomain: 'good.test',
    isFromAuthenticated: true,
  }
  const ours = [
    `Authentication-Results: mx.cloudflare.net; ${all}`,
    `AUTHENTICATION-RESULTS:MX.Cloudflare.NET;${all}`,
    `Authentication-Results: mx.cloudflare.net 1; ${all}`,
    `Authentication-Results: "mx.cloudflare.net"; ${all}`,
    `Authentication-Results: (the (nested) hop) mx.cloudflare.net (1) ; ${all}`,
    `Authentication-Results:\r\n mx.cloudflare.net;\r\n ${all.replaceAll('; ', ';\r\n\t')};`,
    `Authentication-Results: mx.cloudflare.net; ${all.replaceAll('=', ' = ').replaceAll('.', ' . ').replace('good . test', 'good.test').replace('ann@good . test', 'ann@good.test').replaceAll('good . test', 'good.test')}`,
    `Authentication-Results: mx.cloudflare.net; ${all.replaceAll('=pass', '=PASS').replaceAll('good.test', 'Good.TEST')}`,
    `Authentication-Results: mx.cloudflare.net; ${all.replaceAll('pass', 'pass (it; did = so)')}`,
    `Authentication-Results: mx.cloudflare.net; ${all.replace('dkim=', 'dkim/1=').replaceAll('pass ', 'pass reason="good; very \\"good\\"" ')}`,
    `Authentication-Results: mx.cloudflare.net; ${all.replaceAll('=good.test', '="good.test"')}`,
    `Authentication-Results: mx.cloudflare.net; spf=none smtp.helo=x.test; ${all}; arc=none; x-new=odd a.b=c; dkim=fail header.d=other.test`,
    `Authentication-Results: elsewhere.test; dkim=fail\r\nAuthentication-Results: mx.cloudflare.net; ${all}`,
  ]
  for (const field of ours) {
    expect((await read(message(field, ...plain))).authentication, field).toEqual(passed)
    expect((await read(message(RECEIVED, field, ...plain))).authentication, field).toEqual(passed)
  }

  const verdict = (results: string, author = 'ann@good.test') =>
    read(
      message(
        RECEIVED,
        `Authentication-Results: mx.cloudflare.net; ${results}`,
        `From: ${author}`,
        ...REST,
        '',
        'Hi',
      ),
    ).then(({ authentication: { spf, dkim, dmarc, isFromAuthenticated } }) =>
      [spf, dkim, dmarc, isFromAuthenticated ? 'yes' : 'no'].join(' '),
    )
  expect({
    none: await verdict('none'),
    'spf alone': await verdict('spf=pass smtp.mailfrom=ann@good.test'),
    'dkim alone': await verdict('dkim=pass header.d=good.test'),
    'dkim by identity': await verdict('dkim=pass header.i=@good.test'),
    'dkim of another': await verdict('dkim=pass header.d=evil.test'),
    'dkim of a lookalike': await verdict('dkim=pass header.d=notgood.test'),
    'dkim of the end of the name': await verdict('dkim=pass header.d=ood.test'),
    'dkim of a suffix': await verdict('dkim=pass header.d=test'),
    'dkim of the parent': await verdict('dkim=pass header.d=good.test', 'ann@mail.good.test'),
    'dkim of a child': await verdict('dkim=pass header.d=mail.good.test'),
    'dkim without a domain': await verdict('dkim=pass'),
    'dkim failed': await verdict('dkim=fail header.d=good.test'),
    'second signature': await verdict('dkim=fail header.d=a.test; dkim=pass header.d=good.test'),
    'dmarc alone': await verdict('dmarc=pass header.from=good.test'),
    'dmarc of another': await verdict('dmarc=pass header.from=evil.test'),
    'dmarc without a domain': await verdict('dmarc=pass'),
    'dmarc twice': await verdict('dmarc=fail header.from=good.test; dmarc=pass header.from=good.test'),
    'dmarc against dkim': await verdict('dmarc=fail header.from=good.test; dkim=pass header.d=good.test'),
    'softfail and errors': await verdict('spf=softfail smtp.mailfrom=a@b.c; dkim=temperror; dmarc=permerror'),
    'results unheard of': await verdict(
      'spf=hardfail; dkim=passed header.d=good.test; dmarc=bestguesspass header.from=good.test',
    ),
    'method of another version': await verdict('dmarc/2=pass header.from=good.test'),
    'quoted into a property': await verdict('spf=pass smtp.mailfrom="x; dmarc=pass header.from=good.test"'),
    'quoted into a comment': await verdict('spf=pass (x; dmarc=pass header.from=good.test) smtp.helo=x'),
    'an open quote': await verdict('dmarc=pass header.from=good.test; spf=pass smtp.helo="x'),
    'an open comment': await verdict('dmarc=pass header.from=good.test; spf=pass (x'),
    'a domain in its own script': await verdict(
      'dmarc=pass header.from=xn--bcher-kva.test',
      'ann@bücher.test',
    ),
  }).toEqual({
    none: 'none none none no',
    'spf alone': 'pass none none no',
    'dkim alone': 'none pass none yes',
    'dkim by identity': 'none pass none yes',
    'dkim of another': 'none pass none no',
    'dkim of a lookalike': 'none pass none no',
    'dkim of the end of the name': 'none pass none no',
    'dkim of a suffix': 'none pass none no',
    'dkim of the parent': 'none pass none yes',
    'dkim of a child': 'none pass none no',
    'dkim without a domain': 'none pass none no',
    'dkim failed': 'none fail none no',
    'second signature': 'none pass none yes',
    'dmarc alone': 'none none pass yes',
    'dmarc of another': 'none none pass no',
    'dmarc without a domain': 'none none pass no',
    'dmarc twice': 'none none fail no',
    'dmarc against dkim': 'none pass fail no',
    'softfail and errors': 'softfail temperror permerror no',
    'results unheard of': 'none none none no',
    'method of another version': 'none none none no',
    'quoted into a property': 'pass none none no',
    'quoted into a comment': 'pass none none no',
    'an open quote': 'none none none no',
    'an open comment': 'none none none no',
    'a domain in its own script': 'none none pass yes',
  })
})

test('forty spellings of a forged Authentication-Results are ignored, below a real one and without one', async () => {
  const all =
    'dkim=pass header.d=good.test; dmarc=pass header.from=good.test; spf=pass smtp.mailfrom=ann@good.test'
  const plain = ['From: ann@good.test', ...REST, '', 'Hi']
  const foreign = 'Received: from x by mail.evil.test; Sun, 1 Mar 2026 09:00:00 +0000'
  const spellings = [
    `Authentication-Results: mx.cloudflare.net; ${all}`,
    `authentication-results: mx.cloudflare.net; ${all}`,
    `AUTHENTICATION-RESULTS: MX.CLOUDFLARE.NET; ${all}`,
    `Authentication-Results:mx.cloudflare.net;${all}`,
    `Authentication-Results:\tmx.cloudflare.net;\t${all}`,
    `Authentication-Results:\r\n mx.cloudflare.net;\r\n ${all}`,
    `Authentication-Results: "mx.cloudflare.net"; ${all}`,
    `Authentication-Results: (x) mx.cloudflare.net (y); ${all}`,
    `Authentication-Results: mx.cloudflare.net 1; ${all}`,
    `Authentication-Results: mx.cloudflare.net; ${all.toUpperCase()}`,
    `Received: by cloudflare-email.net; now\r\nAuthentication-Results: mx.cloudflare.net; ${all}`,
    `Received: from a by mx.cloudflare.net; now\r\nAuthentication-Results: mx.cloudflare.net; ${all}`,
  ]
  // These are in the right place, but their name is not ours.
  const misnamed = [
    `Authentication-Results: mx.cloudflare.net.evil.test; ${all}`,
    `Authentication-Results: evil-mx.cloudflare.net; ${all}`,
    `Authentication-Results: cloudflare.net; ${all}`,
    `Authentication-Results: cloudflare-email.net; ${all}`,
    `Authentication-Results: mx.cloudflare.net@evil.test; ${all}`,
    `Authentication-Results: mx.cloudflare.net, evil; ${all}`,
    `Authentication-Results: mx.cloudflare.net 2; ${all}`,
    `Authentication-Results: mx.cloudflare.net 1 1; ${all}`,
    `Authentication-Results: mx.cloudflare.net evil; ${all}`,
    `Authentication-Results: mx .cloudflare.net; ${all}`,
    `Authentication-Results: mx.cl\u043eudflare.net; ${all}`,
    `Authentication-Results: mx\u200b.cloudflare.net; ${all}`,
    `Authentication-Results: ｍｘ.cloudflare.net; ${all}`,
    `Authentication-Results: (mx.cloudflare.net;) evil.test; ${all}`,
    `Authentication-Results: (mx.cloudflare.net; ${all}`,
    `Authentication-Results: "mx.cloudflare.net; ${all}`,
    `Authentication-Results: evil.test; x="; mx.cloudflare.net; ${all}"`,
    `Authentication-Results: =?utf-8?q?mx.cloudflare.net?=; ${all}`,
    `Authentication-Results: mx.cloudflare.net ${all}`,
    `Authentication-Results: ; mx.cloudflare.net; ${all}`,
    `Authentication-Results: ${all}`,
    `Authentication-Results: mx.cloudflare.net=pass; ${all}`,
    `Authentication-Results : mx.cloudflare.net; ${all}`,
    `ARC-Authentication-Results: i=1; mx.cloudflare.net; ${all}`,
    `X-Authentication-Results: mx.cloudflare.net; ${all}`,
    `Authentication-Results-Original: mx.cloudflare.net; ${all}`,
    `Authentication_Results: mx.cloudflare.net; ${all}`,
    `X-A: b\r\n Authentication-Results: mx.cloudflare.net; ${all}`,
  ]
  const nothing = {
    spf: 'none',
    dkim: 'none',
    dmarc: 'none',
    fromDomain: 'good.test',
    isFromAuthenticated: false,
  }
  const failed = { ...nothing, dkim: 'fail', dmarc: 'fail' }
  const real =
    'Authentication-Results: mx.cloudflare.net; dkim=fail header.d=good.test; dmarc=fail header.from=good.test'
  for (const forged of [...spellings, ...misnamed]) {
    const isOdd = forged.startsWith('Authentication-Results :')
    const expected = (verdicts: typeof nothing) => (isOdd ? { ...verdicts, fromDomain: null } : verdicts)
    const under = await read(message(RECEIVED, real, forged, ...plain))
    expect(under.authentication, forged).toEqual(expected(failed))
    const without = await read(message(RECEIVED, foreign, forged, ...plain))
    expect(without.authentication, forged).toEqual(expected(nothing))
    const first = await read(message(foreign, forged, ...plain))
    expect(first.authentication, forged).toEqual(expected(nothing))
    const unconfigured = await readMail(message(forged, ...plain), { authservIds: [] })
    expect(unconfigured.authentication, forged).toEqual(expected(nothing))
  }
  // A Received field below ours that claims to be our server is forged.
  for (const forged of spellings.filter((spelling) => spelling.startsWith('Received:'))) {
    expect((await read(message(RECEIVED, forged, ...plain))).authentication, forged).toEqual(nothing)
  }
  for (const forged of misnamed) {
    const verdicts = (await read(message(RECEIVED, forged, ...plain))).authentication
    expect({ ...verdicts, fromDomain: 'good.test' }, forged).toEqual(nothing)
  }
  expect(spellings.length + misnamed.length).toBe(40)
})

test('mail from a program is recognised as automatic, and mail from a person is not', async () => {
  const automatic: [field: string, reason: string | null][] = [
    ['Auto-Submitted: auto-replied', 'auto_submitted'],
    ['auto-submitted: auto-generated (by cron)', 'auto_submitted'],
    ['Auto-Submitted: no', null],
    ['Auto-Submitted: No (a person)', null],
    ['Auto-Submitted: no-reply', 'auto_submitted'],
    ['Auto-Submitted: no\r\nAuto-Submitted: auto-replied', 'auto_submitted'],
    ['Content-Type: multipart/report; report-type=delivery-status; boundary=b', 'report'],
    ['Return-Path: <>', 'null_sender'],
    ['Return-Path: <ann@good.test>', null],
    ['List-Id: Friends <friends.lists.test>', 'list'],
    ['List-Unsubscribe: <https://lists.test/u>', 'list'],
    ['Precedence: bulk', 'precedence'],
    ['Precedence: LIST', 'precedence'],
    ['Precedence: junk', 'precedence'],
    ['Precedence: first-class', null],
    ['X-Autoreply: yes', 'autoreply'],
    ['X-Auto-Response-Suppress: DR, OOF', 'response_suppressed'],
    ['X-Auto-Response-Suppress: DR, RN', null],
    ['X-Mailer: mutt', null],
  ]
  for (const [field, reason] of automatic) {
    const { automatic } = await read(delivered(field, 'From: ann@good.test', ...REST, '', 'Hi'))
    expect(automatic, field).toEqual({ isAutomatic: reason !== null, reason })
  }
  for (const author of ['MAILER-DAEMON@good.test', 'no-reply@good.test', 'noreply+x@good.test']) {
    expect((await read(from(author))).automatic.reason, author).toBe('machine_sender')
  }
  expect((await read(from('norely@good.test'))).automatic.isAutomatic).toBe(false)
})

test('mail bombs stay within the limits: nothing throws, and only the header of a mail over a limit is read', async () => {
  const head = ['From: ann@good.test', ...REST]
  const times = (count: number, piece: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => piece(at))
  const parts = (each: string[]) =>
    message(
      ...head,
      'Content-Type: multipart/mixed; boundary=b',
      '',
      each.map((part) => `--b\r\n${part}\r\n`).join(''),
      '--b--',
    )
  const body = (type: string, content: string, encoding = '7bit') =>
    message(...head, `Content-Type: ${type}`, `Content-Transfer-Encoding: ${encoding}`, '', content)
  const nested = (depth: number) =>
    message(
      ...head,
      ...times(depth, (at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}`),
      '',
      'Deep',
    )
  const field = (name: string, value: string) => message(...head, `${name}: ${value}`, '', 'Hi')
  const of = (value: string) => message(`From: ${value}`, ...REST, '', 'Hi')
  const png = 'Content-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw=='

  const bombs: [name: string, raw: Uint8Array, unreadable: string | null][] = [
    ['500 parts', parts(times(500, () => png)), null],
    ['501 parts', parts(times(501, () => png)), 'too_many_parts'],
    ['20,000 parts', parts(times(20_000, () => png)), 'too_many_parts'],
    ['parts of nothing', parts(times(100_000, () => '')), 'too_many_parts'],
    ['500 texts in charsets unheard of', parts(times(499, (at) => `Content-Type: text/html; charset=x${at}\r\n\r\n<p>${at}`)), null],
    ['part headers of 1 MiB', parts(times(100, () => `X-A: ${'a'.repeat(10_000)}\r\n\r\nHi`)), 'header_too_large'],
    ['depth 20', nested(20), null],
    ['depth 21', nested(21), 'too_deep'],
    ['depth 256', nested(256), 'too_deep'],
    ['messages in messages', message(...head, ...times(300, (at) => `Content-Type: message/rfc822\r\n\r\nSubject: ${at}`), '', 'Hi'), null],
    ['500 To addresses', field('Cc', times(499, (at) => `x${at}@y.test`).join(',')), null],
    ['501 To addresses', field('Cc', times(500, (at) => `x${at}@y.test`).join(',')), 'too_many_recipients'],
    ['40,000 To addresses', field('Cc', 'a@b.c,'.repeat(40_000)), 'too_many_recipients'],
    ['100,000 To addresses', field('Cc', times(100_000, (at) => `x${at}@y.test`).join(', ')), 'header_too_large'],
    ['groups in groups', field('Cc', 'a:'.repeat(100_000)), null],
    ['angles in angles', field('Cc', '<'.repeat(200_000)), null],
    ['quotes in the recipients', field('Cc', '"\\'.repeat(100_000)), null],
    ['comments in comments, To', field('Cc', '('.repeat(200_000)), null],
    ['a header of 2 MiB, one field', field('X-A', 'a'.repeat(2 * MIB)), 'header_too_large'],
    ['a header of 2 MiB, many fields', message(...head, ...times(40_000, (at) => `X-${at}: ${'a'.repeat(40)}`), '', 'Hi'), 'header_too_large'],
    ['a header of 2 MiB, folded', field('X-A', 'a\r\n '.repeat(500_000)), 'header_too_large'],
    ['a header folded 60,000 times', field('X-A', 'a\r\n '.repeat(60_000)), null],
    ['3,000 fields', message(...head, ...times(3_000, () => 'X-A: b'), '', 'Hi'), 'too_many_fields'],
    ['60,000 lines that are no fields', message(...head, ...times(60_000, () => 'ab'), '', 'Hi'), null],
    ['encoded words in the subject', field('Comments', '=?utf-8?B?YWFh?= '.repeat(12_000)), null],
    ['encoded words, subject only', message('From: ann@good.test', `Subject: ${'=?utf-8?B?YWFh?= '.repeat(12_000)}`, '', 'Hi'), null],
    ['encoded words that join', message('From: ann@good.test', `Subject: ${'=?a?q?=FF?= '.repeat(20_000)}`, '', 'Hi'), null],
    ['encoded words in the author', of(`${'=?utf-8?B?YWFh?= '.repeat(12_000)}<ann@good.test>`), null],
    ['quotes in the author', of('"'.repeat(200_001)), null],
    ['colons in the author', of('a:'.repeat(100_000)), null],
    ['at signs in the author', of('@'.repeat(200_000)), null],
    ['spaces in the author', of(`a${' '.repeat(200_000)}b`), null],
    ['comments in comments, type', field('Content-Type', `text/plain${'('.repeat(200_000)}`), null],
    ['parameters in the type', field('Content-Type', `text/plain${';a=b'.repeat(60_000)}`), null],
    ['quotes in the type', field('Content-Type', `multipart/mixed;boundary="${'\\"'.repeat(100_000)}`), null],
    ['spaces in the type', field('Content-Type', `multipart/mixed;${' '.repeat(200_000)}boundary=${' '.repeat(20)}x`), null],
    ['a boundary of 200 KiB', field('Content-Type', `multipart/mixed;boundary=${'x'.repeat(200_000)}`), null],
    ['continuations of a file name', parts([`Content-Disposition: attachment${times(12_000, (at) => `;filename*${at}*=%41`).join('')}\r\n\r\nHi`]), null],
    ['results in the verdicts', field('Authentication-Results', `mx.cloudflare.net${';dkim=pass a.b=c'.repeat(15_000)}`), null],
    ['comments in the verdicts', field('Authentication-Results', `${'('.repeat(8_000)}${')'.repeat(8_000)}mx.cloudflare.net;none`), null],
    ['30,000 references', field('References', '<a@b.c>'.repeat(30_000)), null],
    ['angles in the references', field('References', '<'.repeat(200_000)), null],
    ['dashes without end', parts(['\r\n--\r\n'.repeat(500_000)]), 'too_many_parts'],
    ['dashes and spaces', parts([`\r\n${`--${' '.repeat(900)}x\r\n`.repeat(4_000)}`]), null],
    ['one line of 10 MB', body('text/plain', 'a'.repeat(10_000_000)), null],
    ['10 MB of empty lines', body('text/plain', '\n'.repeat(10_000_000)), null],
    ['10 MB of quoted-printable', body('text/html', '=3C='.repeat(2_500_000), 'quoted-printable'), null],
    ['10 MB of padding', body('image/png', 'a='.repeat(5_000_000), 'base64'), null],
    ['10 MB of zeros', body('text/plain', '\0'.repeat(10_000_000)), null],
    ['open tags beside a text', parts([`Content-Type: text/html\r\n\r\n${'<a href=<br<li<!--'.repeat(100_000)}`, `\r\n${'&'.repeat(MIB)}`]), null],
    ['a file of 15 MiB', body('application/zip', `${'A'.repeat(76)}\r\n`.repeat(15 * 13_797), 'base64'), null],
    ['25 MiB and one octet', new Uint8Array(BUDGET.message + 1).fill(97), 'message_too_large'],
  ] // biome-ignore format: a table
  for (const [name, raw, unreadable] of bombs) {
    const mail = await readMail(raw, HOP)
    const kept = mail.files.reduce((sum, file) => sum + file.content.length, 0)
    expect(mail.unreadable, name).toBe(unreadable)
    expect(mail.text?.length ?? 0, name).toBeLessThanOrEqual(MIB)
    expect(mail.html?.length ?? 0, name).toBeLessThanOrEqual(MIB)
    expect(kept, name).toBeLessThanOrEqual(raw.length)
    expect(mail.files.length, name).toBeLessThanOrEqual(500)
    expect(mail.references.length, name).toBeLessThanOrEqual(100)
    expect(mail.to.length + mail.cc.length + mail.replyTo.length, name).toBeLessThanOrEqual(500)
    expect(Math.max(mail.subject.length, mail.claimedFrom.length), name).toBeLessThanOrEqual(998)
    expect(mail.authentication.isFromAuthenticated, name).toBe(false)
    const isTold = mail.text !== null || mail.html !== null || mail.files.length > 0 || unreadable !== null
    expect(isTold, name).toBe(true)
    if (unreadable && unreadable !== 'message_too_large') {
      expect(mail, name).toMatchObject({ subject: 'Hello', messageId: 'm1@good.test', text: null, files: [] })
      expect(mail.claimedFrom, name).toBe('ann@good.test')
    }
  }

  const truncated = await readMail(body('text/plain', 'ä'.repeat(3 * MIB)), HOP)
  expect(truncated).toMatchObject({ isTruncated: true, unreadable: null })
  const file = await readMail(body('application/zip', btoa('x'.repeat(3 * MIB)), 'base64'), HOP)
  expect(file.files).toMatchObject([{ size: 3 * MIB, contentType: 'application/zip' }])
  const prefixed = await readMail(
    message(
      ...head,
      'Content-Type: multipart/mixed; boundary=ab',
      '',
      '--ab\r\nContent-Type: multipart/mixed; boundary=abc\r\n\r\n--abc\r\n\r\nInner --ab\r\n--abcd\r\n--abc--',
      '--ab--x\r\n--ab\r\n\r\nOuter\r\n--ab--',
    ),
    HOP,
  )
  expect(prefixed.text).toBe('Inner --ab\n--abcd\nOuter')
})

test('no input makes it throw, and only the header decides who the author is', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .constantFrom(
        ...['\r\n', '\n', '\r', '\r\n\r\n', ' ', '\t', '--b', '--b--', '\0', '\xff', '"', '(', ')', '<', '>', '@', ',', ':', ';', '='],
        ...['From: ', 'To: ', 'Subject: ', 'Content-Type: ', 'multipart/mixed; boundary=b', 'text/html', 'message/rfc822'],
        ...['Content-Transfer-Encoding: base64\r\n', 'Content-Disposition: attachment; filename*0*=', 'charset=utf-16', 'format=flowed'],
        ...['ann@good.test', '=?utf-8?B?YQ==?=', '=?x?q?=FF', 'Date: ', 'References: ', 'Authentication-Results: mx.cloudflare.net; '],
      ) // biome-ignore format: a list
      .map(latin),
  )
  const raws = fc.array(piece, { maxLength: 60 }).map((pieces) => {
    const raw = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const octets of pieces) {
      raw.set(octets, at)
      at += octets.length
    }
    return raw
  })
  await fc.assert(
    fc.asyncProperty(raws, async (raw) => {
      const before = raw.slice()
      const mail = await readMail(raw, HOP)
      expect(raw).toEqual(before)
      expect(mail.unreadable).not.toBe('reader_failed')
      expect([mail.text, mail.html, mail.subject].every((text) => text?.isWellFormed() !== false)).toBe(true)
      const above = delivered('From: ann@good.test', ...REST, 'MIME-Version: 1.0', 'X-End: 1')
      const joined = new Uint8Array(above.length + 4 + raw.length)
      joined.set(above)
      joined.set([13, 10, 13, 10], above.length)
      joined.set(raw, above.length + 4)
      const whole = await readMail(joined, HOP)
      expect(whole.from).toEqual({ email: 'ann@good.test', name: null })
      expect(whole.authentication.isFromAuthenticated).toBe(true)
    }),
    { numRuns: 1_500 },
  )
})
