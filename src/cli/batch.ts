import type { Command } from '@commander-js/extra-typings'
import { type Connecting, connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, isObject, type Json, type JsonObject, jsonArray } from './json.ts'
import { type Showing, show } from './output.ts'
import { example } from './root.ts'

/** The most items that the API takes in one request. */
const AT_ONCE = 500
const BAR_WIDTH = 30

type Globals = Connecting & Showing
type Given = { recipients?: Json[] | undefined; stdin?: true | undefined }

/** The commands below `send` that take a list of recipients. */
export function batches(send: Command<[], Record<never, never>, Globals>) {
  send
    .command('batch')
    .description('Send one template to many, each judged by itself')
    .requiredOption('--template <id>', 'template, by id or slug')
    .option('--recipients <json>', 'a list of {"email", "dedupeKey", "payload"}', jsonArray)
    .option('--stdin', 'read that list from stdin')
    .option('--mailbox <id>', 'mailbox to send from (default: that of the tenant)')
    .option('--agent-id <id>', 'agent that sends')
    .addHelpText(
      'after',
      `\nEach dedupeKey is sent once, so that a list which was cut short may be sent again as it is.\n${example(
        `molted send batch --template campaign-march --recipients \\\n  '[{"email": "alice@example.com", "dedupeKey": "march-alice", "payload": {"name": "Alice"}}]'`,
        'cat recipients.json | molted send batch --template campaign-march --stdin',
      )}`,
    )
    .action(async ({ template, mailbox, agentId, ...options }, command) => {
      const sends = (await recipientsOf(options)).map(itemOf)
      const common = given({ templateId: template, mailboxId: mailbox, agentId })
      await inCalls(command, '/v1/agent/batch/request-send', sends, (sends) => ({ ...common, sends }))
    })

  send
    .command('simulate-batch')
    .description('Tell for many what would be decided, and send nothing')
    .requiredOption('--template <id>', 'template, by id or slug')
    .option('--recipients <json>', 'a list of addresses, or of objects with "email"', jsonArray)
    .option('--stdin', 'read that list from stdin')
    .option('--mailbox <id>', 'mailbox to send from (default: that of the tenant)')
    .option('--agent-id <id>', 'agent that sends')
    .option('--sequential', 'judge each as if those before it had been sent (up to 500)')
    .addHelpText(
      'after',
      example(
        `molted send simulate-batch --template campaign-march \\\n  --recipients '["alice@example.com", "bob@example.com"]'`,
      ),
    )
    .action(async ({ template, mailbox, agentId, sequential, ...options }, command) => {
      const emails = (await recipientsOf(options)).map(emailOf)
      if (sequential && emails.length > AT_ONCE) throw misuse(`--sequential takes ${AT_ONCE} recipients`)
      const common = given({ templateId: template, mailboxId: mailbox, agentId })
      const path = `/v1/agent/simulate-batch${sequential ? '?sequential=true' : ''}`
      await inCalls(command, path, emails, (recipientEmails) => ({ ...common, recipientEmails }))
    })
}

async function recipientsOf({ recipients, stdin }: Given): Promise<Json[]> {
  if ((recipients === undefined) === (stdin === undefined)) {
    throw misuse('either --recipients or --stdin is required')
  }
  const list = recipients ?? (await readList())
  if (list.length === 0) throw misuse('the list of recipients is empty')
  return list
}

async function readList(): Promise<Json[]> {
  let text = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
  try {
    return jsonArray(text)
  } catch (error) {
    throw misuse(`stdin: ${(error as Error).message}`)
  }
}

/** A recipient in the words of the API. What it lacks, the API says in its result. */
function itemOf(recipient: Json, position: number): JsonObject {
  if (!isObject(recipient)) throw misuse(`recipient ${position + 1} is not an object with "email"`)
  const { email, ...item } = recipient
  return given({ recipientEmail: email, ...item })
}

function emailOf(recipient: Json, position: number): string {
  const email = isObject(recipient) ? (recipient.email ?? recipient.recipientEmail) : recipient
  if (typeof email !== 'string') throw misuse(`recipient ${position + 1} is neither an address nor an object`)
  return email
}

/** Asks for the list in calls of at most 500 and shows one answer; where a call fails, what was answered until then. */
async function inCalls<Item extends Json>(
  command: { optsWithGlobals: () => Globals },
  path: string,
  items: Item[],
  body: (items: Item[]) => JsonObject,
) {
  const { post } = await connect(command)
  const answers: Json[] = []
  const isLong = items.length > AT_ONCE && process.stderr.isTTY === true
  try {
    for (let from = 0; from < items.length; from += AT_ONCE) {
      if (isLong) process.stderr.write(bar(from, items.length))
      answers.push(await post(path, body(items.slice(from, from + AT_ONCE)), { mayRepeat: true }))
    }
  } finally {
    if (isLong)
      process.stderr.write(`${bar(Math.min(answers.length * AT_ONCE, items.length), items.length)}\n`)
    if (answers.length > 0) show(command, joined(answers))
  }
}

function bar(done: number, total: number): string {
  const full = Math.floor((BAR_WIDTH * done) / total)
  return `\r[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${done} of ${total}`
}

/** Several answers as one: counts are added, results follow one another, and each batch keeps its id. */
function joined(answers: Json[]): Json {
  const [first, ...rest] = answers
  if (first === undefined || rest.length === 0) return first ?? null
  const batchIds = answers.flatMap((answer) => (isObject(answer) && answer.batchId) || [])
  const sum: JsonObject = batchIds.length > 0 ? { batchIds } : {}
  for (const answer of answers) {
    for (const [name, value] of Object.entries(isObject(answer) ? answer : {})) {
      const before = sum[name]
      if (typeof value === 'number') sum[name] = value + (typeof before === 'number' ? before : 0)
      if (Array.isArray(value)) sum[name] = [...(Array.isArray(before) ? before : []), ...value]
    }
  }
  return sum
}
