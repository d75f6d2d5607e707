import { sleep } from '../../../test/support/program.ts'
import type { Answer, Json, World } from './world.ts'

// What the attacks of one agent on another of its tenant share.

export type Pair = Awaited<ReturnType<typeof pair>>

/**
 * Two agents of one tenant, each with a mailbox and a key of its own. `victim` has received a mail with a secret word in it;
 * `attacker` is the second agent's key.
 */
export async function pair(world: World) {
  const victim = await world.newTenant()
  const { owner, mailboxId } = victim
  const { body: agent } = await owner.post('/v1/agent/register', { agentName: `second ${world.unique()}` })
  const { body: mailbox } = await owner.post('/v1/agent/mailboxes', {
    address: `second-${world.unique()}`,
    agentId: agent.id,
  })
  const { body: key } = await owner.post('/v1/agent/keys', {
    agentId: agent.id,
    permissions: ['read', 'send', 'manage'],
  })
  const attacker = {
    ...world.asKey(key.rawKey),
    agentId: agent.id as string,
    mailboxId: mailbox.id as string,
    address: mailbox.address as string,
  }
  const secret = await receive(world, victim)
  return { victim, attacker, owner, mailboxId, secret }
}

/** Lets a mail with a secret word in it arrive, and waits until the mailbox has it. */
export async function receive(world: World, { address, get }: Pair['victim']): Promise<Secret> {
  const word = `secret${world.unique()}`
  const from = world.someone('client')
  const head = [
    `From: ${from}`,
    `To: ${address}`,
    `Subject: About ${word}`,
    `Message-ID: <${word}@example.com>`,
  ]
  await world.arrive(from, address, [...head, '', `The word is ${word}.`, ''].join('\n'))
  for (let left = 100; left > 0; left--) {
    const { body } = await get('/v1/messages')
    const message = body.data?.find(({ subject }: Json) => subject.includes(word))
    if (message) return { word, messageId: message.id, threadId: message.thread_id, from }
    await sleep(100)
  }
  throw new Error('the mail did not arrive')
}

export type Secret = { word: string; messageId: string; threadId: string; from: string }

/** What an answer gives away, or null. */
export function readIn(answers: Answer[], ...words: string[]): string | null {
  const told = answers.find(({ body }) => words.some((word) => JSON.stringify(body).includes(word)))
  return told ? `it read ${JSON.stringify(told.body).slice(0, 200)}` : null
}

/** What a stream says within a short time. */
export async function overheard(response: Response, seconds = 2): Promise<string> {
  const reader = response.body?.getReader()
  if (!reader) return ''
  const decoder = new TextDecoder()
  let text = ''
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const part = await Promise.race([reader.read(), sleep(end - Date.now()).then(() => null)])
    if (part === null || part.done) break
    text += decoder.decode(part.value, { stream: true })
  }
  await reader.cancel().catch(() => {})
  return text
}
