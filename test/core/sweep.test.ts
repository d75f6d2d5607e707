import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { followUp } from '../../src/core/arrivals/follow-up.ts'
import { linkEntries } from '../../src/core/governance/audit/link.ts'
import { sweep } from '../../src/core/overview/sweep.ts'
import { publish } from '../../src/core/publishing/publish.ts'
import worker from '../../src/index.ts'
import { planOf, recordingStatements, wholeScans } from '../support/plans.ts'
import { newTenant } from '../support/tenant.ts'
import { counted } from '../support/waits.ts'

test('no statement of a sweep reads a whole table', async () => {
  await newTenant()
  const { env: heard, statements } = recordingStatements()
  await sweep(heard, new Date())
  expect(statements.length).toBeGreaterThan(15)
  expect(await wholeScans(statements)).toEqual([])
})

test('a sweep reads only waiting events and unlinked entries, however many published and linked ones are kept', async () => {
  const tenant = await newTenant()
  const { env: muted } = counted(env, { mute: true })
  const request = new Request('http://moltpost.test/v1/suppressions', {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.ownerKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ recipientEmail: 'ann@example.com' }),
  })
  expect((await worker.fetch(request as never, muted, createExecutionContext())).status).toBe(200)
  const { env: heard, statements } = recordingStatements()
  const { JOBS, WEBHOOK } = muted
  expect(await publish({ ...heard, JOBS, WEBHOOK }, new Date(), tenant.id, followUp)).toBe(1)
  expect(await linkEntries(heard, new Date(), tenant.id)).toBeGreaterThan(0)
  const steps = (await planOf(statements)).filter(({ step }) =>
    /^SEARCH (e|events|audit_entries)\b/.test(step),
  )
  expect(steps.length).toBeGreaterThan(3)
  expect(steps.filter(({ step }) => step.endsWith('USING PRIMARY KEY (tenant_id=?)'))).toEqual([])
})
