import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { sleep, startDev } from '../support/program.ts'

const DEMO_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'

test('under npm run dev mail can leave by Cloudflare’s own binding', async () => {
  const state = await mkdtemp(join(tmpdir(), 'moltpost-'))
  const server = await startDev(state, { CARRIERS: 'cloudflare:1' })
  onTestFinished(async () => {
    await server.kill()
    await rm(state, { recursive: true, force: true })
  })
  const send = await fetch(`${server.address}/v1/agent/request-send`, {
    method: 'POST',
    headers: { authorization: `Bearer ${DEMO_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      recipientEmail: 'alice@example.com',
      templateId: '_default',
      dedupeKey: crypto.randomUUID(),
      payload: { subject: 'Grüße', text: 'Hallo Alice.', html: '<p>Hallo Alice.</p>' },
    }),
  })
  const { requestId } = (await send.json()) as { requestId: string }
  let sent: unknown[] = []
  for (const until = Date.now() + 10_000; sent.length === 0 && Date.now() < until; await sleep(50)) {
    const answer = await fetch(`${server.address}/cdn-cgi/local/explorer/api/local/email/sending`)
    sent = ((await answer.json()) as { result: unknown[] }).result
  }
  expect(sent).toEqual([
    expect.objectContaining({
      from: '"Demo" <demo@moltpost.test>',
      to: ['alice@example.com'],
      subject: 'Grüße',
      headers: { 'X-Moltpost-Send-Id': requestId },
    }),
  ])
})
