import { expect } from 'vitest'
import type { Outcome, OutgoingMessage } from '../../src/core/delivery/carrier.ts'
import { letter, peers } from './peer-letter.ts'

type Seen = {
  requests: number
  taken: { id: string; key: string | null; path: string; body: unknown; authorization: string }[]
}

/** Tells the HTTP carrier of this name how to behave; see `startHttpCarrier`. */
export async function conduct(name: string, body: object) {
  await fetch(`${peers.http}/${name}`, { method: 'PUT', body: JSON.stringify(body) })
}

/** The requests that the HTTP carrier of this name got, and the messages it took. */
export async function seen(name: string): Promise<Seen> {
  return (await fetch(`${peers.http}/${name}`)).json()
}

export function party(email: string, name: string | null = null) {
  return { email, name }
}

/** A message to one visible, one copied and two hidden recipients. */
export function crowd(recipients: string[], change: Partial<OutgoingMessage> = {}) {
  const copies = { cc: [party('cc@example.com')], bcc: [party('b1@example.com'), party('b2@example.com')] }
  return letter({ to: [party('to@example.com', 'To "T" \\ T')], ...copies, recipients, ...change })
}

/** The outcome when a carrier gives this answer. */
export async function told(
  send: (name: string) => Promise<Outcome>,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const name = `told-${crypto.randomUUID()}`
  await conduct(name, { mode: 'say', status, body, headers })
  return send(name)
}

/**
 * Modes in which the answer is lost, whether or not the message was taken. Only these get a short time limit; the other modes
 * are waited for, however slow the machine is.
 */
export async function lostAnswers(
  carrier: string,
  send: (name: string, timeoutMs?: number) => Promise<Outcome>,
) {
  const ways = ['503', '503-taken', 'hang', 'cut', 'garbage', 'stall', 'flood']
  for (const way of ways) {
    const began = Date.now()
    const timeoutMs = ['hang', 'stall'].includes(way) ? 500 : undefined
    expect(await send(`${way}.${carrier}`, timeoutMs), way).toMatchObject({ kind: 'ambiguous' })
    expect(Date.now() - began, way).toBeLessThan(10_000)
    expect((await seen(`${way}.${carrier}`)).taken, way).toHaveLength(way === '503' ? 0 : 1)
  }
  expect(await send(`flood.${carrier}`)).toMatchObject({ kind: 'ambiguous', code: 'http_200' })
  expect(await send(`hang.${carrier}`, 200)).toMatchObject({ kind: 'ambiguous', code: 'timeout' })
  expect(await send(`redirect.${carrier}`)).toMatchObject({ kind: 'refused_retry', code: 'http_307' })
  expect(await send(`429.${carrier}`)).toMatchObject({ kind: 'throttled', retryAfterMs: 7_000 })
  const dated = await send(`429-date.${carrier}`)
  expect(dated.kind === 'throttled' && dated.retryAfterMs).toBeGreaterThan(50_000)
  expect(dated.kind === 'throttled' && dated.retryAfterMs).toBeLessThanOrEqual(60_000)
  expect(await send(`refuse.${carrier}`)).toMatchObject({ kind: 'refused_retry' })
  expect(await send(`reject.${carrier}`)).toMatchObject({ kind: 'refused_permanent' })
}
