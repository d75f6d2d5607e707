import fc from 'fast-check'
import { expect, test } from 'vitest'
import { misplacedIn } from '../../src/core/letters/contexts.ts'
import { lintTemplate } from '../../src/core/letters/lint.ts'
import { outputsIn } from '../../src/core/letters/outputs.ts'
import { samplePayload } from '../../src/core/letters/preview.ts'
import {
  compileTemplate,
  missingVariables,
  type Payload,
  renderTemplate,
  unfitVariables,
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

const EVIL = [
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  '\u0001javascript:alert(1)',
  'java\tscript:alert(1)',
  'java\nscript:alert(1)',
  'javascript&colon;alert(1)',
  'java&Tab;script:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  'blob:https://example.com/x',
  '//evil.example',
  'evil.example/path',
  'http:evil.example',
  'https:\\\\evil.example',
  'ftp://evil.example',
]
const FINE = ['https://example.com/?a=1&b="2"', 'http://example.com', 'mailto:a@example.com', 'tel:+4912', '']

test('a variable in a URL takes http, https, mailto and tel only, unless the template fixes how the URL begins', () => {
  const places = [
    '<a href="{{ v }}">x</a>',
    "<a href='{{ v }}'>x</a>",
    '<a href = "\n {{ v }}/more">x</a>',
    '<a title="x" HREF="{{ v }}">x</a>',
    '<img src="{{ v }}">',
    '<img srcset="https://example.com/a 1x, {{ v }} 2x">',
    '<form action="{{ v }}"><button formaction="{{ v }}">x</button></form>',
    '<svg><a xlink:href="{{ v }}">x</a></svg>',
    '<td background="{{ v }}">x</td>',
    '<body poster="{{ v }}" unknown="{{ v }}">x</body>',
    '{% if true %}<a href="{{ v }}">x</a>{% endif %}',
    '{% for each in list %}<a href="{{ each }}">x</a>{% endfor %}',
    '{% capture c %}{{ v | raw }}{% endcapture %}<a href="{{ c | strip }}">x</a>',
    '<a href="{% echo v %}">x</a>',
    '<a href="{% cycle v, v %}">x</a>',
    '<a href="{{ v | raw }}">x</a>',
    '<a href="{{ first }}{{ second }}">x</a>',
    '<p style="background: url({{ v }})">x</p>',
    '<base href="{{ v }}">',
  ]
  for (const html of places) {
    const compiled = compile('s', html)
    for (const v of EVIL) {
      const payload = { v, list: [v], first: v.slice(0, 4), second: v.slice(4) }
      const result = renderTemplate(compiled, payload)
      expect([html, v, result.ok]).toEqual([html, v, false])
      expect(unfitVariables(compiled, payload).length, `${html} ${v}`).toBeGreaterThan(0)
    }
    if (/style|first/.test(html)) continue
    for (const v of FINE) {
      if (v.includes('"') && /raw|srcset/.test(html)) continue
      const result = renderTemplate(compiled, { v, list: [v] })
      expect([html, v, result]).toMatchObject([html, v, { ok: true }])
    }
  }
  expect(renderTemplate(compile('s', '<a href="{{ link }}">x</a>'), { link: 'javascript:1' })).toEqual({
    ok: false,
    missing: [],
    unfit: [
      { name: 'link', reason: 'must be a URL that begins with http://, https://, mailto: or tel: (in href)' },
    ],
    detail: '"link" must be a URL that begins with http://, https://, mailto: or tel: (in href)',
  })
  for (const html of [
    '<a href="https://example.com/{{ v }}">x</a>',
    '<a href="/{{ v }}#top">x</a>',
    '<a href="https://example.com/?q={{ v }}">x</a>',
    '<a href="#{{ v }}">x</a>',
    '<img src="cid:{{ v }}" alt="{{ v }}" data-x="{{ v }}">',
    '<p title="{{ v }}" class="{{ v }}" lang="{{ v }}">{{ v }}</p>',
    '<title>{{ v }}</title><textarea>{{ v }}</textarea>',
    '<meta name="description" content="{{ v }}">',
  ])
    for (const v of EVIL)
      expect([html, renderTemplate(compile('s', html), { v })]).toMatchObject([html, { ok: true }])
  const styled = compile('s', '<p style="color: {{ v }}; width: {{ w }}">x</p>')
  expect(renderTemplate(styled, { v: '#ff0', w: '50%' })).toMatchObject({ ok: true })
  for (const v of [
    'red; background: url(https://evil.example)',
    'expression(alert(1))',
    '\\75rl(x)',
    '"',
    '&quot;',
  ])
    expect([v, renderTemplate(styled, { v, w: 1 }).ok]).toEqual([v, false])
  expect(
    samplePayload({
      subject: 's',
      html: '<a href="{{ to.link }}">{{ name }}</a>',
      text: null,
      variables: [],
    }),
  ).toEqual({
    to: { link: 'https://example.com/to.link' },
    name: '[name]',
  })
})

test('a variable outside the quotes of an attribute or outside shown text is refused when published and when rendered', () => {
  const places = [
    '<a href={{ v }}>x</a>',
    '<p title={{ v }}>x</p>',
    '<p {{ v }}>x</p>',
    '<p {{ v }}="x">x</p>',
    '<p data-{{ v }}="x">x</p>',
    '<{{ v }}>x',
    '<p>x</{{ v }}>',
    '<script>let x = "{{ v }}"</script>',
    '<style>p { color: {{ v }} }</style>',
    '<!-- {{ v }} -->',
    '<!--[if mso]><p>{{ v }}</p><![endif]-->',
    '<p onclick="say({{ v }})">x</p>',
    '<p ONload = "{{ v }}">x</p>',
    '<iframe srcdoc="{{ v }}"></iframe>',
    '<meta http-equiv="refresh" content="0; url={{ v }}">',
    '<noscript>{{ v }}</noscript>',
    '<svg><animate attributeName="href" values="{{ v }}"/></svg>',
    '<!DOCTYPE {{ v }}>',
    '<?php {{ v }} ?>',
    '<script src="{{ v }}"></script>',
  ]
  const variables = [{ name: 'v', type: 'string', required: true }]
  for (const html of places) {
    const { errors } = lintTemplate({ subject: 's', html, text: null, type: 'transactional', variables })
    expect([html, errors.map(({ code }) => code)]).toEqual([html, ['misplaced_variable']])
    const result = renderTemplate(compile('s', html), { v: 'https://example.com/' })
    expect([html, result]).toMatchObject([html, { ok: false, unfit: [{ name: 'v' }] }])
  }
  // A value of its own cannot open or close anything, and `raw` is sanitised.
  for (const v of [
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    '<img src=x onerror=alert(1)>',
    '-->',
  ]) {
    for (const html of ['<p title="{{ v }}">{{ v }}</p>', "<p title='{{ v }}'>{{ v }}</p>"]) {
      const result = renderTemplate(compile('s', html), { v })
      expect(result).toMatchObject({ ok: true })
      expect(JSON.stringify(result)).not.toMatch(/<script|<img|title="" /)
    }
    const raw = renderTemplate(compile('s', '<p>{{ v | raw }}</p>'), { v })
    expect(JSON.stringify(raw)).not.toMatch(/<script|onerror=/)
    const broken = renderTemplate(compile('s', '<p title="{{ v | raw }}">x</p>'), { v: `${v}" onclick="x` })
    expect([v, broken.ok]).toEqual([v, false])
  }
  expect(
    lintTemplate({
      subject: 's',
      html: '<p {% if v == "a" %}class="{{ v }}"{% endif %}>{{ v }} {% if v < 3 %}{{ v | raw }}{% endif %}</p>',
      ...{ text: '<{{ v }} {{ v }}=', type: 'transactional', variables },
    }).errors,
  ).toEqual([])

  const start = performance.now()
  for (const source of [
    '<a href="{{ v }}">'.repeat(9_000),
    '<a href="{{ v }}'.repeat(9_000),
    `<a href="${'{{ v }}'.repeat(20_000)}">`,
    `<a ${'b="{{ v }}" '.repeat(12_000)}>`,
    '<'.repeat(190_000),
    '{'.repeat(190_000),
    '<!--{{ v }}'.repeat(15_000),
    '</a '.repeat(40_000),
    '&'.repeat(190_000),
  ]) {
    const { html, outputs } = outputsIn(source)
    for (const isSource of [true, false]) misplacedIn(html, outputs, { isSource })
  }
  expect(performance.now() - start).toBeLessThan(6_000)
})
