import { env } from 'cloudflare:test'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { specialClass } from '../../src/core/ground/egress/address.ts'
import { decodeAnswer, encodeQuestion, TYPE } from '../../src/core/ground/egress/dns-message.ts'
import { findTarget, guardedPost } from '../../src/core/ground/egress/post.ts'
import { resolvePublic } from '../../src/core/ground/egress/resolve.ts'
import { readUrl, refuseUrl } from '../../src/core/ground/egress/url.ts'
import { conduct, seen } from '../support/peer-carrier.ts'
import { peers } from '../support/peer-letter.ts'
import { HOME, hostileUrls, ordinaryUrls } from '../support/webhook-urls.ts'

const surroundings = { publicUrl: HOME.PUBLIC_URL, mailDomain: HOME.MAIL_DOMAIN, egressAllow: [] }
const peer = new URL(peers.http).host
const letter = { headers: { 'content-type': 'application/json' }, body: '{"type":"ping"}' }

/** The Worker's environment with these settings. */
const envWith = (given: Record<string, string>) => ({ ...env, ...given })

test('every hostile URL is refused by the rule that it breaks, and ordinary URLs are accepted', () => {
  const surprises = hostileUrls.flatMap(({ rule, urls }) =>
    urls
      .map((url) => ({ url, reason: refuseUrl(url, surroundings) }))
      .filter(({ reason }) => reason?.includes(rule) !== true)
      .map(({ url, reason }) => `${rule}: ${url}: ${reason}`),
  )
  expect(surprises).toEqual([])
  expect(hostileUrls.flatMap(({ urls }) => urls).length).toBeGreaterThan(500)

  expect(ordinaryUrls.length).toBeGreaterThanOrEqual(60)
  expect(ordinaryUrls.filter((url) => refuseUrl(url, surroundings) !== null)).toEqual([])
  const target = readUrl('HTTPS://Example.com:443/Hook?a=1#top', surroundings)
  expect(target.ok && target.url.href).toBe('https://example.com/Hook?a=1')

  fc.assert(
    fc.property(fc.oneof(fc.webUrl(), fc.string({ unit: 'binary' }), fc.webAuthority()), (text) => {
      for (const url of [text, `https://${text}`, `https://[${text}]/`]) refuseUrl(url, surroundings)
    }),
    { numRuns: 500 },
  )
})

test('only addresses that IANA assigns to public hosts count as public', () => {
  const octet = fc.nat(255)
  const special = fc.oneof(
    fc.tuple(fc.constantFrom(0, 10, 127, 224, 239, 240, 255), octet, octet, octet),
    fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
    fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
    fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
    fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
    fc.tuple(fc.constant(198), fc.constantFrom(18, 19), octet, octet),
  )
  fc.assert(fc.property(special, (octets) => specialClass(octets.join('.')) !== null))
  const group = fc.nat(0xffff).map((value) => value.toString(16))
  const outside = fc.nat(0xffff).filter((first) => first >> 13 !== 1)
  fc.assert(
    fc.property(outside, fc.array(group, { minLength: 7, maxLength: 7 }), (first, rest) =>
      Boolean(specialClass([first.toString(16), ...rest].join(':'))),
    ),
  )
  for (const edge of [
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
  ])
    expect([edge, specialClass(edge)]).toEqual([edge, null])
  for (const edge of ['2001:200::1', '2001:db7::1', '2001:db9::1', '2003::1', '2606:4700::1111', '3ffe::1'])
    expect([edge, specialClass(edge)]).toEqual([edge, null])
  for (const text of ['', 'localhost', '1.2.3.4.5', '[::1]', '::1%lo'])
    expect(specialClass(text)).not.toBeNull()
})

type Part = number | string | Part[]

/** Octets from numbers, names as labels, and 16-bit numbers as lists of two. */
const octets = (...parts: Part[]): number[] =>
  parts.flatMap((part) => {
    if (typeof part === 'number') return [part]
    if (Array.isArray(part)) return octets(...part)
    return [...part.split('.').flatMap((label) => [label.length, ...new TextEncoder().encode(label)]), 0]
  })
const header = (answers: number, { id = 0, flags = 0x8180, questions = 1 } = {}) =>
  [id, flags, questions, answers, 0, 0].flatMap((value) => [value >> 8, value & 255])
const asks = (name: string, type: number) => octets(name, 0, type, 0, 1)
const record = (name: Part, type: number, data: number[], inClass = 1) =>
  octets(name, 0, type, 0, inClass, 0, 0, 0, 60, data.length >> 8, data.length & 255, data)
const HOST = 'hooks.acme.io'
/** A pointer to the name of the question. */
const SAME = [0xc0, 12]
const a = (...address: number[]) => record(SAME, TYPE.A, address)
const GOOD = Uint8Array.from([...header(1), ...asks(HOST, TYPE.A), ...a(93, 184, 215, 14)])

test('a DNS answer is read by RFC 1035, and any malformed answer is null', () => {
  expect([...encodeQuestion('a.io', TYPE.AAAA)]).toEqual([
    ...[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ...[1, 97, 2, 105, 111, 0, 0, 28, 0, 1],
  ])
  const answer = octets(
    ...[header(3), asks('Hooks.Acme.io', TYPE.A)],
    record(SAME, TYPE.CNAME, octets(4, [...new TextEncoder().encode('edge')], 0xc0, 18)),
    record('EDGE.acme.io', 46, [1, 2, 3]),
    record([4, ...new TextEncoder().encode('edge'), 0xc0, 18], TYPE.A, [93, 184, 215, 14]),
  )
  expect(decodeAnswer(Uint8Array.from(answer))).toEqual({
    name: HOST,
    type: TYPE.A,
    rcode: 0,
    aliases: [{ name: HOST, target: 'edge.acme.io' }],
    addresses: [{ name: 'edge.acme.io', address: '93.184.215.14' }],
    texts: [],
  })
  const dotted = octets(header(0), 4, [...new TextEncoder().encode('a.io')], 0, 0, 1, 0, 1)
  expect(decodeAnswer(Uint8Array.from(dotted))?.name).toBe('a\\46io')

  const malformed = [
    [],
    header(0),
    [...header(0, { flags: 0x0100 }), ...asks(HOST, 1)],
    [...header(0, { flags: 0x8380 }), ...asks(HOST, 1)],
    [...header(0, { flags: 0x8980 }), ...asks(HOST, 1)],
    [...header(0, { id: 7 }), ...asks(HOST, 1)],
    [...header(0, { questions: 0 }), ...asks(HOST, 1)],
    [...header(0, { questions: 2 }), ...asks(HOST, 1), ...asks(HOST, 1)],
    [...header(0), ...octets(HOST, 0, 1, 0, 3)],
    [...header(2), ...asks(HOST, 1), ...a(93, 184, 215, 14)],
    [...header(1), ...asks(HOST, 1), ...a(127, 0, 0)],
    [...header(1), ...asks(HOST, 1), ...a(93, 184, 215, 14, 0)],
    [...header(1), ...asks(HOST, 1), ...a(93, 184, 215, 14).slice(0, -1)],
    [...header(1), ...asks(HOST, 28), ...record(SAME, TYPE.AAAA, [93, 184, 215, 14])],
    [...header(1), ...asks(HOST, 1), ...record(SAME, TYPE.A, [93, 184, 215, 14], 3)],
    [...header(1), ...asks(HOST, 1), ...record(SAME, TYPE.CNAME, octets('a.io', 0))],
    [...header(1), ...asks(HOST, 1), ...record([0xc0, 31], TYPE.A, [1, 1, 1, 1])],
    [...header(1), ...asks(HOST, 1), ...record([0xff, 0xff], TYPE.A, [1, 1, 1, 1])],
    [...header(1), ...asks(HOST, 1), ...record([0x40, Array(64).fill(97), 0], TYPE.A, [1, 1, 1, 1])],
    [...header(1), ...asks(HOST, 1), ...record([0xc0, 43], TYPE.A, [1, 97, 0, 0])],
    [...header(1), ...asks(HOST, 1), ...record(SAME, 46, [1, 2, 3]).slice(0, -1)],
    [
      ...header(1),
      ...asks(HOST, 1),
      ...record(`${'a'.repeat(63)}.`.repeat(4).slice(0, -1), TYPE.A, [1, 1, 1, 1]),
    ],
    [...header(0), 0xc0, 12, 0, 1, 0, 1],
    [...header(0), 1, 97, 0xc0, 12, 0, 1, 0, 1],
  ]
  const within = (bytes: number[]) =>
    Uint8Array.from([...bytes, ...Array(64).fill(0)]).subarray(0, bytes.length)
  expect(malformed.map((bytes) => decodeAnswer(within(bytes)))).toEqual(malformed.map(() => null))

  const pointers = Array.from({ length: 8_000 }, (_, index) => 41 + index * 2)
  const chain = octets(
    ...[header(3_001), asks(HOST, 1)],
    record(SAME, 46, [0, 0, ...pointers.slice(1).flatMap((at) => [0xc0 | (at >> 8), at & 255])]),
    ...Array.from({ length: 3_000 }, () => record([0xfe, 0xa9], TYPE.A, [1, 1, 1, 1])),
  )
  const begun = Date.now()
  expect(decodeAnswer(Uint8Array.from(chain))).toBeNull()
  expect(Date.now() - begun).toBeLessThan(2_000)

  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void decodeAnswer(bytes)))
  fc.assert(
    fc.property(fc.nat(answer.length - 1), fc.nat(255), fc.nat(answer.length), (at, value, length) => {
      const bytes = Uint8Array.from(answer)
      bytes[at] = value
      decodeAnswer(bytes)
      if (length < answer.length) expect(decodeAnswer(bytes.slice(0, length))).toBeNull()
    }),
  )
})

test('a name is public only if the answers for both address families are clear and about that name alone', async () => {
  type Say = (type: number) => Response | Promise<Response>
  const asked: URL[] = []
  const resolve = (say: Say, host = HOST) =>
    resolvePublic(host, {
      resolver: 'https://dns.acme.io/dns-query?tag=1',
      fetch: async (input, init) => {
        const url = new URL(String(input))
        asked.push(url)
        expect(init).toMatchObject({ redirect: 'manual', headers: { accept: 'application/dns-message' } })
        const question = Buffer.from(url.searchParams.get('dns') ?? '', 'base64url')
        return await say(question.at(-3) ?? 0)
      },
    })
  const type = 'application/dns-message'
  const wire = (bytes: number[] | Uint8Array, init: ResponseInit = {}) =>
    new Response(Uint8Array.from(bytes), { headers: { 'content-type': type }, ...init })
  const none = (family: number) => wire([...header(0), ...asks(HOST, family)])
  const only =
    (bytes: number[] | Uint8Array, init: ResponseInit = {}) =>
    (family: number) =>
      family === TYPE.A ? wire(bytes, init) : none(family)
  const saying = (...records: number[][]) =>
    only([...header(records.length), ...asks(HOST, TYPE.A), ...records.flat()])

  expect(await resolve(only(GOOD))).toEqual({ ok: true, addresses: ['93.184.215.14'] })
  expect(asked.map(({ search }) => search)).toEqual([
    '?tag=1&dns=AAABAAABAAAAAAAABWhvb2tzBGFjbWUCaW8AAAEAAQ',
    '?tag=1&dns=AAABAAABAAAAAAAABWhvb2tzBGFjbWUCaW8AABwAAQ',
  ])
  const alias = record(SAME, TYPE.CNAME, octets('edge.cdn.io'))
  const edge = record('edge.cdn.io', TYPE.A, [93, 184, 215, 14])
  expect(await resolve(saying(alias, edge))).toMatchObject({ ok: true })
  expect(await resolve(saying(edge, alias))).toMatchObject({ ok: true })
  expect(await resolve(only(GOOD), '8.8.8.8')).toEqual({ ok: true, addresses: ['8.8.8.8'] })
  expect(await resolve(only(GOOD), '[::1]')).toMatchObject({ ok: false })

  const notPublic = [
    saying(a(127, 0, 0, 1)),
    saying(a(93, 184, 215, 14), a(10, 0, 0, 1)),
    saying(alias, record('edge.cdn.io', TYPE.A, [169, 254, 169, 254])),
    saying(a(93, 184, 215, 14), record(SAME, TYPE.AAAA, [...Array(15).fill(0), 1])),
    (family: number) => (family === TYPE.A ? saying(a(10, 0, 0, 1))(family) : wire([], { status: 500 })),
  ]
  const unclear: Say[] = [
    (family: number) => (family === TYPE.A ? wire(GOOD) : saying(a(1, 1, 1, 1))(TYPE.A)),
    saying(edge),
    saying(alias, a(93, 184, 215, 14)),
    saying(alias, edge, record('other.io', TYPE.A, [1, 1, 1, 1])),
    saying(record(SAME, TYPE.CNAME, SAME)),
    only([...header(1), ...asks('hooks.acme.is', TYPE.A), ...a(93, 184, 215, 14)]),
    only([...header(1), ...asks(HOST, 16), ...a(93, 184, 215, 14)]),
    only([...header(1, { id: 1 }), ...GOOD.slice(12)]),
    only([...header(1, { flags: 0x8182 }), ...GOOD.slice(12)]),
    only([...header(1, { flags: 0x8185 }), ...GOOD.slice(12)]),
    only([...header(1, { flags: 0x8380 }), ...GOOD.slice(12)]),
    only([...GOOD, ...Array(65_536).fill(0)]),
    (family: number) => wire(family === TYPE.A ? GOOD : [...header(0), ...asks('hooks.acme.is', family)]),
    only(GOOD, { status: 302, headers: { 'content-type': type, location: '/elsewhere' } }),
    only(GOOD, { status: 203, headers: { 'content-type': type } }),
    only(GOOD, { headers: { 'content-type': 'application/dns-json' } }),
    only([]),
    (family: number) => (family === TYPE.A ? wire(GOOD) : Promise.reject(new TypeError('no route'))),
  ]
  const nothing = [
    none,
    saying(alias),
    (family: number) => wire([...header(0, { flags: 0x8183 }), ...asks(HOST, family)]),
  ]
  const reasons = (says: Say[]) => Promise.all(says.map((say) => resolve(say)))
  const every = (says: Say[], reason: string) =>
    says.map(() => ({ ok: false, reason: expect.stringContaining(reason) }))
  expect(await reasons(unclear)).toEqual(every(unclear, 'could not be looked up'))
  expect(await reasons(nothing)).toEqual(every(nothing, 'no address'))
  expect(await reasons(notPublic)).toEqual(every(notPublic, 'not public'))
})

test('if the resolver is silent, slow or broken, no webhook is called', async () => {
  const reasons = [`${peers.http}/hang.dns`, `${peers.http}/ok.dns`, 'http://127.0.0.1:1/'].map(
    async (resolver) => {
      const begun = Date.now()
      const posted = await guardedPost(envWith({ DNS_RESOLVER: resolver }), 'https://hooks.acme.io/', letter)
      expect(Date.now() - begun).toBeLessThan(6_000)
      return posted
    },
  )
  const refused = { kind: 'refused', reason: 'names a host that could not be looked up' }
  expect(await Promise.all(reasons)).toEqual([refused, refused, refused])

  const hang = () => resolvePublic(HOST, { resolver: `${peers.http}/hang.dns`, fetch: hanging })
  const hanging: typeof fetch = (url, init) => fetch(url, { ...init, ...letter, method: 'POST' })
  const begun = Date.now()
  expect(await hang()).toMatchObject({ ok: false })
  expect(Date.now() - begun).toBeGreaterThan(2_500)
  expect(Date.now() - begun).toBeLessThan(6_000)
})

test('EGRESS_ALLOW opens one host and port, and only in local development', async () => {
  const allowing = envWith({ EGRESS_ALLOW: `db.internal:443, ${peer.toUpperCase()}` })
  expect(await findTarget(allowing, `http://${peer}/ok.egress`)).toMatchObject({ ok: true })
  expect(await findTarget(allowing, 'https://db.internal/')).toMatchObject({ ok: true })
  for (const url of ['http://db.internal/', `http://x@${peer}/`, 'http://127.0.0.1/', 'http://127.0.0.1:1/'])
    expect([url, await guardedPost(allowing, url, letter)]).toMatchObject([url, { kind: 'refused' }])
  for (const LOCAL of ['0', 'true', ''])
    expect(await guardedPost({ ...allowing, LOCAL }, `http://${peer}/ok.egress`, letter)).toEqual({
      kind: 'refused',
      reason: 'must begin with https://',
    })
  expect((await seen('ok.egress')).requests).toBe(0)
})

test('a webhook’s answer is its status and 1,024 octets of text at most; redirects are not followed', async () => {
  const allowing = envWith({ EGRESS_ALLOW: peer })
  const post = (name: string, timeoutMs = 5_000) =>
    guardedPost(allowing, `http://${peer}/${name}/emails`, { ...letter, timeoutMs })
  const said = (body: unknown, status = 200, headers = {}) => ({ mode: 'say', status, body, headers })

  expect(await post('ok.egress-post')).toMatchObject({
    kind: 'answered',
    status: 200,
    body: expect.stringContaining('"id"'),
    latencyMs: expect.any(Number),
  })
  expect((await seen('ok.egress-post')).taken[0]?.body).toEqual({ type: 'ping' })

  for (const status of [301, 302, 303, 307, 308]) {
    await conduct(
      'egress-moved',
      said('moved', status, { location: `http://${peer}/ok.egress-followed/emails` }),
    )
    expect(await post('egress-moved')).toMatchObject({ kind: 'answered', status })
  }
  expect((await seen('ok.egress-followed')).requests).toBe(0)

  await conduct('egress-gone', said('no', 410))
  expect(await post('egress-gone')).toMatchObject({ kind: 'answered', status: 410, body: '"no"' })
  await conduct('egress-empty', said('', 204))
  expect(await post('egress-empty')).toMatchObject({ kind: 'answered', status: 204, body: '' })
  await conduct('egress-long', said(`a${'€'.repeat(9_000)}`))
  expect(await post('egress-long')).toMatchObject({ body: `"a${'€'.repeat(340)}` })
  await conduct('egress-odd', said('\u202e\u200b\u2028\ud800 ok'))
  expect(await post('egress-odd')).toMatchObject({ body: '"???\\ud800 ok"' })
  expect(await post('flood.egress')).toMatchObject({ kind: 'answered', body: 'x'.repeat(1_024) })

  expect(await post('hang.egress', 400)).toEqual({ kind: 'failed', reason: 'timeout' })
  expect(await post('stall.egress', 400)).toEqual({ kind: 'failed', reason: 'timeout' })
  expect(await post('cut.egress')).toEqual({ kind: 'failed', reason: 'network' })
  expect(await guardedPost(allowing, 'https://127.0.0.1/', letter)).toMatchObject({ kind: 'refused' })
})
