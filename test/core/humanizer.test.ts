import { expect, test } from 'vitest'
import { isEnglish, reword } from '../../src/core/letters/humanizer/embedded.ts'
import { survives, valuesIn, type Wording } from '../../src/core/letters/humanizer/guard.ts'
import { readMarkup, writeMarkup } from '../../src/core/letters/humanizer/markup.ts'
import { chosenStyle } from '../../src/core/letters/humanizer/style.ts'
import { HUMANIZER_STYLES } from '../../src/schema/accounts.ts'

const payload = {
  firstName: 'Ann',
  plan: 'Basic Plus',
  order: { id: 'A-1009', total: 42.5 },
  note: 'blue & green',
}

const text = `Hello Ann,

I hope this email finds you well. We are pleased to inform you that your Basic Plus order A-1009 has shipped.
The total was $42.50, due on 12 March 2026 at 5:30 pm. Do not pay before Tuesday.
Track it at https://shop.example.com/track?id=A-1009&lang=en or call +49 30 1234567.
Questions? Write to help@example.com, and mention "blue & green".

Best regards,
Tom Miller
Unsubscribe: https://shop.example.com/u/abc
`

const html = `<!doctype html><html lang="en"><head><title>We are here</title><style>p { color: red }</style></head><body>
<p class="x">Hello <b>Ann</b>,</p><!-- do not touch -->
<p>We are pleased to inform you that your order &amp; gift (blue &amp; green) cost &euro;42.50&nbsp;today.</p>
<p>Do not wait: <a href="https://shop.example.com/a?b=1&amp;c=2" title="do not">do not click</a> if you are busy.</p>
<script>if (a < b) { do not }</script>
<p>You are receiving this because you are a customer. <a href="https://shop.example.com/u">Stop</a></p></body></html>`

const original: Wording = { subject: 'Hello Ann, we are shipping A-1009', text, html }

/** Rewritings that each lose, change, move or add one value, with the kind of value that the guard must name. */
const LOSSES: [kind: string, from: string | RegExp, to: string][] = [
  ['link', 'https://shop.example.com/track?id=A-1009&lang=en', 'our site'],
  ['link', 'lang=en', 'lang=de'],
  ['link', 'has shipped', 'has shipped (see evil.example.org/now)'],
  ['link', 'has shipped', 'has shipped (see evil。com)'],
  ['address', 'help@example.com', 'us'],
  ['address', 'help@example.com', 'help@example.org'],
  ['amount', '$42.50', '€42.50'],
  ['amount', 'The total was', 'With 10% off, the total was'],
  ['number', '$42.50', '$42.05'],
  ['date', '12 March 2026', '12 May 2026'],
  ['date', 'Tuesday', 'Wednesday'],
  ['date', '5:30 pm', '5:30 am'],
  ['phone', '+49 30 1234567', '+49 30 1234568'],
  ['value', 'Basic Plus', 'basic plus'],
  ['value', 'Hello Ann', 'Hello Anna'],
  ['value', 'Hello Ann', 'Hello'],
  ['quote', '"blue & green"', '"green and blue"'],
  ['name', 'Tom Miller', 'The team'],
  ['negation', 'Do not pay', 'Do pay'],
  ['system', 'Unsubscribe: ', 'More: '],
  ['unsafe', 'has shipped', 'has ship\u200bped'],
  ['unsafe', 'has shipped', 'has shipped\ud800'],
  ['length', /[\s\S]*/, 'Hello Ann'],
]

test('the guard names the values that a rewriting lost or added', () => {
  expect(survives(original, original, payload)).toEqual({ ok: true })
  for (const [kind, from, to] of LOSSES) {
    const changed = text.replace(from, to)
    expect(changed).not.toBe(text)
    const verdict = survives(original, { ...original, text: changed }, payload)
    expect(verdict, `${from} became ${to}`).toMatchObject({ ok: false })
    expect(verdict.ok ? [] : verdict.lost, `${from} became ${to}`).toContain(kind)
  }
  const swapped = { ...original, text: 'It was $10 and is $8 now, not $9.' }
  expect(survives(swapped, { ...swapped, text: 'It was $8 and is $10 now, not $9.' }, {})).toMatchObject({
    ok: false,
  })
  expect(survives(original, { ...original, text: null }, payload)).toEqual({ ok: false, lost: ['length'] })
  expect(
    survives(original, { ...original, subject: 'Hello Ann,\r\nBcc: a@b.example A-1009' }, payload),
  ).toMatchObject({
    ok: false,
    lost: expect.arrayContaining(['unsafe', 'address']),
  })
})

test('a postal address, a protected phrase and text between tags are values, too', () => {
  const values = [{ bio: '<i>we are two</i> and <b>we do not rest</b>' }, 'Moltpost Ltd\n1 Harbour Way\nCork']
  const whole = {
    subject: 'News',
    text: 'We are here.\n\nMoltpost Ltd\n1 Harbour Way\nCork',
    html: '<p>&nbsp;</p><p>we are here: <i>we are two</i> and <b>we do not rest</b></p><p>Moltpost Ltd<br>Cork</p>',
  }
  for (const [from, to] of [
    ['Harbour Way', 'Harbor Way'],
    ['\nCork', ''],
    ['Moltpost Ltd', 'The team'],
  ] as const) {
    const verdict = survives(whole, { ...whole, text: whole.text.replace(from, to) }, values)
    expect(verdict, from).toMatchObject({ ok: false, lost: expect.arrayContaining(['value']) })
  }
  const reworded = reword(whole, 'casual', 'x', valuesIn(values, whole))
  expect(reworded.html).toBe(whole.html.replace('we are here', "we're here"))
  expect(survives(whole, reworded, values)).toEqual({ ok: true })
  expect(survives(whole, { ...whole, html: whole.html.replace('Cork', 'Dublin') }, values)).toMatchObject({
    ok: false,
  })
})

test('the guard accepts a rewriting that only changes wording', () => {
  const changed = text
    .replace('I hope this email finds you well.', 'Hope all is good with you.')
    .replace('We are pleased to inform you that your', 'Great news: your')
    .replace('has shipped', 'is on its way')
    .replace('Do not pay', "Please don't pay")
  expect(survives(original, { ...original, text: changed }, payload)).toEqual({ ok: true })
})

test('all bytes of a document outside its prose stay the same, and nothing but prose is offered for rewording', () => {
  const markup = readMarkup(html)
  expect(markup.spans.map((span) => span.text)).toEqual([
    'Hello',
    'Ann',
    ',',
    'We are pleased to inform you that your order & gift (blue & green) cost €42.50\u00a0today.',
    'Do not wait:',
    'if you are busy.',
  ])
  const texts = markup.spans.map((span) => span.text)
  expect(writeMarkup(markup, texts)).toBe(html)
  const injected = writeMarkup(
    markup,
    texts.map((each) => (each === 'Hello' ? 'Hello <a href="x">' : each)),
  )
  expect(injected).toContain('Hello &lt;a href="x"&gt; <b>Ann')
  expect(readMarkup(injected).skeleton).toBe(markup.skeleton)

  for (const [from, to] of [
    ['class="x"', 'class="y"'],
    ['b=1&amp;c=2', 'b=1&amp;c=3'],
    ['<b>Ann</b>', 'Ann'],
    ['do not click', 'click'],
    ['<!-- do not touch -->', ''],
    ['Stop</a>', 'Go on</a>'],
    ['because you are a customer', 'because we like you'],
    [',</p>', ', <img src="https://evil.example/x.png"></p>'],
    ['a < b', 'a > b'],
  ] as const) {
    const changed = html.replace(from, to)
    expect(changed).not.toBe(html)
    expect(survives(original, { ...original, html: changed }, payload), from).toMatchObject({
      ok: false,
      lost: expect.arrayContaining(['markup']),
    })
  }
  const cheaper = html.replace('&euro;42.50', '&euro;24.50')
  expect(survives(original, { ...original, html: cheaper }, payload)).toMatchObject({ ok: false })
})

test('the built-in rules reword in each style, lose no value and give one send the same wording every time', () => {
  const values = valuesIn(payload, original)
  for (const style of HUMANIZER_STYLES) {
    const once = reword(original, style, 'req_1', values)
    expect(once).not.toEqual(original)
    expect(survives(original, once, payload), style).toEqual({ ok: true })
    expect(reword(original, style, 'req_1', values)).toEqual(once)
  }
  const casual = reword(original, 'casual', 'req_1', values)
  expect(casual.text).toMatch(/^(Hi|Hey) Ann,/)
  expect(casual.text).toContain("Don't pay before Tuesday")
  expect(casual.text).toMatch(/\n(Cheers|Best),\nTom Miller\nUnsubscribe: https/)
  expect(casual.html).toContain(
    '<a href="https://shop.example.com/a?b=1&amp;c=2" title="do not">do not click</a> if you\'re busy.',
  )
  const loose = { subject: 'Hey Ann', text: "Hi! I'm sure you'll like it, and we can't wait!!", html: null }
  expect(reword(loose, 'professional', 'a', [])).toEqual({
    subject: 'Hello Ann',
    text: 'Hello! I am sure you will like it, and we cannot wait.',
    html: null,
  })
  const variants = new Set(
    Array.from({ length: 40 }, (_, at) => reword(original, 'casual', `req_${at}`, values).text),
  )
  expect(variants.size).toBeGreaterThan(3)
})

test('text that is not English and values that look like phrases are not changed', () => {
  const german = {
    subject: 'Hallo Ann',
    text: 'Hallo Ann,\n\ndas ist für Sie und die Familie. I am da.',
    html: null,
  }
  expect(reword(german, 'casual', 'x', [])).toEqual(german)
  for (const foreign of [
    'Bonjour Ann, nous avons bien reçu votre commande et vous remercions pour la confiance.',
    'Hola Ann, gracias por su pedido. Lo enviamos mañana con los papeles.',
    'こんにちは、ご注文ありがとうございます。',
    'Привет, Анна! Ваш заказ отправлен.',
  ]) {
    expect(isEnglish(foreign)).toBe(false)
  }
  const mixed = {
    subject: 'Your order',
    text: 'Hello,\n\nwe are here for you and do not rest.\n\nWir sind für Sie da und das ist gut so, do not worry.',
    html: null,
  }
  expect(reword(mixed, 'casual', 'x', []).text).toContain('gut so, do not worry.')
  const quoting = {
    subject: 'Your motto',
    text: 'Hello there, your motto is: we do not rest here. We do not stop.',
    html: null,
  }
  expect(reword(quoting, 'casual', 'x', valuesIn({ motto: 'we do not rest here' }, quoting)).text).toContain(
    "your motto is: we do not rest here. We don't stop.",
  )
})

test('the setting of the send wins over that of the agent, that over the mailbox, and without any the humanizer is off', () => {
  const says = [undefined, true, false]
  for (const send of says) {
    for (const agent of says) {
      for (const mailbox of says) {
        const expected = (send ?? agent ?? mailbox ?? false) ? 'professional' : null
        expect(chosenStyle([{ enabled: send }, { enabled: agent }, { enabled: mailbox }])).toBe(expected)
      }
    }
  }
  const styles = [undefined, ...HUMANIZER_STYLES]
  for (const send of styles) {
    for (const agent of [...styles, 'shouting']) {
      for (const mailbox of styles) {
        const known = agent === 'shouting' ? undefined : agent
        const wishes = [{ enabled: true, style: send }, { style: agent }, { style: mailbox }]
        expect(chosenStyle(wishes)).toBe(send ?? known ?? mailbox ?? 'professional')
      }
    }
  }
})
