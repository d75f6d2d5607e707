import { expect, test } from 'vitest'
import { grant, newTenant } from '../../support/tenant.ts'

const CONTENT = {
  subjectTemplate: 'Hello {{firstName}}',
  htmlTemplate:
    '<p>Hello {{ firstName }}</p><p>{{ physical_address }}</p><a href="{{unsubscribe_url}}">stop</a>',
  textTemplate: 'Hello {{firstName}}\n{{unsubscribe_url}}',
  variables: [{ name: 'firstName', type: 'string', required: true }],
}

test('a template is drafted and published version by version, and sends use the published version', async () => {
  const tenant = await newTenant()
  await tenant.patch('/v1/agent/config/settings', { physicalAddress: '1 Main St' })
  const created = await tenant.post('/v1/templates', { slug: 'march_news-1', name: 'March news' })
  expect(created).toMatchObject({
    status: 200,
    body: {
      tenantId: tenant.id,
      slug: 'march_news-1',
      name: 'March news',
      type: 'marketing',
      approvalRequired: false,
      publishedVersion: null,
      versions: [],
    },
  })
  const path = '/v1/templates/march_news-1'
  expect((await tenant.post(`${path}/render`, {})).body).toMatchObject({
    error: 'not_found',
    field: 'version',
  })

  const first = await tenant.post(`${path}/versions`, CONTENT)
  expect(first).toMatchObject({
    status: 200,
    body: {
      ...CONTENT,
      id: `${created.body.id}:1`,
      templateId: created.body.id,
      version: 1,
      status: 'draft',
      publishedAt: null,
    },
  })
  const early = await tenant.send('ann@example.com', 'early', { templateId: 'march_news-1' })
  expect(early.body).toMatchObject({ status: 'blocked', reason: 'template_not_approved' })

  const published = await tenant.post(`${path}/versions/1/publish`)
  expect(published).toMatchObject({ status: 200, body: { version: 1, status: 'published' } })
  expect(published.body.publishedAt).not.toBeNull()
  expect((await tenant.post(`${path}/versions/1/publish`)).body).toEqual(published.body)
  await tenant.post(`/v1/templates/${created.body.id}/versions`, { ...CONTENT, subjectTemplate: 'Second' })
  expect((await tenant.post(`${path}/render`, { payload: { firstName: 'Ann' } })).body.subject).toBe(
    'Hello Ann',
  )
  const second = await tenant.post(`${path}/render`, { payload: { firstName: 'Ann' }, version: 2 })
  expect(second.body.subject).toBe('Second')

  await tenant.post(`${path}/versions/2/publish`)
  const whole = await tenant.get(path)
  expect(whole.body).toMatchObject({
    publishedVersion: 2,
    versions: [
      { version: 2, status: 'published' },
      { version: 1, status: 'archived', ...CONTENT },
    ],
  })
  expect((await tenant.post(`${path}/versions/1/publish`)).body.status).toBe('published')
  expect((await tenant.get(`/v1/templates/${created.body.id}`)).body.publishedVersion).toBe(1)
  const sent = await tenant.send('ann@example.com', 'sent', { templateId: 'march_news-1' })
  expect(sent.body.status).toBe('queued')

  const missing = await tenant.post(`${path}/versions/9/publish`)
  expect(missing).toMatchObject({ status: 404, body: { field: 'version' } })
  expect((await tenant.post(`${path}/versions/0/publish`)).body).toMatchObject({ field: 'version' })
})

test('concurrently added versions get different numbers, and after concurrent publishing one version is published', async () => {
  const tenant = await newTenant()
  const body = { slug: 'busy', name: 'Busy', type: 'transactional', content: { subject: 'a', text: 'a' } }
  await tenant.post('/v1/templates', { ...body, autoPublish: true })
  const added = await Promise.all(
    [2, 3, 4, 5].map((n) =>
      tenant.post('/v1/templates/busy/versions', { subjectTemplate: `${n}`, textTemplate: 'x' }),
    ),
  )
  expect(added.map((each) => each.body.version).sort()).toEqual([2, 3, 4, 5])

  const raced = await Promise.all(
    [2, 3, 4, 5].map((version) => tenant.post(`/v1/templates/busy/versions/${version}/publish`)),
  )
  expect(raced.some((each) => each.status === 200)).toBe(true)
  expect(raced.every((each) => each.status === 200 || each.body.error === 'conflict')).toBe(true)
  const { publishedVersion, versions } = (await tenant.get('/v1/templates/busy')).body
  const live = versions.filter((each: { status: string }) => each.status === 'published')
  expect(live).toMatchObject([{ version: publishedVersion }])
})

test('lint errors keep a version from being published; warnings do not', async () => {
  const tenant = await newTenant()
  const bad = {
    subject: 'Buy now {{name}}',
    html: '<a href="http://example.com">{{other}}</a>',
    variables: [{ name: 'name', type: 'string', required: true }],
  }
  const refused = await tenant.post('/v1/templates', {
    slug: 'bad',
    name: 'Bad',
    content: bad,
    autoPublish: true,
  })
  expect(refused).toMatchObject({ status: 400, body: { statusCode: 400, error: 'template_lint_failed' } })
  expect(refused.body.errors.map((each: { code: string }) => each.code).sort()).toEqual([
    'insecure_url',
    'missing_unsubscribe',
    'undeclared_variable',
  ])
  expect((await tenant.get('/v1/templates/bad')).status).toBe(404)

  expect((await tenant.post('/v1/templates', { slug: 'bad', name: 'Bad', content: bad })).status).toBe(200)
  const lint = await tenant.post('/v1/templates/bad/lint')
  expect(lint.body).toEqual({ errors: refused.body.errors, warnings: refused.body.warnings })
  expect(lint.body.warnings).toMatchObject([{ code: 'spam_phrase', part: 'subject', detail: 'buy now' }])
  const publishing = await tenant.post('/v1/templates/bad/versions/1/publish')
  expect(publishing).toMatchObject({ status: 400, body: { error: 'template_lint_failed' } })
  expect((await tenant.get('/v1/templates/bad')).body.publishedVersion).toBeNull()

  const broken = { subjectTemplate: 'x', textTemplate: '{% if %}' }
  await tenant.post('/v1/templates/bad/versions', broken)
  expect((await tenant.post('/v1/templates/bad/lint', {})).body.errors[0]).toMatchObject({
    code: 'syntax_error',
    part: 'text',
  })
  expect((await tenant.post('/v1/templates/bad/render', {})).body).toMatchObject({
    statusCode: 400,
    error: 'template_render_failed',
    field: 'text',
  })
})

test('a version of a template that needs approval waits for a key that may approve', async () => {
  const tenant = await newTenant()
  const content = { subject: 'Hi', text: 'Hi' }
  const body = { slug: 'legal', name: 'Legal', type: 'transactional', approvalRequired: true, content }
  const created = await tenant.post('/v1/templates', { ...body, autoPublish: true })
  expect(created.body).toMatchObject({ publishedVersion: null, versions: [{ status: 'pending_approval' }] })
  const approval = `/v1/templates/approvals/${created.body.versions[0].id}`

  const unable = await tenant.patch(approval, { decision: 'approved' })
  expect(unable).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
  const blocked = await tenant.send('ann@example.com', 'k', { templateId: 'legal' })
  expect(blocked.body.reason).toBe('template_not_approved')
  const approved = await tenant.owner.patch(approval, { decision: 'approved' })
  expect(approved).toMatchObject({ status: 200, body: { version: 1, status: 'published' } })
  expect((await tenant.send('ann@example.com', 'k', { templateId: 'legal' })).body.status).toBe('queued')
  const again = await tenant.owner.patch(approval, { decision: 'rejected' })
  expect(again).toMatchObject({ status: 409, body: { error: 'already_decided' } })

  await tenant.post('/v1/templates/legal/versions', { subjectTemplate: 'Worse', textTemplate: 'Worse' })
  expect((await tenant.post('/v1/templates/legal/versions/2/publish')).body.status).toBe('pending_approval')
  const second = `/v1/templates/approvals/${created.body.id}:2`
  expect((await tenant.owner.patch(second, { decision: 'rejected' })).body.status).toBe('rejected')
  expect((await tenant.post('/v1/templates/legal/versions/2/publish')).body.error).toBe('conflict')
  expect((await tenant.get('/v1/templates/legal')).body.publishedVersion).toBe(1)
  expect((await tenant.owner.patch(second, { decision: 'maybe' })).body).toMatchObject({ field: 'decision' })
  expect((await tenant.owner.patch('/v1/templates/approvals/none', { decision: 'approved' })).status).toBe(
    400,
  )
})

test('rendering shows the escaped content of a send, and names the variables missing from the payload', async () => {
  const tenant = await newTenant()
  await tenant.patch('/v1/agent/config/settings', { physicalAddress: '1 Main St' })
  const { subjectTemplate: subject, htmlTemplate: html, textTemplate: text, variables } = CONTENT
  const content = { subject, html, text, variables }
  await tenant.post('/v1/templates', { slug: 'hello', name: 'Hello', content, autoPublish: true })
  const shown = await tenant.post('/v1/templates/hello/render', { payload: { firstName: '<Ann>' } })
  expect(shown.status).toBe(200)
  expect(shown.body.subject).toBe('Hello <Ann>')
  expect(shown.body.html).toContain('<p>Hello &lt;Ann&gt;</p><p>1 Main St</p>')
  expect(shown.body.text).toMatch(/^Hello <Ann>\n/)
  const lacking = await tenant.post('/v1/templates/hello/render', { payload: {} })
  expect(lacking).toMatchObject({
    status: 400,
    body: { error: 'template_render_failed', field: 'payload', missing: ['firstName'] },
  })
})

test('slugs are checked, are unique within a tenant, and are not found by other tenants', async () => {
  const [tenant, stranger] = [await newTenant(), await newTenant()]
  for (const slug of ['_default', 'tpl_mine', 'Upper', '-a', 'a b', 'a'.repeat(101), '']) {
    const answer = await tenant.post('/v1/templates', { slug, name: 'X' })
    expect([slug, answer.status, answer.body.field]).toEqual([slug, 400, 'slug'])
  }
  const wrong = [
    [{ name: '' }, 'name'],
    [{ type: 'spam' }, 'type'],
    [{ autoPublish: true }, 'content'],
    [{ content: { subject: 'x' } }, 'content.html'],
    [
      { content: { subject: 'x', text: 'x', variables: [{ name: 'a' }, { name: 'a' }] } },
      'content.variables',
    ],
  ] as const
  for (const [more, field] of wrong) {
    const answer = await tenant.post('/v1/templates', { slug: 'wrong', name: 'X', ...more })
    expect([answer.status, answer.body.field]).toEqual([400, field])
  }
  const mine = await tenant.post('/v1/templates', { slug: 'shared', name: 'Mine' })
  expect((await stranger.post('/v1/templates', { slug: 'shared', name: 'Theirs' })).status).toBe(200)
  const twice = await tenant.post('/v1/templates', {
    slug: 'shared',
    name: 'Again',
    content: { subject: 'x', text: 'x' },
  })
  expect(twice).toMatchObject({ status: 409, body: { error: 'conflict', field: 'slug' } })
  expect((await tenant.get('/v1/templates/shared')).body).toMatchObject({ name: 'Mine', versions: [] })
  const foreign = await stranger.get(`/v1/templates/${mine.body.id}`)
  expect(foreign).toMatchObject({ status: 404, body: { error: 'template_not_found' } })

  const list = await tenant.get('/v1/templates?limit=1')
  expect(list.body.items).toMatchObject([{ slug: 'welcome' }])
  const rest = await tenant.get(`/v1/templates?limit=1&cursor=${list.body.nextCursor}`)
  expect(rest.body.items).toMatchObject([{ slug: 'shared' }])

  const reader = tenant.as(await grant(tenant.id, ['read']))
  expect((await reader.get('/v1/templates/shared')).status).toBe(200)
  expect((await reader.post('/v1/templates', { slug: 'no', name: 'No' })).status).toBe(403)
  expect((await reader.del('/v1/templates/shared')).status).toBe(403)
})

test('a deleted template is not found and its slug is free at once, and sends accepted before are still delivered', async () => {
  const tenant = await newTenant()
  const content = { subject: 'Last {{n}}', text: 'Last {{n}}' }
  const body = { slug: 'last', name: 'Last', type: 'transactional', content, autoPublish: true }
  await tenant.post('/v1/templates', body)
  const sent = await tenant.send('ann@example.com', 'k1', { templateId: 'last', payload: { n: 1 } })
  expect(sent.body.status).toBe('queued')
  expect((await tenant.del('/v1/templates/last')).body).toMatchObject({ slug: 'last', deleted: true })
  expect((await tenant.get('/v1/templates/last')).status).toBe(404)
  const late = await tenant.send('bob2@example.com', 'k2', { templateId: 'last', payload: { n: 2 } })
  expect(late.body).toMatchObject({ status: 'blocked', reason: 'template_not_found' })
  const settled = await tenant.settled(sent.body.requestId)
  expect(['accepted', 'delivered']).toContain(settled.status)
  expect((await tenant.post('/v1/templates', body)).body).toMatchObject({ publishedVersion: 1 })
})

test('a link that is no web address is refused at the request, by name, and the key may be used again', async () => {
  const tenant = await newTenant()
  const content = {
    subject: 'Hi',
    html: '<p>{{ name }} <a href="{{ link }}">more</a></p>',
    text: 'Hi {{ name }}',
  }
  const made = await tenant.owner.post('/v1/templates', {
    ...{ slug: 'linked', name: 'Linked', type: 'transactional', autoPublish: true, content },
  })
  expect(made.status).toBe(200)
  const ask = (link: string) =>
    tenant.send('ann@example.com', 'one', { templateId: 'linked', payload: { name: 'Ann', link } })
  for (const link of ['javascript:alert(1)', 'java\tscript:alert(1)', 'data:text/html,x', 'example.com']) {
    expect(await ask(link)).toMatchObject({
      status: 400,
      body: {
        error: 'template_render_failed',
        missing: ['link'],
        message: expect.stringContaining('https://'),
      },
    })
    const rendered = await tenant.post('/v1/templates/linked/render', { payload: { name: 'Ann', link } })
    expect(rendered).toMatchObject({
      status: 400,
      body: { error: 'template_render_failed', missing: ['link'] },
    })
  }
  expect((await ask('https://example.com/"onclick="x')).body.status).toBe('queued')
  const { body } = await tenant.owner.post('/v1/templates', {
    ...{ slug: 'bare', name: 'Bare', type: 'transactional', autoPublish: true },
    content: { ...content, html: '<a href={{ link }}>more</a>' },
  })
  expect(body).toMatchObject({
    error: 'template_lint_failed',
    errors: [
      {
        code: 'misplaced_variable',
        part: 'html',
        detail: '{{ link }} stands in the attribute href without quotes',
      },
    ],
  })
})
