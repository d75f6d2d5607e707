import { createConfig, lintFromString } from '@redocly/openapi-core'
import { expect, test } from 'vitest'
import { sharedDev } from '../support/shared-dev.ts'

/** What the linter may warn of: paths as Molted publishes them, and that a local server is a local one. */
const WARNED = ['no-ambiguous-paths', 'no-server-example.com']

test('the documents pass the rules that Redocly recommends without an error, and so do their examples', async () => {
  const server = await sharedDev('plain')
  const config = await createConfig({
    extends: ['recommended'],
    rules: {
      'no-invalid-media-type-examples': 'error',
      'no-invalid-parameter-examples': 'error',
      'no-invalid-schema-examples': 'error',
      'tag-description': 'error',
    },
  })
  for (const name of ['', '/molted', '/moltbotden', '/mailmolt']) {
    const source = await (await fetch(`${server.address}/openapi${name}.json`)).text()
    const problems = await lintFromString({ source, absoluteRef: `openapi${name}.json`, config })
    const told = problems.map(
      ({ severity, ruleId, message, location }) =>
        `${severity} ${ruleId}: ${message} ${location[0]?.pointer ?? ''}`,
    )
    const isExpected = (line: string) => WARNED.some((rule) => line.startsWith(`warn ${rule}:`))
    expect({ name, told: told.filter((line) => !isExpected(line)) }).toEqual({ name, told: [] })
    expect(told.length).toBeLessThan(5)
  }
})
