import { expect, test } from 'vitest'
import { screenLetter } from '../../src/core/reading/dlp/content.ts'
import { textOfFile } from '../../src/core/reading/dlp/file-text.ts'
import { scanMarkup, scanText, strike } from '../../src/core/reading/dlp/scan.ts'
import { iban, luhn, secretsOf } from '../support/secrets.ts'

const search = { tenantId: 'tenant_test', disabledRules: [], canaries: [] }
const card = luhn('411122223333444')
const struck = (text: string) => strike(text, scanText(text, search))
const struckMarkup = (html: string) => strike(html, scanMarkup(html, search))

test('a finding is struck out from its first to its last character, and nothing else is', () => {
  const groups = card.replace(/(\d{4})(?=\d)/g, '$1 ')
  const mark = '[REDACTED:credit_card]'
  expect(struck(`Card ${card}, thanks`)).toBe(`Card ${mark}, thanks`)
  expect(struck(`${groups} 12/27 and ${groups.replaceAll(' ', '-')}.`)).toBe(`${mark} 12/27 and ${mark}.`)
  expect(struck([...card].join('\u200b'))).not.toMatch(/\d/)
  expect(struck(card.replace(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit))))).toBe(mark)
  expect(struck(`x=${encodeURIComponent(groups)}&y=1`)).toBe(`x=${mark}&y=1`)
  expect(struck(`${btoa(`number ${card}`)}\nGood bye`)).toBe(`${mark}\nGood bye`)
  expect(struck(`${iban('FR', '20041010050500013M02606')} und weiter`)).toBe('[REDACTED:iban] und weiter')

  expect(struckMarkup(`<p>${card.slice(0, 6)}<b>${card.slice(6)}</b> &amp; on</p>`)).toBe(
    `<p>${mark}<b></b> &amp; on</p>`,
  )
  expect(struckMarkup(`<a title='&#52;${card.slice(1)}' href=/${card}>x</a>`)).toBe(
    `<a title='${mark}' href=/${mark}>x</a>`,
  )
  expect(struckMarkup(`<td>${groups.slice(0, 9)}</td><td>${groups.slice(10)}</td>`)).toBe(
    `<td>${mark}</td><td></td>`,
  )
  for (const harmless of [
    `0.${card}`,
    `${card}7`,
    `a${card}`,
    luhn('999122223333444'),
    card.replace(/\d$/, 'x'),
  ]) {
    expect(struck(harmless)).toBe(harmless)
  }
})

test('a secret is found at the end of a long text and across the borders of the pieces that are searched', () => {
  const secret = secretsOf(3).private_key?.text ?? ''
  for (const before of [0, 524_288 - 400, 524_288 - 20_480 - 400, 1_200_000]) {
    const text = `${'lorem ipsum '.repeat(before / 12 + 1).slice(0, before)}${secret} and on`
    expect(scanText(text, search).map(({ rule }) => rule)).toEqual(['private_key'])
    expect(struck(text).slice(before)).toBe('[REDACTED:private_key] and on')
  }
})

test('disabled rules find nothing, and files are read in any charset', () => {
  const policy = { mode: 'redact' as const, disabledRules: ['credit_card'], canaries: [] }
  const letter = { subject: card, html: null, text: `${secretsOf(4).jwt?.text}` }
  const { facts, clean } = screenLetter('tenant_test', policy, letter)
  expect(facts.found).toEqual([{ rule: 'jwt', where: ['text'], count: 1 }])
  expect(clean).toEqual({ subject: card, html: null, text: '[REDACTED:jwt]' })
  const answer = { subject: 'Re: your number?', html: null, text: ' 219099998\n' }
  expect(screenLetter('tenant_test', policy, answer).clean.text).toBe(' [REDACTED:us_ssn]\n')
  const order = { ...answer, text: 'order 219099998' }
  expect(screenLetter('tenant_test', policy, order).facts.found).toEqual([])

  const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))
  expect(textOfFile(bytes('caf\xe9'), 'text/plain; charset=iso-8859-1')).toBe('café')
  expect(textOfFile(bytes('caf\xe9'), 'text/csv')).toBe('café')
  expect(textOfFile(bytes('caf\xc3\xa9'), 'application/octet-stream')).toBe('café')
  expect(textOfFile(bytes('h\0i\0!\0'), 'text/plain')).toBe('hi!')
  expect(textOfFile(bytes('\xfe\xff\0h\0i'), 'application/octet-stream')).toBe('hi')
  expect(textOfFile(bytes('\x89PNG\0\x01\x02'), 'image/png')).toBeNull()
})
