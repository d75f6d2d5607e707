import { expect, test } from 'vitest'
import { sweep } from '../../src/core/sweep.ts'
import { overheard, wholeScans } from '../support/plans.ts'
import { newTenant } from '../support/tenant.ts'

test('no statement of a sweep reads a table from end to end', async () => {
  await newTenant()
  const { env, asked } = overheard()
  await sweep(env, new Date())
  expect(asked.length).toBeGreaterThan(15)
  expect(await wholeScans(asked)).toEqual([])
})
