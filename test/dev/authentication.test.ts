import { generateKeyPairSync } from 'node:crypto'
import { authenticate } from 'mailauth'
import { dkimSign } from 'mailauth/lib/dkim/sign.js'
import { expect, test } from 'vitest'
import { readMail } from '../../src/core/reading/mime/mail.ts'

const MTA = 'mx.agents.test'
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`

/** The DNS zone of all senders in these tests. */
const ZONE: Record<string, string> = {
  's1._domainkey.good.test': record,
  's1._domainkey.mail.good.test': record,
  's1._domainkey.evil.test': record,
  's1._domainkey.loose.test': record,
  'good.test': 'v=spf1 ip4:192.0.2.7 -all',
  'mail.good.test': 'v=spf1 ip4:192.0.2.7 -all',
  'evil.test': 'v=spf1 ip4:192.0.2.66 -all',
  'soft.test': 'v=spf1 ~all',
  'neutral.test': 'v=spf1 ?all',
  'broken.test': 'v=spf1 ip4:nonsense -all',
  '_dmarc.good.test': 'v=DMARC1; p=reject',
  '_dmarc.soft.test': 'v=DMARC1; p=none',
}

async function resolver(name: string, type: string) {
  const found = type === 'TXT' ? ZONE[name.toLowerCase()] : undefined
  if (found === undefined) throw Object.assign(new Error(`${name} has no ${type}`), { code: 'ENOTFOUND' })
  return [[found]]
}

const letter = (from: string, body = 'Hi there') =>
  [
    `From: ${from}`,
    'To: agent@agents.test',
    'Subject: Hello',
    'Date: Sun, 1 Mar 2026 09:05:00 +0000',
    'Message-ID: <m1@good.test>',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    body,
    '',
  ].join('\r\n')

async function sign(message: string, ...domains: string[]) {
  const keys = domains.map((signingDomain) => ({ signingDomain, selector: 's1', privateKey: secret }))
  const [first] = keys
  if (!first) return message
  const { signatures, errors } = await dkimSign(message, { ...first, signatureData: keys })
  expect(errors).toEqual([])
  return signatures + message
}

type Situation = { message: string; sender: string; ip?: string }

const FORGED =
  `Received: from x by mail.elsewhere.test; now\r\nAuthentication-Results: ${MTA}; dkim=pass header.d=good.test;` +
  ' dmarc=pass header.from=good.test; spf=pass smtp.mailfrom=ann@good.test\r\n'

test('our reading of the Authentication-Results header of mailauth gives the results that mailauth reported', async () => {
  const good = letter('Ann <ann@good.test>')
  const signed = await sign(good, 'good.test')
  const evil = await sign(letter('ann@good.test'), 'evil.test')
  const situations: Record<string, Situation> = {
    'signed and permitted': { message: signed, sender: 'ann@good.test' },
    'signed, sent from elsewhere': { message: signed, sender: 'ann@good.test', ip: '192.0.2.66' },
    'signed, forwarded': { message: signed, sender: 'fwd@evil.test', ip: '192.0.2.66' },
    'unsigned and permitted': { message: good, sender: 'ann@good.test' },
    'unsigned, sent from elsewhere': { message: good, sender: 'ann@good.test', ip: '192.0.2.66' },
    'another envelope, its own host': { message: good, sender: 'eve@evil.test', ip: '192.0.2.66' },
    'signed by another': { message: evil, sender: 'eve@evil.test', ip: '192.0.2.66' },
    'signed by another and by the author': { message: await sign(good, 'evil.test', 'good.test'), sender: 'eve@evil.test' },
    'signed twice by the author': { message: await sign(good, 'good.test', 'mail.good.test'), sender: 'ann@good.test' },
    'signed by a child of the author': { message: await sign(good, 'mail.good.test'), sender: 'x@evil.test' },
    'signed by the parent of the author': { message: await sign(letter('ann@mail.good.test'), 'good.test'), sender: 'x@evil.test' },
    'body changed': { message: signed.replace('Hi there', 'Pay now'), sender: 'eve@evil.test' },
    'subject changed': { message: signed.replace('Hello', 'Urgent'), sender: 'eve@evil.test' },
    'author changed': { message: signed.replace('Ann <ann@', 'Ann <ceo@'), sender: 'eve@evil.test' },
    'key not published': { message: await sign(letter('a@soft.test'), 'soft.test'), sender: 'a@soft.test' },
    'signature torn': { message: signed.replace(/b=[^;]{20}/, 'b='), sender: 'ann@good.test' },
    'softfail': { message: letter('a@soft.test'), sender: 'a@soft.test' },
    'neutral': { message: letter('a@neutral.test'), sender: 'a@neutral.test' },
    'permerror': { message: letter('a@broken.test'), sender: 'a@broken.test' },
    'nothing published': { message: letter('a@silent.test'), sender: 'a@silent.test' },
    'signed without a policy': { message: await sign(letter('a@loose.test'), 'loose.test'), sender: 'a@loose.test' },
    'forged below a pass': { message: FORGED + signed, sender: 'ann@good.test' },
    'forged below a fail': { message: FORGED + good, sender: 'eve@evil.test', ip: '192.0.2.66' },
    'forged below nothing': { message: FORGED + letter('a@silent.test'), sender: 'a@silent.test' },
    'forged in place': { message: FORGED.replace(/^.*\r\n/, '') + good, sender: 'eve@evil.test', ip: '192.0.2.66' },
    'a sender in quotes': { message: good, sender: '"x; dmarc=pass header.from=good.test"@evil.test', ip: '192.0.2.66' },
  } // biome-ignore format: a table

  const wrong: unknown[] = []
  let authenticated = 0
  for (const strict of [false, true]) {
    for (const [name, { message, sender, ip = '192.0.2.7' }] of Object.entries(situations)) {
      const options = { ip, helo: 'out.sender.test', sender, mta: MTA, resolver, strict, disableBimi: true }
      const theirs = await authenticate(message, options)
      const delivered = new TextEncoder().encode(theirs.headers + message)
      const { authentication, ambiguities } = await readMail(delivered, { authservIds: [MTA] })

      const signatures = theirs.dkim.results.map(({ status, signingDomain }) => {
        return { result: status.result, signer: signingDomain ?? '' }
      })
      const author = authentication.fromDomain ?? ''
      const own = ({ signer }: { signer: string }) => author === signer || author.endsWith(`.${signer}`)
      const passed = signatures.filter(({ result }) => result === 'pass')
      const best = passed.find(own) ?? passed[0] ?? signatures[0]
      const dmarc = (theirs.dmarc || undefined)?.status.result ?? 'none'
      const expected = {
        spf: (theirs.spf || undefined)?.status.result ?? 'none',
        dkim: best?.result ?? 'none',
        dmarc,
        isFromAuthenticated: dmarc === 'pass' || (dmarc !== 'fail' && passed.some(own)),
      }
      const { spf, dkim, dmarc: policy, isFromAuthenticated } = authentication
      const ours = { spf, dkim, dmarc: policy, isFromAuthenticated }
      if (JSON.stringify(ours) !== JSON.stringify(expected) || ambiguities.length > 0) {
        wrong.push({ name, strict, ours, expected, ambiguities, headers: theirs.headers })
      }
      if (isFromAuthenticated) authenticated++
    }
  }
  expect(wrong).toEqual([])
  expect(Object.keys(situations).length).toBeGreaterThan(20)
  expect(authenticated).toBeGreaterThan(16)
  expect(authenticated).toBeLessThan(36)
})
