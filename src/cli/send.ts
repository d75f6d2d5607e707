import { randomUUID } from 'node:crypto'
import { type Command, Option } from '@commander-js/extra-typings'
import { batches } from './batch.ts'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, isObject, type JsonObject, jsonObject, number, time } from './json.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

/** The template whose subject and text come with the send. */
const INLINE = '_default'

/** What `send status` keeps of a trace. */
const STATUS_FIELDS = [
  'requestId',
  'status',
  'deliveryStatus',
  'reason',
  'detail',
  'recipientEmail',
  'mailboxId',
  'templateId',
  'dedupeKey',
  'approvalQueueId',
  'scheduledAt',
  'createdAt',
  'updatedAt',
]

const SENDS = '/v1/agent/sends'

type Message = {
  to: string
  template?: string | undefined
  subject?: string | undefined
  text?: string | undefined
  html?: string | undefined
  payload?: JsonObject | undefined
  dedupeKey?: string | undefined
  mailbox?: string | undefined
  reason?: string | undefined
  campaign?: string | undefined
  schedule?: string | undefined
  agentId?: string | undefined
}

export function send(root: Root) {
  const send = root
    .command('send')
    .description('Send one message; a refusal by policy is an answer, not an error')
    .usage('[options] | [command]')

  // What follows when no command below `send` is named: so both have their own --to.
  const message = asMessage(send.command('message', { isDefault: true, hidden: true }))
    .description(send.description())
    .action(async (options, command) => {
      const dedupeKey = options.dedupeKey ?? `cli-${randomUUID()}`
      const body = requestOf({ ...options, dedupeKey })
      const { post } = await connect(command)
      if (options.dedupeKey === undefined) {
        console.error(`dedupe key: ${dedupeKey} (repeat with --dedupe-key ${dedupeKey}: it is sent once)`)
      }
      show(command, await post('/v1/agent/request-send', body, { mayRepeat: true }))
    })

  asMessage(send.command('simulate'))
    .description('Tell what would be decided, and send nothing')
    .addHelpText('after', example('molted send simulate --to bob@example.com --template onboarding-welcome'))
    .action(async (options, command) => {
      const body = requestOf({ ...options, dedupeKey: options.dedupeKey ?? `cli-${randomUUID()}` })
      const { post } = await connect(command)
      show(command, await post('/v1/agent/simulate-send', body, { mayRepeat: true }))
    })

  batches(send)

  send
    .command('status')
    .description('Tell what became of a send')
    .argument('<REQUEST_ID>')
    .addHelpText('after', example('molted send status req_abc123'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      const answer = await get(`${SENDS}/${part(id)}`)
      show(command, isObject(answer) ? pick(answer, STATUS_FIELDS) : answer)
    })

  send
    .command('list')
    .description('List sends, newest first')
    .option('--status <status>', 'one or several, with commas between them')
    .option('--to <email>', 'recipient')
    .option('--mailbox <id>', 'mailbox')
    .option('--template <id>', 'template')
    .option('--dedupe-key <key>', 'key')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted send list --status blocked,failed'))
    .action(async ({ status, to, mailbox, template, dedupeKey, limit, cursor }, command) => {
      const { get } = await connect(command)
      const which = { status, recipientEmail: to, mailboxId: mailbox, templateId: template, dedupeKey }
      const columns = ['requestId', 'status', 'reason', 'recipientEmail', 'templateId', 'createdAt']
      show(command, await get(SENDS, { ...which, limit, cursor }), columns)
    })

  send
    .command('cancel')
    .description('Cancel a send that has not begun to leave')
    .argument('<REQUEST_ID>')
    .addHelpText('after', example('molted send cancel req_abc123'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${SENDS}/${part(id)}`))
    })

  send
    .command('resolve')
    .description('Say what became of a send whose outcome is unknown')
    .argument('<REQUEST_ID>')
    .addOption(
      new Option('--outcome <outcome>', '"resend" may bring a second copy')
        .choices(['delivered', 'failed', 'resend'] as const)
        .makeOptionMandatory(),
    )
    .addHelpText('after', example('molted send resolve req_abc123 --outcome delivered'))
    .action(async (id, { outcome }, command) => {
      const { post } = await connect(command)
      const answer = await post(`${SENDS}/${part(id)}/resolve`, { outcome })
      show(command, isObject(answer) ? pick(answer, STATUS_FIELDS) : answer)
    })

  send
    .configureHelp({ showGlobalOptions: true, visibleOptions: () => [...message.options] })
    .addHelpText(
      'after',
      example(
        `molted send --to alice@example.com --template onboarding-welcome \\\n  --dedupe-key onboarding-alice-step1 --payload '{"firstName": "Alice", "trialDays": 14}'`,
        'molted send --to alice@example.com --subject Hello --text "It works."',
      ),
    )
}

/** The options that say what is sent, and to whom. */
function asMessage<Globals extends Record<string, unknown>>(
  command: Command<[], Record<never, never>, Globals>,
) {
  return command
    .requiredOption('--to <email>', 'recipient')
    .option('--template <id>', 'template, by id or slug; or else --subject with --text or --html')
    .option('--payload <json>', 'variables of the template', jsonObject)
    .option('--subject <text>', 'subject, without a template')
    .option('--text <text>', 'plain text, without a template')
    .addOption(new Option('--body <text>', 'the same as --text').conflicts('text'))
    .option('--html <html>', 'HTML, without a template')
    .option('--dedupe-key <key>', 'the message is sent once under one key (default: a new key)')
    .option('--mailbox <id>', 'mailbox to send from (default: that of the tenant)')
    .option('--reason <text>', 'why, for the audit trail')
    .option('--campaign <id>', 'campaign, for suppressions')
    .option('--schedule <time>', 'not before this time, such as 2026-04-17T14:32:00Z', time)
    .option('--agent-id <id>', 'agent that sends')
}

function requestOf({ to, template, payload, subject, html, ...rest }: Message & { body?: string }) {
  const text = rest.text ?? rest.body
  const isInline = subject !== undefined || text !== undefined || html !== undefined
  if (template === undefined && !isInline) {
    throw misuse('either --template or --subject with --text or --html is required')
  }
  if (isInline && (template !== undefined || payload !== undefined)) {
    throw misuse('--subject, --text and --html stand in for --template and --payload')
  }
  if (isInline && (subject === undefined || (text === undefined && html === undefined))) {
    throw misuse('--subject needs --text or --html, and they need --subject')
  }
  return given({
    recipientEmail: to,
    templateId: template ?? INLINE,
    payload: isInline ? given({ subject, text, html }) : payload,
    dedupeKey: rest.dedupeKey,
    mailboxId: rest.mailbox,
    sendReason: rest.reason,
    campaignId: rest.campaign,
    scheduledAt: rest.schedule,
    agentId: rest.agentId,
  })
}

function pick(object: JsonObject, names: string[]): JsonObject {
  return given(Object.fromEntries(names.map((name) => [name, object[name]])))
}
