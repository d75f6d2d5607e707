import { type Command, InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, type JsonObject, jsonObject, number } from './json.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

const MAILBOXES = '/v1/agent/mailboxes'

const LEVELS = { review: 1, first_contact: 2, auto: 3 } as const

type Autonomy = keyof typeof LEVELS

const AUTONOMIES = ['review', 'first_contact', 'auto'] as const

export function mailboxes(root: Root) {
  const mailboxes = root.command('mailboxes').description('Addresses to send from, with limits and autonomy')

  mailboxes
    .command('list')
    .description('List the mailboxes this key may read')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted mailboxes list'))
    .action(async ({ limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'address', 'displayName', 'status', 'config.autonomy', 'config.isDefault']
      show(command, await get(MAILBOXES, { limit, cursor }), columns)
    })

  mailboxes
    .command('show')
    .description('Show a mailbox')
    .argument('<MAILBOX_ID>')
    .addHelpText('after', example('molted mailboxes show mbx_abc123'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${MAILBOXES}/${part(id)}`))
    })

  asMailbox(mailboxes.command('create'))
    .description('Open a mailbox')
    .option('--address <address>', 'the part before the @, or the whole address in your domain')
    .option('--name <name>', 'makes the address where none is given')
    .addHelpText('after', example('molted mailboxes create --address sales-anna --autonomy review'))
    .action(async ({ address, name, ...options }, command) => {
      if (address === undefined && name === undefined) throw misuse('--address or --name is required')
      const { post } = await connect(command)
      show(command, await post(MAILBOXES, given({ address, name, ...fieldsOf(options) })))
    })

  asMailbox(mailboxes.command('update'))
    .description('Change a mailbox; what is left out stays')
    .argument('<MAILBOX_ID>')
    .addOption(new Option('--status <status>', 'paused sends nothing').choices(['active', 'paused'] as const))
    .addHelpText('after', example('molted mailboxes update mbx_abc123 --daily-limit 200 --cooldown 30'))
    .action(async (id, { status, ...options }, command) => {
      const change = given({ status, ...fieldsOf(options) })
      if (Object.keys(change).length === 0) throw misuse('nothing to change was given')
      const { patch } = await connect(command)
      show(command, await patch(`${MAILBOXES}/${part(id)}`, change))
    })

  mailboxes
    .command('autonomy')
    .description('Tell or set who lets sends go: a person, a person for new contacts, or nobody')
    .argument('<MAILBOX_ID>')
    .argument('[AUTONOMY]', 'review, first_contact or auto', autonomy)
    .addHelpText('after', example('molted mailboxes autonomy mbx_abc123 review'))
    .action(async (id, wanted, _, command) => {
      const { get, patch } = await connect(command)
      const path = `${MAILBOXES}/${part(id)}/autonomy`
      const answer = wanted ? await patch(path, { autonomyLevel: LEVELS[wanted] }) : await get(path)
      show(command, answer)
    })

  mailboxes
    .command('delete')
    .description('Close a mailbox')
    .argument('<MAILBOX_ID>')
    .addHelpText('after', example('molted mailboxes delete mbx_abc123'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${MAILBOXES}/${part(id)}`))
    })
}

/** The options of a mailbox that may be set when it is opened and changed later. */
function asMailbox<Globals extends Record<string, unknown>>(
  command: Command<[], Record<never, never>, Globals>,
) {
  return command
    .option('--display-name <name>', 'name beside the address')
    .addOption(new Option('--autonomy <autonomy>', 'who lets sends go').choices(AUTONOMIES))
    .option('--cooldown <minutes>', 'between two sends to one contact; 0 for none', number)
    .option('--hourly-limit <number>', 'sends in an hour', number)
    .option('--daily-limit <number>', 'sends in a day', number)
    .option('--monthly-limit <number>', 'sends in a month', number)
    .option('--agent-id <id>', 'agent that it belongs to')
    .option('--config <json>', 'any of its fields, as answers carry them in "config"', jsonObject)
}

function fieldsOf(options: {
  displayName?: string | undefined
  autonomy?: Autonomy | undefined
  cooldown?: number | undefined
  hourlyLimit?: number | undefined
  dailyLimit?: number | undefined
  monthlyLimit?: number | undefined
  agentId?: string | undefined
  config?: JsonObject | undefined
}): JsonObject {
  const { autonomy, cooldown, ...same } = options
  const autonomyLevel = autonomy && LEVELS[autonomy]
  return given({ ...same, autonomyLevel, cooldownMinutes: cooldown })
}

function autonomy(text: string): Autonomy {
  const found = AUTONOMIES.find((name) => name === text)
  if (found === undefined) throw new InvalidArgumentError(`Allowed choices are ${AUTONOMIES.join(', ')}.`)
  return found
}
