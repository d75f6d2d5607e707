import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress, safeHeaderText } from '../../src/core/ground/address.ts'

const contactOf = (text: string) => parseAddress(text)?.contact ?? null

test('forty spellings of one address give one contact, and the address to write to keeps the case of its local part', () => {
  const locals = ['jose.b+x', 'Jose.B+X', 'JOSE.B+X', '"jose.b+x"', '"Jose\\.B+x"']
  const domains = ['bücher.example', 'BÜCHER.EXAMPLE', 'bu\u0308cher.Example', 'xn--bcher-kva.example']
  const spellings = locals.flatMap((local) =>
    domains.flatMap((domain) => [`${local}@${domain}`, ` \t${local}@${domain}. `]),
  )
  expect(new Set(spellings).size).toBe(40)
  expect([...new Set(spellings.map(contactOf))]).toEqual(['jose.b+x@xn--bcher-kva.example'])

  expect(parseAddress('"Ann"@Example.COM.')).toEqual({
    email: 'Ann@example.com',
    contact: 'ann@example.com',
    domain: 'example.com',
  })
})

test('addresses that differ in any other way never share a contact', () => {
  const different = (
    "a@example.com a+b@example.com a.b@example.com ab@example.com a-b@example.com a'b@example.com a_b@example.com " +
    'a%b@example.com a%40b@example.com a@example.co a@example.com.au a@mail.example.com a@example.net a@exämple.com ' +
    'a@examplé.com a@straße.de a@strasse.de a@ﬁn.de a@fin.de a@ｅxample.com a@example。com a@ex\u00adample.com ' +
    'a@ex\u200dample.com a@ex\ufe0fample.com a@еxample.com ａ@example.com a@σς.gr a@σσ.gr a@ex²mple.com a@ex2mple.com a@ﬁü.de a@fiü.de'
  ).split(' ')
  const contacts = different.map(contactOf).filter((contact) => contact !== null)
  expect(new Set(contacts).size).toBe(contacts.length)
  expect(contacts).toHaveLength(23)

  const plain = fc.constantFrom(...'abAB01.-äÄß'.split(''))
  const trick = fc.constantFrom(...'+_%@"\\ ,<>()[]:;/?#ｅ。ﬁ²\u200d\u00ad\u0308\ufe0f\u0000\r\n'.split(''))
  const unit = fc.oneof({ weight: 12, arbitrary: plain }, { weight: 1, arbitrary: trick })
  const word = fc.string({ unit, minLength: 1, maxLength: 4 })
  const localKey = (local: string) =>
    local
      .replace(/^"(.*)"$/, '$1')
      .replace(/\\(.)/g, '$1')
      .toLowerCase()
  const domainKey = (domain: string) => domain.toLowerCase().normalize('NFC')
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(word, word, (local, host) => {
      const text = `${local}@${host}.example`
      const contact = contactOf(text)
      if (contact === null) return
      const at = text.lastIndexOf('@')
      const key = `${localKey(text.slice(0, at).trim())}@${domainKey(text.slice(at + 1))}`
      expect(seen.get(contact) ?? key).toBe(key)
      seen.set(contact, key)
      expect(parseAddress(contact)).toMatchObject({ email: contact, contact })
    }),
    { numRuns: 20_000 },
  )
  expect(seen.size).toBeGreaterThan(200)
})

test('anything but a single plain mailbox is refused', () => {
  const label = 'x'.repeat(63)
  const hostOf = (octets: number) => `${label}.${label}.${label}.${'y'.repeat(octets - 194)}.a`
  const accepted = [
    ..."a@b.co o'hara+tag_1@mail.example.com !#$%&*/=?^`{|}~-@example.com a@1.2.3.example a@a-b--c.example".split(
      ' ',
    ),
    ...'a@日本語.jp a@παράδειγμα.gr a@ΠΑΡΑΔΕΙΓΜΑ.GR a@l·l.cat a@b.co.'.split(' '),
    `${'l'.repeat(64)}@example.com`,
    `a@${hostOf(252)}`,
  ]
  expect(accepted.filter((text) => parseAddress(text) === null)).toEqual([])

  const shapes =
    '@ a a@ @b.co a@b a@localhost a@b..co a@.b.co a@b.co.. .a@b.co a.@b.co a..b@c.co a@-b.co a@b-.co a@b_c.co ä@b.co ' +
    'a@b.co,c@d.co a@b.co;c@d.co <a@b.co> a(x)@b.co a@b.co(x) a@(x)b.co group:a@b.co; @relay.co:a@b.co a@[127.0.0.1] ' +
    'a@[IPv6:::1] a@127.0.0.1 a@127.1 a@0x7f.1 a@2130706433 a@1.2.3.4 a@example.1 a@example.0x1 a@b.co:25 a@c@b.co ' +
    'a@c:pw@b.co a@b.co/x a@b.co\\x a@b.co?x a@b.co#x a@ex%61mple.com a@http://b.co a@ｅxample.com a@b。co a@１２７.１ ' +
    '"a@b"@c.co ""@b.co "a"b@c.co "a".b@c.co "a\\"@b.co "a\\"b"@c.co "a,b"@c.co "<a>"@c.co "a..b"@c.co =?utf-8?B?YUBi?= ' +
    'a@xn--a.de a@xn--.de a@xn--example-.de a@ex\u00adample.com a@ex\u200bample.com a@ex\ufe0fample.com a@ex\u2100mple.com'
  const refused = [
    ...shapes.split(' '),
    ...['', ' ', 'a b@c.co', 'a@b .co', 'a @b.co', 'a@ b.co', '"a b"@c.co', 'a@b.co, c@d.co', 'Ann <a@b.co>'],
    ...[
      '"Ann" <a@b.co>',
      'a@b.co (Ann)',
      '(Ann) a@b.co',
      'a@b.co\r\nRCPT TO:<c@d.co>',
      'a\r\n@b.co',
      'a@b.co\n',
    ],
    ...[
      'a@b.co\u0000',
      '\u0000a@b.co',
      'a@\u202eb.co',
      'a@b.co\u2028',
      'a@b\ufeff.co',
      'a\u200b@b.co',
      '\u00a0a@b.co',
    ],
    ...[
      'a@\ud800.de',
      `a@${label}x.co`,
      `${'l'.repeat(65)}@b.co`,
      `a@${hostOf(253)}`,
      `a@${'b.'.repeat(300)}co`,
    ],
  ]
  expect(refused.filter((text) => parseAddress(text) !== null)).toEqual([])
  expect(refused).toHaveLength(89)
})

test('safeHeaderText says why a text may not go into a header', () => {
  for (const text of ['Hello', 'Grüße, “Welt” 👩‍👩‍👧', 'שלום \u200f(1)', 'a\u200bb', '=?utf-8?Q?x?=', ''])
    expect(safeHeaderText(text), text).toBeNull()

  for (const code of [0, 9, 10, 13, 27, 127, 0x80, 0x85, 0x9f]) {
    expect(safeHeaderText(`a${String.fromCharCode(code)}b`)).toBe('holds a control character')
  }
  expect(safeHeaderText('a\u2028b')).toBe('holds a line or paragraph separator')
  for (const mark of ['\u202a', '\u202e', '\u2066', '\u2069']) {
    expect(safeHeaderText(`a${mark}b`)).toBe('holds a bidirectional control')
  }
  expect(safeHeaderText('\ufeffa')).toBe('holds a byte order mark')
  expect(safeHeaderText('a\ud83d')).toBe('holds half of a surrogate pair')
})
