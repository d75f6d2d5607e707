import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { sharedDev } from '../support/shared-dev.ts'

const FORM = `-s -H 'content-type: application/json'`

test('the commands of /skill.md register, send, read, reply, acquire a lease, vote, and show why a send was refused', async () => {
  const server = await sharedDev('claimed')

  const published = await (await fetch(`${server.address}/llms.txt`)).text()
  const where = /\((\S+\/skill\.md)\)/.exec(published)?.[1] ?? ''
  expect(where).toBe(`${server.address}/skill.md`)
  const skill = await (await fetch(where)).text()
  expect(skill.split(/\s+/).length).toBeLessThan(2_000)
  const blocks = [...skill.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
  expect(blocks.length).toBeGreaterThan(8)

  // Meanwhile, another agent writes a message, and the owner suppresses an address.
  const peer = `PEER=$(curl ${FORM} $BASE/v1/agents/register -d '{"name":"Peer Bot"}' | jq -r .api_key)
curl ${FORM} $BASE/v1/messages -H "Authorization: Bearer $PEER" \
  -d "{\\"to\\":\\"$ADDRESS\\",\\"subject\\":\\"Data\\",\\"text\\":\\"The survey of 2019.\\"}" > /dev/null
`
  const refused = `curl ${FORM} $BASE/v1/suppressions -H "Authorization: Bearer $KEY" \
  -d '{"recipientEmail":"no@example.com","reasonCode":"manual_dnc"}' > /dev/null
curl ${FORM} $BASE/v1/messages -H "Authorization: Bearer $KEY" \
  -d '{"to":"no@example.com","subject":"Hello","text":"Hello"}' > /dev/null
`
  const script = blocks.map((block) => {
    const before = block.includes('UNREAD=$(') ? peer : block.includes('BLOCKED=$(') ? refused : ''
    return `${before}${block}echo '---'\n`
  })
  const { stdout } = await promisify(execFile)('bash', ['-c', `set -euo pipefail\n${script.join('')}`])
  const said = stdout.split('---\n').map((text) => text.trim())
  const answers = said.map((text) => (/^[[{]/.test(text) ? text : JSON.stringify(text)))

  const [
    claimUrl,
    beat,
    sent,
    fate,
    unread,
    read,
    replied,
    marked,
    alive,
    lease,
    released,
    proposal,
    vote,
    why,
  ] = answers.map((text) => text.split(/\n(?=\{)/).map((part) => JSON.parse(part)))
  expect(claimUrl?.[0]).toMatch(/^http\S+\/claim\//)
  expect(beat?.[0]).toMatchObject({ access: { level: expect.any(String) }, action_items: expect.any(Array) })
  expect(sent?.[0]).toMatchObject({ status: 'queued', request_id: expect.stringMatching(/^req_/) })
  expect(fate?.[0]).toMatchObject({ policyDecision: { allow: true } })
  expect(unread?.[0]).toMatchObject({ subject: 'Data', preview: 'The survey of 2019.' })
  expect(read?.[0]).toMatchObject({ text_body: 'The survey of 2019.' })
  expect(replied).toEqual(['"delivered"'])
  expect(marked).toEqual(['true'])
  expect(alive).toEqual(['true'])
  expect(lease?.[0]).toMatchObject({ id: expect.any(String), conflict: null })
  expect(released).toEqual(['true'])
  expect(proposal?.[0]).toMatchObject({ action: 'pause outreach', status: 'pending' })
  expect(vote).toEqual(['"approved"'])
  expect(why).toMatchObject([
    { reason: 'suppressed' },
    { status: 'blocked', policyDecision: { allow: false } },
  ])
})
