import { connect } from './client.ts'
import { Failure, misuse } from './failure.ts'
import { given, isObject, type Json, type JsonObject, jsonArray, textAt } from './json.ts'
import { show } from './output.ts'
import { example, type Globals, type Group } from './root.ts'

/** The most items that the API takes in one request. */
const AT_ONCE = 500
const BAR_WIDTH = 30

type Given = { recipients?: Json[] | undefined; stdin?: true | undefined }

/** The commands below `send` that take a list of recipients. */
export function batches(send: Group) {
  batch(send)
  simulateBatch(send)
}

function batch(send: Group) {
  toMany(send.command('batch'), 'recipients, as a JSON list of {"email", "dedupeKey", "payload"}')
    .description('Send one template to many recipients. The policy judges each send separately.')
    .addHelpText(
      'after',
      `\nNothing is sent twice under one dedupeKey. If a list was sent only in part, run the same command again. The exit code is 1 if a recipient\ncould not be processed; a send that the policy refused is no error.\n${example(
        `molted send batch --template campaign-march --recipients \\\n  '[{"email": "alice@example.com", "dedupeKey": "march-alice", "payload": {"name": "Alice"}}]'`,
        'cat recipients.json | molted send batch --template campaign-march --stdin',
      )}`,
    )
    .action(async ({ template, mailbox, agentId, ...options }, command) => {
      const sends = (await recipientsOf(options)).map(itemOf)
      const common = given({ templateId: template, mailboxId: mailbox, agentId })
      await inCalls(command, '/v1/agent/batch/request-send', sends, (sends) => ({ ...common, sends }))
    })
}

function simulateBatch(send: Group) {
  toMany(send.command('simulate-batch'), 'recipients, as a JSON list of addresses or of objects with "email"')
    .description('Show what the policy would decide for many recipients. Sends nothing.')
    .option('--sequential', 'judge each recipient as if the sends before it had happened (at most 500)')
    .addHelpText(
      'after',
      example(
        `molted send simulate-batch --template campaign-march \\\n  --recipients '["alice@example.com", "bob@example.com"]'`,
      ),
    )
    .action(async ({ template, mailbox, agentId, sequential, ...options }, command) => {
      const emails = (await recipientsOf(options)).map(emailOf)
      if (sequential && emails.length > AT_ONCE)
        throw misuse(`--sequential takes at most ${AT_ONCE} recipients`)
      const common = given({ templateId: template, mailboxId: mailbox, agentId })
      const path = `/v1/agent/simulate-batch${sequential ? '?sequential=true' : ''}`
      await inCalls(command, path, emails, (recipientEmails) => ({ ...common, recipientEmails }))
    })
}

/** The options of a send to many recipients. */
function toMany(command: Group, recipients: string) {
  return command
    .requiredOption('--template <id>', 'id or slug of the template')
    .option('--recipients <json>', `${recipients}; give this or --stdin`, jsonArray)
    .option('--stdin', 'read the recipients from stdin; give this or --recipients')
    .option('--mailbox <id>', 'id of the mailbox to send from (default: the default mailbox of the tenant)')
    .option('--agent-id <id>', 'id of the agent that sends')
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

/** A recipient as the API names its fields. The API reports missing fields in the result of that recipient. */
function itemOf(recipient: Json, position: number): JsonObject {
  if (!isObject(recipient)) throw misuse(`recipient ${position + 1} is not an object with "email"`)
  const { email, ...item } = recipient
  return given({ recipientEmail: email, ...item })
}

function emailOf(recipient: Json, position: number): string {
  const email = isObject(recipient) ? (recipient.email ?? recipient.recipientEmail) : recipient
  if (typeof email !== 'string')
    throw misuse(`recipient ${position + 1} is neither an address nor an object with "email"`)
  return email
}

/** Sends the list in calls of at most 500 and shows one joined answer. If a call fails, shows the answers before it. */
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
  const errors = answers.reduce<number>((sum, answer) => sum + errorsIn(answer), 0)
  if (errors > 0) throw new Failure(1, `${errors} of ${items.length} recipients could not be processed`)
}

function errorsIn(answer: Json): number {
  const results = isObject(answer) && Array.isArray(answer.results) ? answer.results : []
  return results.filter((result) => textAt(result, 'status') === 'error').length
}

function bar(done: number, total: number): string {
  const full = Math.floor((BAR_WIDTH * done) / total)
  return `\r[${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}] ${done} of ${total}`
}

/** Several answers as one: counts are added, results are joined, and all batch ids are listed. */
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
