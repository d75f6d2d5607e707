import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lintTemplate } from '../../src/core/letters/lint.ts'
import {
  compileTemplate,
  missingVariables,
  type Payload,
  renderTemplate,
  variablesIn,
} from '../../src/core/letters/rendering.ts'

function compile(subject: string, html: string | null = null, text: string | null = null) {
  const result = compileTemplate({ subject, html, text })
  if (!result.ok) throw new Error(`${result.part} ${result.line} ${result.detail}`)
  return result.compiled
}

test('payload values are escaped in html but not in text and subject, and the subject stays one line', () => {
  const compiled = compile(
    '{% if vip %}\n  For {{ name }}\n{% endif %}  ',
    '<p title="{{ name }}">{{ name }} {% cycle name, 2 %}{% echo name %}{% capture c %}{{ name }}{% endcapture %}</p>{{ html | raw }}',
    '{{ name }}: {{ list }} {{ gone | default: "none" }}',
  )
  const payload = { vip: true, name: `A & <b>"'`, html: '<i>x</i>', list: [1, [2, null]] }
  const escaped = 'A &amp; &lt;b&gt;&#34;&#39;'
  expect(renderTemplate(compiled, payload)).toEqual({
    ok: true,
    subject: `For A & <b>"'`,
    html: `<p title="${escaped}">${escaped} ${escaped}${escaped}</p><i>x</i>`,
    text: `A & <b>"': 12 none`,
  })
  for (const name of ['a\r\nBcc: evil@evil.example', 'a\0', 'a\u202eb', 'a\u2028b', '\ud800']) {
    const result = renderTemplate(compile('Hi {{ name }}', '{{ name }}'), { name })
    expect(result).toMatchObject({ ok: false, missing: [] })
    expect(renderTemplate(compile('Hi', '{{ name }}'), { name })).toMatchObject({ ok: true })
    expect(renderTemplate(compile('Hi {{ name | raw }}'), { name })).not.toMatchObject({
      subject: expect.stringMatching(/[\r\n\0]/),
    })
  }
  expect(renderTemplate(compile('{{ s }}'), { s: 'x'.repeat(999) })).toMatchObject({ ok: false })
})

test('the system fills its own variables, and a payload cannot replace them', () => {
  const compiled = compile('Hi', '{{ unsubscribe_url }} {{ physical_address }} {{ name }}')
  expect(variablesIn(compiled)).toEqual(['name'])
  expect(missingVariables(compiled, {})).toEqual(['unsubscribe_url', 'physical_address', 'name'])
  const payload = { name: 'Ann', unsubscribe_url: 'https://evil.example' }
  const system = { unsubscribe_url: 'https://mail.example/u', physical_address: '1 Way' }
  expect(missingVariables(compiled, {}, system)).toEqual(['name'])
  expect(renderTemplate(compiled, payload, system)).toMatchObject({
    html: 'https://mail.example/u 1 Way Ann',
  })
})

test('a missing variable is named by its path; null values, guarded variables and branches not taken are not missing', () => {
  const cases: [string, Payload, string[]][] = [
    ['{{ name }} {{ user.name }} {{ user.mail }}', { user: { mail: 'x' } }, ['name', 'user.name']],
    ['{{ user.address.city }} {{ user.address.city }}', {}, ['user.address.city']],
    ['{{ a }} {{ b.c }}', { a: null, b: null }, []],
    ['{{ a }}', { a: undefined }, ['a']],
    ['{{ a | default: "x" }} {{ b | default: c }}', {}, ['c']],
    ['{{ a | append: b | upcase }}', { a: 'x' }, ['b']],
    ['{% if a %}{{ a }}{% endif %}{% unless b %}{{ c }}{% endunless %}', {}, ['c']],
    ['{% if plan == "pro" %}{{ seats }}{% endif %}', { plan: 'free' }, []],
    ['{% if plan == "pro" %}{{ seats }}{% endif %}', { plan: 'pro' }, ['seats']],
    ['{% for item in items %}{{ item.name }}{{ forloop.index }}{% endfor %}', {}, ['items']],
    ['{% for item in items %}{{ item.name }}{% endfor %}', { items: [{ name: 'a' }, {}] }, ['item.name']],
    ['{% assign x = "1" %}{{ x }}{{ y }}', {}, ['y']],
    ['{{ items[0].name }} {{ items.size }} {{ items.first }}', { items: [{ name: 1 }] }, []],
    [
      '{{ constructor }} {{ a.constructor }} {{ a.__proto__ }}',
      { a: {} },
      ['constructor', 'a.constructor', 'a.__proto__'],
    ],
    [
      '{% if true %}{{ a.constructor }}{% endif %}{{ a.__proto__ }}',
      { a: {} },
      ['a.constructor', 'a.__proto__'],
    ],
    ['{{ "literal" }} {{ 1 | plus: 2 }} plain', {}, []],
  ]
  for (const [text, payload, missing] of cases) {
    expect(missingVariables(compile('s', null, text), payload), text).toEqual(missing)
    expect(renderTemplate(compile('s', null, text), payload), text).toMatchObject(
      missing.length ? { ok: false, missing } : { ok: true },
    )
  }

  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, undefined, '', 'text', 0, false),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('any'), { maxKeys: 3, noNullPrototype: true }),
      fc.array(tie('any'), { maxLength: 2 }),
    ),
  })).any
  const paths = fc.array(fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(paths, fc.record({ a: value, b: value }), (list, payload) => {
      const text = list.map((path) => `{{ ${path.join('.')} }}`).join(' ')
      const told = missingVariables(compile('s', null, text), payload)
      expect(missingVariables(compile('s', null, `{% if true %}${text}{% endif %}`), payload)).toEqual(told)
    }),
    { numRuns: 150 },
  )
})

test('no template runs without limit, reads files or reaches a prototype, and faults name the part and the line', () => {
  const runaways = [
    '{% for i in (1..100000) %}x{% endfor %}',
    '{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}',
    '{% for i in (1..100000000000) %}{% endfor %}',
    '{% assign s = "aaaaaaaaaa" %}{% for i in (1..100) %}{% assign s = s | append: s %}{% endfor %}',
    '{% capture s %}aaaaaaaaaa{% endcapture %}{% for i in (1..100) %}{% capture s %}{{ s }}{{ s }}{% endcapture %}{% endfor %}',
    `{% for i in (1..4000) %}${'x'.repeat(10_000)}{% endfor %}`,
  ]
  for (const html of runaways) {
    expect(missingVariables(compile('s', html), {}), html.slice(0, 60)).toEqual([])
    const result = renderTemplate(compile('s', html), {})
    expect(result, html.slice(0, 60)).toMatchObject({
      ok: false,
      missing: [],
      detail: expect.stringMatching(/limit|steps/),
    })
  }
  expect(compileTemplate({ subject: 's', html: 'a\nb\n{% if x %}', text: null })).toEqual({
    ok: false,
    part: 'html',
    line: 3,
    detail: 'tag {% if x %} not closed',
  })
  for (const text of [
    '{{ a | nope }}',
    '{% include "a" %}',
    '{% render "a" %}',
    '{% layout "a" %}',
    '{% block a %}{% endblock %}',
    '{{ a',
    'x'.repeat(200_001),
  ]) {
    expect(compileTemplate({ subject: 's', html: null, text }), text.slice(0, 40)).toMatchObject({
      ok: false,
      part: 'text',
      line: 1,
    })
  }
})

test('checking five hundred payloads takes a few milliseconds', () => {
  const compiled = compile(
    'Hi {{ user.name }}',
    '<p>{{ user.plan }} {{ city | default: "x" }} {{ a }} {{ b }}</p>',
    '{{ user.name }} {{ link }}',
  )
  const payload = { user: { name: 'Ann', plan: 'pro' }, a: 1, b: 2, link: 'x' }
  const start = performance.now()
  for (let count = 0; count < 500; count++) expect(missingVariables(compiled, payload)).toHaveLength(0)
  expect(performance.now() - start).toBeLessThan(100)
})

test('lint reports the published codes, each once and for the right part', () => {
  const clean = {
    subject: 'Hi {{ name }}',
    html: '<!DOCTYPE html PUBLIC "x" "http://www.w3.org/TR/xhtml1.dtd"><html xmlns="http://www.w3.org/1999/xhtml"><a href="{{unsubscribe_url}}">x</a>',
    text: 'Read https://example.com {{ unsubscribe_url }}',
    type: 'marketing' as const,
    variables: [{ name: 'name', type: 'string', required: true }],
  }
  expect(lintTemplate(clean)).toEqual({ errors: [], warnings: [] })

  const declare = (...names: string[]) => names.map((name) => ({ name, type: 'string', required: false }))
  const bad = lintTemplate({
    subject: 'ACT NOW, {{ who }}',
    html: '<img src=http://a.example/i.png><a href="javascript:x()">b</a><p style="background:url(\'http://b.example/\')">http://shown.example</p>',
    text: 'See http://c.example/?q={{ name }} {{ oops.deep }} {% assign own = 1 %}{{ own }}',
    type: 'marketing',
    variables: declare('name', 'idle', 'unsubscribe_url'),
  })
  expect(bad.errors.map(({ code, part, detail }) => [code, part, detail])).toEqual([
    ['undeclared_variable', 'subject', 'who'],
    ['insecure_url', 'html', 'http://a.example/i.png'],
    ['insecure_url', 'html', 'javascript:x()'],
    ['insecure_url', 'html', 'http://b.example/'],
    ['undeclared_variable', 'text', 'oops'],
    ['insecure_url', 'text', 'http://c.example/?q={{'],
    ['missing_unsubscribe', null, 'neither html nor text holds {{unsubscribe_url}}'],
  ])
  expect(bad.warnings.map(({ code, part, detail }) => [code, part, detail])).toEqual([
    ['spam_phrase', 'subject', 'act now'],
    ['unused_variable', null, 'idle'],
    ['system_variable_redeclared', null, 'unsubscribe_url'],
  ])

  expect(
    lintTemplate({ ...clean, type: 'transactional', html: null, text: '{{ any }}', variables: [] }).errors,
  ).toEqual([])
  const broken = lintTemplate({ ...clean, html: '\n{% if %}', text: null })
  expect(broken.errors.map(({ code, part }) => [code, part])).toEqual([['syntax_error', 'html']])

  const start = performance.now()
  for (const html of [
    '<'.repeat(200_000),
    '<style'.repeat(33_000),
    '{{'.repeat(90_000),
    'url('.repeat(50_000),
    'href='.repeat(40_000),
  ]) {
    lintTemplate({ ...clean, html })
  }
  expect(performance.now() - start).toBeLessThan(3_000)
})
