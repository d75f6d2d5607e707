import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { expect, onTestFinished, test } from 'vitest'
import { typesOf } from '../../src/client/types.ts'
import { ROOT, runProgram } from '../support/program.ts'
import { sharedDev } from '../support/shared-dev.ts'

/** Accepted warnings: paths as Molted publishes them, and that the server is local. */
const WARNED = ['no-ambiguous-paths', 'no-server-example.com']

test('the documents and their examples pass the recommended rules of Redocly', async () => {
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

/** Code of a user of the package. Each line that expects a type error must have one. */
const PROGRAM = `
import { connect } from 'moltpost'

const baseUrl = process.argv[2] ?? ''
const open = connect({ baseUrl })
const registered = await open.POST('/v1/agents/register', { body: { name: 'Typed Agent' } })
if (!registered.data) throw new Error(registered.error.message)

const mail = connect({ baseUrl, key: registered.data.api_key })
const sent = await mail.POST('/v1/agent/request-send', {
  body: {
    recipientEmail: 'alice@example.com',
    templateId: '_default',
    dedupeKey: 'typed',
    payload: { subject: 'Hello', text: 'It works.' },
  },
})
if (!sent.data) throw new Error(sent.error.message)
const status: 'queued' | 'delivered' | 'bounced' | 'blocked' | 'duplicate' | 'scheduled' | 'pending_approval' =
  sent.data.status
const trace = await mail.GET('/v1/agent/sends/{requestId}', { params: { path: { requestId: sent.data.requestId } } })
const unknown = await mail.GET('/v1/agent/sends/{requestId}', { params: { path: { requestId: 'req_none' } } })
const refused = await open.POST('/email/send', { body: { to: ['a@example.com'], subject: 'Hi', body_text: 'Hi' } })
const code: string | undefined = refused.error?.error.code
const listed = await mail.GET('/v1/messages', { params: { query: { limit: 5 } } })

// @ts-expect-error there is no such path
const nowhere = () => mail.GET('/v1/nowhere')
// @ts-expect-error a recipient is needed
const nobody = () => mail.POST('/v1/agent/request-send', { body: { templateId: 'x' } })
// @ts-expect-error the path needs its parameter
const nothing = () => mail.GET('/v1/agent/sends/{requestId}')
// @ts-expect-error no answer has this field
const nonsense = () => trace.data?.nonsense
// @ts-expect-error a limit is a number
const limit = () => mail.GET('/v1/messages', { params: { query: { limit: 'five' } } })

console.log(
  JSON.stringify({
    status,
    code,
    traced: trace.data?.policyDecision?.allow,
    unknown: { status: unknown.response.status, error: unknown.error?.error, code: unknown.error?.statusCode },
    listed: Array.isArray(listed.data?.data),
  }),
)
`

test('the client of the package has the types of the served document, and it can register, send and trace', async () => {
  const server = await sharedDev('claimed')
  await runProgram('npm', ['run', 'build'])
  const served = await (await fetch(`${server.address}/openapi.json`)).json()
  expect(await readFile(join(ROOT, 'dist/api.d.ts'), 'utf8')).toBe(typesOf(served as never))

  // Inside the package, so that Node resolves the package's own name.
  await mkdir(join(ROOT, '.moltpost'), { recursive: true })
  const folder = await mkdtemp(join(ROOT, '.moltpost/client-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const program = join(folder, 'program.ts')
  await writeFile(program, PROGRAM)
  const how = '--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2022 --types node'
  await runProgram('node_modules/.bin/tsc', [...how.split(' '), program])
  const { output } = await runProgram('node', [program, server.address])
  expect(JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? '')).toEqual({
    status: 'queued',
    code: 'unauthorized',
    traced: true,
    unknown: { status: 404, error: 'not_found', code: 404 },
    listed: true,
  })
})
