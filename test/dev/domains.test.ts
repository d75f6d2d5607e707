import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { authenticate } from 'mailauth'
import { SMTPServer } from 'smtp-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { devDatabase } from '../support/dev-database.ts'
import { startDoh, type Zone } from '../support/doh.ts'
import { type DevServer, freePort, sleep, startDev } from '../support/program.ts'

type Relayed = { from: string; to: string[]; raw: Buffer }
type DnsRecord = { type: string; name: string; value: string; purpose: string }
type Missing = {
  purpose: string
  type: string
  name: string
  expected: string
  found: string[]
  problem: string
}

const zone: Zone = {}
const relayed: Relayed[] = []
let dev: DevServer
let state: string
let doh: Awaited<ReturnType<typeof startDoh>>
let relay: SMTPServer

beforeAll(async () => {
  doh = await startDoh(zone)
  relay = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        const to = rcptTo.map(({ address }) => address)
        relayed.push({ from: mailFrom ? mailFrom.address : '', to, raw: Buffer.concat(chunks) })
        done()
      })
    },
  })
  const port = await freePort()
  await new Promise<void>((resolve) => relay.listen(port, '127.0.0.1', () => resolve()))
  state = await mkdtemp(join(tmpdir(), 'moltpost-domains-'))
  dev = await startDev(state, {
    AUTO_CLAIM: '1',
    MAIL_DOMAIN: 'moltpost.dev',
    DNS_RESOLVER: doh.url,
    CARRIERS: 'smtp:1',
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(port),
    SMTP_SECURITY: 'none',
  })
}, 120_000)

afterAll(async () => {
  await dev?.kill('SIGTERM')
  await new Promise<void>((resolve) => relay.close(() => resolve()))
  doh.stop()
  await rm(state, { recursive: true, force: true })
})

async function call(method: string, path: string, key: string | null, body?: unknown) {
  const response = await fetch(`${dev.address}${path}`, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as any, response }
}

async function newAgent(name: string) {
  const { body } = await call('POST', '/v1/agents/register', null, { name })
  const key = body.api_key as string
  return {
    id: body.agent.id as string,
    email: body.agent.email as string,
    get: (path: string) => call('GET', path, key),
    post: (path: string, sent: unknown = {}) => call('POST', path, key, sent),
    del: (path: string) => call('DELETE', path, key),
    verify: async (id: string) => (await call('POST', `/v1/custom-domains/${id}/verify`, key, {})).body,
  }
}

const published = ({ type, value }: Pick<DnsRecord, 'type' | 'value'>) => `${type} ${value}`

/** Signs the demo owner in, and returns their browser. */
async function signIn() {
  const browser = async (
    method: string,
    path: string,
    cookie: string,
    fields: Record<string, string> = {},
  ) => {
    const response = await fetch(new URL(path, dev.address), {
      method,
      redirect: 'manual',
      headers: { cookie, 'sec-fetch-site': 'same-origin' },
      ...(method === 'POST' ? { body: new URLSearchParams(fields) } : {}),
    })
    return { status: response.status, body: await response.text(), headers: response.headers }
  }
  const { headers } = await browser('GET', '/dev/sign-in', '')
  const entered = await browser('POST', headers.get('location') ?? '', '')
  const cookie = /__Host-moltpost=[^;]+/.exec(entered.headers.get('set-cookie') ?? '')?.[0] ?? ''
  const { body } = await browser('GET', '/portal/accounts', cookie)
  const csrf = /name="csrf" value="([0-9a-f]{64})"/.exec(body)?.[1] ?? ''
  return {
    get: (path: string) => browser('GET', path, cookie),
    post: (path: string, fields = {}) => browser('POST', path, cookie, { csrf, ...fields }),
  }
}

/** Publishes records in the zone. Other records of the same names stay. */
function publish(records: DnsRecord[]) {
  for (const record of records) {
    const name = record.name.toLowerCase()
    const held = zone[name]
    zone[name] = [...(Array.isArray(held) ? held : []), published(record)]
  }
}

function withdraw(records: DnsRecord[]) {
  for (const record of records) {
    const held = zone[record.name]
    zone[record.name] = (Array.isArray(held) ? held : []).filter((line) => line !== published(record))
  }
}

/** Answers the DNS questions of mailauth from the zone. */
const resolver = async (name: string, type: string) => {
  const held = zone[name.toLowerCase()]
  const lines = (Array.isArray(held) ? held : []).filter((line) => line.startsWith(`${type} `))
  if (lines.length === 0) throw Object.assign(new Error(`${name} has no ${type}`), { code: 'ENOTFOUND' })
  return lines.map((line) => [line.slice(type.length + 1)])
}

async function arrival(to: string) {
  for (let left = 600; left > 0; left--) {
    const found = relayed.find((mail) => mail.to.includes(to))
    if (found) return found
    await sleep(50)
  }
  throw new Error(`no mail arrived for ${to}\n${dev.output().slice(-3000)}`)
}

const signaturesOf = async (raw: Buffer | string) => {
  const { dkim } = await authenticate(raw, {
    resolver,
    sender: 'a@b.example',
    ip: '192.0.2.1',
    helo: 'x.example',
  })
  return dkim.results.map(({ status, signingDomain }) => ({ result: status.result, signingDomain }))
}

test('a domain is verified once every record is correct, and a wrong or missing one is named with the values found', async () => {
  const agent = await newAgent('Domain Agent')
  const added = await agent.post('/v1/custom-domains', { domain: 'Acme.Example.ORG.', mode: 'byoc' })
  expect(added).toMatchObject({
    status: 201,
    body: { domain: 'acme.example.org', mode: 'byoc', status: 'pending' },
  })
  expect(added.body.ns_records).toBeUndefined()
  expect(JSON.stringify(added.body)).not.toMatch(/seal|private/i)
  const { id, dns_records: records } = added.body as { id: string; dns_records: DnsRecord[] }
  expect(records.map(({ type, name, purpose }) => `${purpose} ${type} ${name}`)).toEqual([
    'ownership TXT _moltpost.acme.example.org',
    'spf TXT acme.example.org',
    expect.stringMatching(/^dkim TXT mp[0-9a-f]{8}\._domainkey\.acme\.example\.org$/),
    'dmarc TXT _dmarc.acme.example.org',
    'bounce CNAME bounce.acme.example.org',
  ])
  const nothing = await agent.verify(id)
  expect(nothing).toMatchObject({ verified: false, domain: { status: 'pending' } })
  expect(nothing.missing.map(({ purpose, problem }: Missing) => `${purpose} ${problem}`)).toEqual(
    records.map(({ purpose }) => `${purpose} not_found`),
  )
  expect((await agent.post(`/v1/custom-domains/${id}/attach`, { agent_id: agent.id })).status).toBe(409)

  publish(records)
  expect(await agent.verify(id)).toMatchObject({
    verified: true,
    missing: [],
    domain: { status: 'verified' },
  })

  // Each record in turn is removed and then set wrong. Only that record is named, with the values found.
  for (const record of records) {
    const kept = zone[record.name]
    const values =
      record.type === 'TXT' ? ['v=spf1 -all', 'v=DKIM1; p=AAAA', 'v=DMARC1; p=sometimes'] : ['x.example.net']
    for (const wrong of [null, ...values]) {
      zone[record.name] = wrong === null ? [] : [`${record.type} ${wrong}`]
      const { verified, missing } = await agent.verify(id)
      expect({ record: record.purpose, wrong, verified, missing }).toMatchObject({
        verified: false,
        missing: [
          { purpose: record.purpose, name: record.name, expected: record.value, found: wrong ? [wrong] : [] },
        ],
      })
      expect(missing).toHaveLength(1)
    }
    zone[record.name] = kept ?? []
    expect(await agent.verify(id)).toMatchObject({ verified: true, domain: { status: 'verified' } })
  }

  // Owners write records in other ways, and have other records under the same names.
  const [ownership, spf, dkim, dmarc, bounce] = records as [
    DnsRecord,
    DnsRecord,
    DnsRecord,
    DnsRecord,
    DnsRecord,
  ]
  const [, include] = spf.value.split(' ')
  const key = dkim.value.slice(dkim.value.indexOf('p=') + 2)
  const spellings: [DnsRecord, string[], string | null][] = [
    [spf, [`TXT v=spf1 mx ip4:192.0.2.0/24 ${include?.toUpperCase()} include:other.example -all`], null],
    [spf, ['TXT google-site-verification=1', `TXT V=SPF1 +${include} ~all`], null],
    [spf, [published(spf), 'TXT v=spf1 mx -all'], 'several_records'],
    [spf, [`TXT v=spf1 -all ${include}`], 'wrong_value'],
    [spf, [`TXT v=spf1 -${include} ~all`], 'wrong_value'],
    [spf, [`TXT v=spf10 ${include}`], 'not_found'],
    [dkim, [`TXT k=rsa;p= ${key.slice(0, 50)} ${key.slice(50)} ;`], null],
    [dkim, ['CNAME key.elsewhere.example'], null],
    [dkim, [published(dkim), 'TXT v=DKIM1; p=AAAA'], 'several_records'],
    [dkim, [`TXT v=DKIM1; k=ed25519; p=${key}`], 'wrong_value'],
    [dkim, ['TXT v=DKIM1; p='], 'wrong_value'],
    [dmarc, ['TXT v=DMARC1; p=reject; rua=mailto:dmarc@example.org'], null],
    [dmarc, [published(dmarc), 'TXT v=DMARC1; p=reject'], 'several_records'],
    [bounce, ['CNAME BOUNCE.Moltpost.DEV'], null],
    [bounce, ['MX bounce.moltpost.dev'], null],
    [bounce, ['MX mail.example.net'], 'wrong_value'],
    [ownership, ['TXT moltpost-verification=another', published(ownership)], null],
    [ownership, ['RCODE 2'], 'lookup_failed'],
  ]
  zone['key.elsewhere.example'] = [published(dkim)]
  for (const [record, lines, problem] of spellings) {
    const kept = zone[record.name]
    zone[record.name] = lines
    const { missing } = await agent.verify(id)
    expect({ lines, problems: missing.map((each: Missing) => `${each.purpose} ${each.problem}`) }).toEqual({
      lines,
      problems: problem === null ? [] : [`${record.purpose} ${problem}`],
    })
    zone[record.name] = kept ?? []
  }
  // A name without a DMARC record has the policy of its organizational domain.
  zone[dmarc.name] = []
  zone['_dmarc.example.org'] = ['TXT v=DMARC1; p=quarantine']
  expect(await agent.verify(id)).toMatchObject({ verified: true })
  zone['_dmarc.example.org'] = []
  publish([dmarc])
  expect(await agent.verify(id)).toMatchObject({ verified: true })

  expect((await agent.get(`/v1/custom-domains/${id}`)).body).toMatchObject({
    id,
    status: 'verified',
    agent_id: null,
  })
  expect((await agent.get('/v1/custom-domains')).body).toMatchObject({
    total: 1,
    data: [{ id }],
    next_cursor: null,
  })
}, 60_000)

test('the portal shows the state of each record, and the values found of a wrong one', async () => {
  const owner = await signIn()
  const added = await owner.post('/portal/domains', { domain: 'portal.example.org' })
  const path = added.headers.get('location') ?? ''
  const badges = (body: string) =>
    [
      ...body.matchAll(
        /<span class="badge [a-z]*">(not found|another value|lookup failed|in place|not looked up)</g,
      ),
    ].map(([, words]) => words)
  const page = (await owner.get(path)).body
  expect(badges(page)).toEqual(Array(5).fill('not looked up'))
  const cells = [...page.matchAll(/>(TXT|CNAME)<.*?<code>([^<]+)<.*?<code>([^<]+)</gs)]
  const records = cells.map(([, type = '', name = '', value = '']) => ({ type, name, value, purpose: '' }))
  expect(records).toHaveLength(5)

  const nothing = await owner.post(`${path}/verify`)
  expect(nothing.body).toContain('5 records are missing or wrong.')
  expect(badges(nothing.body)).toEqual(Array(5).fill('not found'))
  publish(records)
  zone['portal.example.org'] = ['TXT v=spf1 include:<script>boom()</script> -all']
  const wrong = await owner.post(`${path}/verify`)
  expect(badges(wrong.body)).toEqual(['in place', 'another value', 'in place', 'in place', 'in place'])
  expect(wrong.body).toContain('v=spf1 include:&lt;script&gt;boom()&lt;/script&gt; -all')
  expect((await owner.get(path)).body).not.toContain('is verified.')
  zone['portal.example.org'] = records.slice(1, 2).map(published)
  const verified = await owner.post(`${path}/verify`)
  expect(verified.body).toContain('The domain is verified.')
  expect(badges((await owner.get(path)).body)).toEqual(Array(5).fill('in place'))
})

test('mail from an attached domain has a DKIM signature that mailauth accepts, and replies reach the mailbox', async () => {
  const agent = await newAgent('Signing Agent')
  const other = await newAgent('Reading Agent')
  const { id, dns_records: records } = (
    await agent.post('/v1/custom-domains', { domain: 'münchen-signs.example.org', mode: 'byoc' })
  ).body as { id: string; dns_records: DnsRecord[] }
  publish(records)
  expect(await agent.verify(id)).toMatchObject({ verified: true })
  const attached = await agent.post(`/v1/custom-domains/${id}/attach`, { agent_id: agent.id })
  const { domain } = attached.body as { domain: string }
  expect(domain).toBe('xn--mnchen-signs-dlb.example.org')
  const address = `${agent.email.slice(0, agent.email.indexOf('@'))}@${domain}`
  expect(attached.body).toMatchObject({ agent_id: agent.id, addresses: [{ agent_id: agent.id, address }] })

  const letters: [string, Record<string, unknown>][] = [
    ['ascii@example.com', { subject: 'Plain', text: 'Plain words.\n\nAnd  two spaces. \n\n\n' }],
    [
      'utf8@example.com',
      { subject: 'Grüße an 日本語', text: 'Größe\tzählt 🦀\n.\n..\n', html: '<p>Größe</p>' },
    ],
    ['long@example.com', { subject: `Long ${'word '.repeat(60)}`, text: 'x'.repeat(20_000) }],
  ]
  for (const [to, letter] of letters) {
    expect((await agent.post('/v1/messages', { to: [to], ...letter })).status).toBe(202)
  }
  const attachment = await agent.post('/email/send', {
    to: ['file@example.com'],
    subject: 'A file',
    body_text: 'See the file.',
    attachments: [
      { filename: 'größe.bin', content_type: 'application/octet-stream', content_base64: 'AAEC/v8=' },
    ],
  })
  expect(attachment.status).toBe(200)
  const recipients = [...letters.map(([to]) => to), 'file@example.com']
  for (const to of recipients) {
    const mail = await arrival(to)
    const text = mail.raw.toString('latin1')
    expect({ to, signed: await signaturesOf(mail.raw) }).toEqual({
      to,
      signed: [{ result: 'pass', signingDomain: domain }],
    })
    // The SMTP server shows the domain in Unicode.
    expect(mail.from).toMatch(/^bounce\+[\w-]+@bounce\.münchen-signs\./)
    expect(text).toMatch(/^X-MailMolt-Trust-Score: 55\r$/m)
    expect(text).not.toMatch(/X-MailMolt-Verified/)
    // A relay may add header fields and fold others. A change of anything that a reader sees breaks the signature.
    const hopped = `Received: by hop.example; Sat, 1 Jan 2028 00:00:00 +0000\r\n${text.replace(/^Subject: /m, 'subject:   ')}`
    expect(await signaturesOf(Buffer.from(hopped, 'latin1'))).toMatchObject([{ result: 'pass' }])
    const forgeries = [
      text.replace(/^Subject: .*$/m, 'Subject: Something else'),
      text.replace(/^X-MailMolt-Trust-Score: 55/m, 'X-MailMolt-Trust-Score: 99'),
      `From: ceo@${domain}\r\n${text}`,
      text.replace(/\r\n\r\n/, '\r\n\r\nadded '),
    ]
    for (const forged of forgeries) {
      expect(forged).not.toBe(text)
      expect((await signaturesOf(Buffer.from(forged, 'latin1'))).map(({ result }) => result)).not.toContain(
        'pass',
      )
    }
  }

  // Mail between our own mailboxes is delivered internally, to either address.
  const inside = await other.post('/v1/messages', {
    to: [address, agent.email],
    subject: 'Inside',
    text: 'Hello',
  })
  expect(inside).toMatchObject({ status: 202, body: { message: { status: 'delivered' } } })
  const inbox = await agent.get('/v1/messages?direction=inbound&limit=50')
  const inbound = inbox.body.data.filter(({ subject }: { subject: string }) => subject === 'Inside')
  expect(inbound).toHaveLength(1)
  const back = await agent.post('/v1/messages', { to: [other.email], subject: 'Back', text: 'From there' })
  expect(back.body.message.status).toBe('delivered')
  const theirs = await other.get('/v1/messages?limit=50')
  expect(theirs.body.data).toContainEqual(expect.objectContaining({ subject: 'Back', from_addr: address }))

  // Mail from outside comes in as the mail exchanger hands it over.
  const letter = `From: Ann <ann@example.com>\r\nTo: ${address}\r\nSubject: Outside\r\nMessage-ID: <o1@example.com>\r\n\r\nHello\r\n`
  const handed = await fetch(
    `${dev.address}/cdn-cgi/handler/email?from=ann@example.com&to=${encodeURIComponent(address)}`,
    { method: 'POST', body: letter },
  )
  expect(handed.status).toBe(200)
  await expect
    .poll(async () => JSON.stringify((await agent.get('/v1/messages?limit=50')).body.data), {
      timeout: 10_000,
    })
    .toContain('Outside')

  // Without its records the domain cannot send. After the domain is deleted, the agent sends from its own address.
  withdraw(records.filter(({ purpose }) => purpose === 'dkim'))
  expect(await agent.verify(id)).toMatchObject({ verified: false, domain: { status: 'failed' } })
  const refused = await agent.post('/v1/messages', {
    to: ['late@example.com'],
    subject: 'Late',
    text: 'Late',
  })
  expect(refused).toMatchObject({ status: 403, body: { error: 'no_verified_domain' } })
  expect((await agent.del(`/v1/custom-domains/${id}`)).status).toBe(204)
  expect((await agent.get(`/v1/custom-domains/${id}`)).status).toBe(404)
  expect(
    (await agent.post('/v1/messages', { to: ['own@example.com'], subject: 'Own', text: 'Own' })).status,
  ).toBe(202)
  const own = await arrival('own@example.com')
  expect(own.raw.toString()).toContain(`<${agent.email}>`)
  expect(own.raw.toString()).not.toMatch(/^DKIM-Signature/m)
  const unknown = await other.post('/v1/messages', { to: [address], subject: 'Gone', text: 'Hello' })
  expect(unknown.body.message.status).not.toBe('delivered')
}, 60_000)

test('a domain has one owner: an unproved claim blocks nobody, and only DNS can move a verified domain to another tenant', async () => {
  const [first, second] = [await newAgent('First Owner'), await newAgent('Second Owner')]
  const claim = async (agent: typeof first, mode: string) =>
    (await agent.post('/v1/custom-domains', { domain: 'contested.example.org', mode })).body
  const squatted = await claim(second, 'byoc')
  const owned = await claim(first, 'byoc')
  expect((await first.post('/v1/custom-domains', { domain: 'CONTESTED.example.org' })).status).toBe(409)
  publish(owned.dns_records)
  expect(await second.verify(squatted.id)).toMatchObject({ verified: false })
  expect(await first.verify(owned.id)).toMatchObject({ verified: true })
  await first.post(`/v1/custom-domains/${owned.id}/attach`, { agent_id: first.id })

  // The second tenant has all its records, but the first tenant's proof is still in DNS.
  const shared = ['spf', 'dmarc', 'bounce']
  const own = squatted.dns_records.filter(({ purpose }: DnsRecord) => !shared.includes(purpose))
  publish(own)
  const held = await second.verify(squatted.id)
  expect(held).toMatchObject({
    verified: false,
    missing: [{ purpose: 'ownership', problem: 'held_by_another' }],
  })
  expect(JSON.stringify(held)).not.toContain(first.id)
  expect(JSON.stringify(held)).not.toContain(owned.dns_records[0].value)
  expect(
    (await second.post(`/v1/custom-domains/${squatted.id}/attach`, { agent_id: second.id })).status,
  ).toBe(409)
  expect((await first.get(`/v1/custom-domains/${owned.id}`)).body.status).toBe('verified')

  // The id of another tenant's domain is unknown.
  for (const [method, path, body] of [
    ['get', `/v1/custom-domains/${owned.id}`],
    ['del', `/v1/custom-domains/${owned.id}`],
    ['post', `/v1/custom-domains/${owned.id}/verify`, {}],
    ['post', `/v1/custom-domains/${owned.id}/attach`, { agent_id: second.id }],
  ] as ['get' | 'del' | 'post', string, unknown?][]) {
    expect({ method, path, status: (await second[method](path, body)).status }).toMatchObject({ status: 404 })
  }
  expect(await first.post(`/v1/custom-domains/${owned.id}/attach`, { agent_id: second.id })).toMatchObject({
    status: 404,
    body: { error: 'agent_not_found' },
  })

  // The domain is sold: the old proof is removed, and the new one stays.
  withdraw([owned.dns_records[0]])
  expect(await second.verify(squatted.id)).toMatchObject({ verified: true, domain: { status: 'verified' } })
  expect((await first.get(`/v1/custom-domains/${owned.id}`)).body).toMatchObject({
    status: 'failed',
    addresses: [],
  })
  const sent = await first.post('/v1/messages', {
    to: ['after@example.com'],
    subject: 'After',
    text: 'After',
  })
  expect(sent.status).toBe(202)
  expect((await arrival('after@example.com')).raw.toString()).not.toContain('contested')

  // Delegation proves only the claim whose name servers are set.
  const [third, fourth] = [await newAgent('Third Owner'), await newAgent('Fourth Owner')]
  const managed = async (agent: typeof first) =>
    (await agent.post('/v1/custom-domains', { domain: 'delegated.example.org' })).body
  const [ofThird, ofFourth] = [await managed(third), await managed(fourth)]
  expect(ofFourth).toMatchObject({ mode: 'managed', status: 'pending' })
  expect(ofFourth.ns_records).toHaveLength(2)
  publish(ofFourth.ns_records)
  expect(await third.verify(ofThird.id)).toMatchObject({
    verified: false,
    missing: [{ purpose: 'delegation' }, {}],
  })
  expect(await fourth.verify(ofFourth.id)).toMatchObject({ verified: true })
  zone['delegated.example.org'] = [...(zone['delegated.example.org'] as string[]), 'NS ns1.elsewhere.example']
  expect(await fourth.verify(ofFourth.id)).toMatchObject({ verified: false, domain: { status: 'failed' } })
}, 60_000)

test('a verified domain is checked again by itself: it fails at the third check with a missing record, and an unanswered lookup does not count', async () => {
  const agent = await newAgent('Patient Owner')
  const claimed = (await agent.post('/v1/custom-domains', { domain: 'watched.example.org', mode: 'byoc' }))
    .body
  publish(claimed.dns_records)
  expect(await agent.verify(claimed.id)).toMatchObject({ verified: true })
  const db = devDatabase(state)
  const row = () =>
    db
      .prepare('SELECT status, misses, checked_at, next_at FROM domains WHERE id = ?')
      .get(claimed.id) as Record<'status' | 'misses' | 'checked_at' | 'next_at', unknown>
  /** Makes the next check due now, and waits until it is done. */
  const check = async (isDone: (asked: number, before: ReturnType<typeof row>) => boolean) => {
    const [asked, before] = [doh.seen.asked, row()]
    db.prepare('UPDATE domains SET next_at = 1 WHERE id = ?').run(claimed.id)
    for (let left = 400; left > 0; left--) {
      if (isDone(doh.seen.asked - asked, before)) break
      await sleep(50)
    }
    const { status, misses, next_at } = row()
    return {
      status,
      misses,
      inHours: next_at === null ? null : Math.round((Number(next_at) - Date.now()) / 3_600_000),
    }
  }
  const isWritten = (_: number, before: ReturnType<typeof row>) => row().checked_at !== before.checked_at

  const [ownership] = claimed.dns_records
  const held = zone[ownership.name] as string[]
  zone[ownership.name] = ['RCODE 2']
  const unanswered = await check((asked) => asked >= claimed.dns_records.length && row().next_at !== 1)
  expect(unanswered).toEqual({ status: 'verified', misses: 0, inHours: 1 })
  zone[ownership.name] = held

  withdraw([ownership])
  expect(await check(isWritten)).toEqual({ status: 'verified', misses: 1, inHours: 1 })
  publish([ownership])
  const recovered = await check(isWritten)
  expect(recovered).toMatchObject({ status: 'verified', misses: 0 })
  expect([23, 24]).toContain(recovered.inHours)

  withdraw([ownership])
  expect(await check(isWritten)).toMatchObject({ status: 'verified', misses: 1 })
  expect(await check(isWritten)).toMatchObject({ status: 'verified', misses: 2 })
  expect(await check(isWritten)).toEqual({ status: 'failed', misses: 3, inHours: null })
  db.close()
  expect((await agent.get(`/v1/custom-domains/${claimed.id}`)).body).toMatchObject({ status: 'failed' })
  const told = async () => (await agent.get('/v1/agent/events?type=domain.failed')).body
  for (let left = 200; left > 0 && (await told()).items?.length === 0; left--) await sleep(50)
  expect((await told()).items).toMatchObject([
    { data: { domain: { id: claimed.id, name: 'watched.example.org' }, reason: 'records_missing' } },
  ])
}, 60_000)
