import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { findTarget, guardedPost } from '../../src/core/ground/egress/post.ts'
import { resolvePublic } from '../../src/core/ground/egress/resolve.ts'
import type { Env } from '../../src/env.ts'
import { startDoh } from '../support/doh.ts'
import {
  deceptiveZone,
  HOME,
  hostileUrls,
  hostileZone,
  ordinaryUrls,
  ordinaryZone,
  turningNames,
} from '../support/webhook-urls.ts'

const letter = { headers: {}, body: '{}', timeoutMs: 2_000 }
const envWith = (resolver: string, given = {}) =>
  ({ ...HOME, CARRIERS: 'capture:1', DNS_RESOLVER: resolver, ...given }) as unknown as Env

/** Which origins are called while the work is done. */
async function callsOf(work: () => Promise<void>) {
  const origins = new Set<string>()
  const note = (message: unknown) => {
    origins.add((message as { request: { origin: string } }).request.origin)
  }
  subscribe('undici:request:create', note)
  await work().finally(() => unsubscribe('undici:request:create', note))
  return [...origins]
}

test('a name that resolves to a private address is looked up and never called', async () => {
  const doh = await startDoh({ ...deceptiveZone, ...hostileZone })
  const env = envWith(doh.url)
  const hosts = Object.keys(hostileZone).filter((host) => host !== 'hangs.rebind.dev')
  const calls = await callsOf(async () => {
    for (const host of hosts) {
      expect([host, await findTarget(env, `https://${host}/`)]).toMatchObject([host, { ok: false }])
      expect([host, await guardedPost(env, `https://${host}/`, letter)]).toMatchObject([
        host,
        { kind: 'refused' },
      ])
    }
    for (const url of hostileUrls.flatMap(({ urls }) => urls))
      expect([url, await guardedPost(env, url, letter)]).toMatchObject([url, { kind: 'refused' }])
  })
  expect(calls).toEqual([new URL(doh.url).origin])
  expect(doh.seen.asked).toBe(hosts.length * 4)
  doh.stop()
})

test('a name that becomes private after the webhook was created is not called again', async () => {
  const doh = await startDoh({ ...hostileZone })
  const env = envWith(doh.url)
  const calls = await callsOf(async () => {
    for (const [host, { before, after }] of Object.entries(turningNames)) {
      doh.zone[host] = before
      expect([host, await findTarget(env, `https://${host}/`)]).toMatchObject([host, { ok: true }])
      doh.zone[host] = after
      expect([host, await guardedPost(env, `https://${host}/`, letter)]).toMatchObject([
        host,
        { kind: 'refused' },
      ])
    }
  })
  expect(calls).toEqual([new URL(doh.url).origin])
  doh.stop()
})

test('ordinary names resolve to their addresses, also through aliases', async () => {
  const doh = await startDoh({
    ...ordinaryZone,
    'www.acme.io': ['CNAME acme.cdn.io'],
    'acme.cdn.io': ['CNAME edge.cdn.io'],
    'edge.cdn.io': ['A 93.184.215.14', 'A 93.184.215.15'],
    'six.acme.io': ['AAAA 2606:2800::1'],
  })
  const env = envWith(doh.url)
  for (const url of ordinaryUrls) expect([url, await findTarget(env, url)]).toMatchObject([url, { ok: true }])
  const resolve = (host: string) => resolvePublic(host, { resolver: doh.url, fetch })
  expect(await resolve('www.acme.io')).toEqual({ ok: true, addresses: ['93.184.215.14', '93.184.215.15'] })
  expect(await resolve('six.acme.io')).toEqual({ ok: true, addresses: ['2606:2800::1'] })

  const { origin, host } = new URL(doh.url)
  const open = envWith(doh.url, { LOCAL: '1', EGRESS_ALLOW: host })
  const calls = await callsOf(async () => {
    expect(await guardedPost(open, `${origin}/elsewhere`, letter)).toMatchObject({
      kind: 'answered',
      status: 404,
    })
  })
  expect(calls).toEqual([origin])
  doh.stop()
})
