import { expect, test } from 'vitest'
import { call } from '../support/tenant.ts'

test('the reference has its library from this Worker, and no file of the library hides or becomes a route', async () => {
  const page = await call('GET', '/docs')
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
  expect(page.body).not.toMatch(/<script>|<style|\sstyle=|\son[a-z]+=|https?:\/\//)
  const linked = [...String(page.body).matchAll(/(?:src|href)="(\/docs\/assets\/[^"]+)"/g)].map(
    ([, path = '']) => path,
  )
  expect(linked).toHaveLength(4)
  for (const path of linked) {
    const { status, headers, body } = await call('GET', path)
    expect({ path, status, isLong: body.length > 1_000 || path.includes('/page.') }).toEqual({
      path,
      status: 200,
      isLong: true,
    })
    expect(headers.get('content-type')).toMatch(path.endsWith('.css') ? /^text\/css/ : /^text\/javascript/)
  }
  for (const path of ['/index.html', '/package.json', '/swagger-ui.css', '/docs/assets/index.html', '/'])
    expect([path, (await call('GET', path)).status]).toEqual([path, 404])
})
