import { randomUUID } from 'node:crypto'
import { Option } from '@commander-js/extra-typings'
import { batches } from './batch.ts'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, isObject, type JsonObject, jsonObject, time } from './json.ts'
import { show } from './output.ts'
import { example, type Group, listing, part, type Root } from './root.ts'

/** The template that takes its subject and text from the payload. */
const INLINE = '_default'

/** The fields of a send that `send status` and `send resolve` show. */
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
const REQUEST = 'requestId of the send'

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
    .description('Send one message. A blocked send is an answer, not an error: the exit code is 0.')
    .usage('[options] | [command]')

  // Runs when no command below `send` is named. It is a command of its own so that `send list` can have its own --to.
  const message = asMessage(send.command('message', { isDefault: true, hidden: true }))
    .description(send.description())
    .action(async (options, command) => {
      const dedupeKey = options.dedupeKey ?? `cli-${randomUUID()}`
      const body = requestOf({ ...options, dedupeKey })
      const { post } = await connect(command)
      if (options.dedupeKey === undefined) {
        console.error(
          `dedupe key: ${dedupeKey} (to retry without sending twice, add --dedupe-key ${dedupeKey})`,
        )
      }
      show(command, await post('/v1/agent/request-send', body, { mayRepeat: true }))
    })

  simulate(send)
  batches(send)
  status(send)
  list(send)
  cancel(send)
  resolve(send)

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

function simulate(send: Group) {
  asMessage(send.command('simulate'))
    .description('Show what the policy would decide. Sends nothing.')
    .addHelpText('after', example('molted send simulate --to bob@example.com --template onboarding-welcome'))
    .action(async (options, command) => {
      const body = requestOf({ ...options, dedupeKey: options.dedupeKey ?? `cli-${randomUUID()}` })
      const { post } = await connect(command)
      show(command, await post('/v1/agent/simulate-send', body, { mayRepeat: true }))
    })
}

function status(send: Group) {
  send
    .command('status')
    .description('Show the current state of a send')
    .argument('<REQUEST_ID>', REQUEST)
    .addHelpText('after', example('molted send status req_abc123'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      const answer = await get(`${SENDS}/${part(id)}`)
      show(command, isObject(answer) ? pick(answer, STATUS_FIELDS) : answer)
    })
}

function list(send: Group) {
  listing(send, 'list')
    .description('List sends, newest first')
    .option('--status <status>', 'only sends in this state, or in these, separated by commas')
    .option('--to <email>', 'only sends to this address')
    .option('--mailbox <id>', 'only sends from this mailbox')
    .option('--template <id>', 'only sends of this template')
    .option('--dedupe-key <key>', 'only the sends with this dedupe key')
    .addHelpText('after', example('molted send list --status blocked,failed'))
    .action(async ({ status, to, mailbox, template, dedupeKey, limit, cursor }, command) => {
      const { get } = await connect(command)
      const which = { status, recipientEmail: to, mailboxId: mailbox, templateId: template, dedupeKey }
      const columns = ['requestId', 'status', 'reason', 'recipientEmail', 'templateId', 'createdAt']
      show(command, await get(SENDS, { ...which, limit, cursor }), columns)
    })
}

function cancel(send: Group) {
  send
    .command('cancel')
    .description('Cancel a send whose delivery has not begun')
    .argument('<REQUEST_ID>', REQUEST)
    .addHelpText('after', example('molted send cancel req_abc123'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${SENDS}/${part(id)}`))
    })
}

function resolve(send: Group) {
  send
    .command('resolve')
    .description(
      'Record the outcome of a send in the state "unknown", after you asked the carrier or the recipient',
    )
    .argument('<REQUEST_ID>', REQUEST)
    .addOption(
      new Option('--outcome <outcome>', 'the outcome; "resend" sends again, so a second copy may arrive')
        .choices(['delivered', 'failed', 'resend'] as const)
        .makeOptionMandatory(),
    )
    .addHelpText('after', example('molted send resolve req_abc123 --outcome delivered'))
    .action(async (id, { outcome }, command) => {
      const { post } = await connect(command)
      const answer = await post(`${SENDS}/${part(id)}/resolve`, { outcome })
      show(command, isObject(answer) ? pick(answer, STATUS_FIELDS) : answer)
    })
}

/** The options for the content and the recipient of one message. */
function asMessage(command: Group) {
  return command
    .requiredOption('--to <email>', 'address of the recipient')
    .option('--template <id>', 'id or slug of the template; or give --subject with --text or --html')
    .option('--payload <json>', 'values of the template variables, as a JSON object', jsonObject)
    .option('--subject <text>', 'subject, if there is no template')
    .option('--text <text>', 'plain text, if there is no template')
    .addOption(new Option('--body <text>', 'the same as --text').conflicts('text'))
    .option('--html <html>', 'HTML, if there is no template')
    .option(
      '--dedupe-key <key>',
      'name of this send; a second send with the same key is not sent (default: a new key)',
    )
    .option('--mailbox <id>', 'id of the mailbox to send from (default: the default mailbox of the tenant)')
    .option('--reason <text>', 'why the message is sent, for the trace')
    .option('--campaign <id>', 'id of the campaign; suppressions of that campaign apply too')
    .option('--schedule <time>', 'send at this time, such as 2026-04-17T14:32:00Z (default: now)', time)
    .option('--agent-id <id>', 'id of the agent that sends')
}

function requestOf({ to, template, payload, subject, html, ...rest }: Message & { body?: string }) {
  const text = rest.text ?? rest.body
  const isInline = subject !== undefined || text !== undefined || html !== undefined
  if (template === undefined && !isInline) {
    throw misuse('either --template or --subject with --text or --html is required')
  }
  if (isInline && (template !== undefined || payload !== undefined)) {
    throw misuse('give either --template, or --subject with --text or --html, not both')
  }
  if (isInline && (subject === undefined || (text === undefined && html === undefined))) {
    throw misuse('without --template, give --subject and --text or --html')
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
