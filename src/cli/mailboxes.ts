import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, type JsonObject, jsonObject, number } from './json.ts'
import { show } from './output.ts'
import { example, type Group, listing, part, type Root } from './root.ts'

const MAILBOXES = '/v1/agent/mailboxes'

const LEVELS = { review: 1, first_contact: 2, auto: 3 } as const

type Autonomy = keyof typeof LEVELS

const AUTONOMIES = ['review', 'first_contact', 'auto'] as const

export function mailboxes(root: Root) {
  const mailboxes = root
    .command('mailboxes')
    .description('Manage the addresses that agents send from, with their limits and autonomy')
  list(mailboxes)
  showOne(mailboxes)
  create(mailboxes)
  update(mailboxes)
  autonomy(mailboxes)
  remove(mailboxes)
}

function list(mailboxes: Group) {
  listing(mailboxes, 'list')
    .description('List the mailboxes that the key may read')
    .addHelpText('after', example('molted mailboxes list'))
    .action(async ({ limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'address', 'displayName', 'status', 'config.autonomy', 'config.isDefault']
      show(command, await get(MAILBOXES, { limit, cursor }), columns)
    })
}

function showOne(mailboxes: Group) {
  of(mailboxes.command('show'))
    .description('Show a mailbox')
    .addHelpText('after', example('molted mailboxes show mbx_abc123'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${MAILBOXES}/${part(id)}`))
    })
}

function create(mailboxes: Group) {
  withSettings(mailboxes.command('create'))
    .description('Open a mailbox. --address or --name is required.')
    .option('--address <address>', 'the part before the @, or a whole address in a domain of the tenant')
    .option('--name <name>', 'name to make the address from, if there is no --address')
    .addHelpText('after', example('molted mailboxes create --address sales-anna --autonomy review'))
    .action(async ({ address, name, ...options }, command) => {
      if (address === undefined && name === undefined) throw misuse('--address or --name is required')
      const { post } = await connect(command)
      show(command, await post(MAILBOXES, given({ address, name, ...fieldsOf(options) })))
    })
}

function update(mailboxes: Group) {
  withSettings(mailboxes.command('update'))
    .description('Change a mailbox. Options that are left out change nothing.')
    .argument('<MAILBOX_ID>', 'id of the mailbox')
    .addOption(
      new Option('--status <status>', 'state; a paused mailbox sends nothing').choices([
        'active',
        'paused',
      ] as const),
    )
    .addHelpText('after', example('molted mailboxes update mbx_abc123 --daily-limit 200 --cooldown 30'))
    .action(async (id, { status, ...options }, command) => {
      const change = given({ status, ...fieldsOf(options) })
      if (Object.keys(change).length === 0) throw misuse('nothing to change: give at least one option')
      const { patch } = await connect(command)
      show(command, await patch(`${MAILBOXES}/${part(id)}`, change))
    })
}

function autonomy(mailboxes: Group) {
  of(mailboxes.command('autonomy'))
    .description(
      'Show or set which sends a person must approve: all (review), those to new contacts (first_contact), or none (auto)',
    )
    .argument('[AUTONOMY]', 'review, first_contact or auto (default: show the current one)', autonomyNamed)
    .addHelpText('after', example('molted mailboxes autonomy mbx_abc123 review'))
    .action(async (id, wanted, _, command) => {
      const { get, patch } = await connect(command)
      const path = `${MAILBOXES}/${part(id)}/autonomy`
      const answer = wanted ? await patch(path, { autonomyLevel: LEVELS[wanted] }) : await get(path)
      show(command, answer)
    })
}

function remove(mailboxes: Group) {
  of(mailboxes.command('delete'))
    .description('Close a mailbox. It can no longer send.')
    .addHelpText('after', example('molted mailboxes delete mbx_abc123'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${MAILBOXES}/${part(id)}`))
    })
}

/** A command about one mailbox. */
function of(command: Group) {
  return command.argument('<MAILBOX_ID>', 'id of the mailbox')
}

/** The options for settings that can be given at creation and changed later. */
function withSettings(command: Group) {
  return command
    .option('--display-name <name>', 'name shown beside the address')
    .addOption(new Option('--autonomy <autonomy>', 'which sends a person must approve').choices(AUTONOMIES))
    .option('--cooldown <minutes>', 'minutes between two sends to one contact; 0 for no cooldown', number)
    .option('--hourly-limit <number>', 'sends in one hour (UTC)', number)
    .option('--daily-limit <number>', 'sends in one day (UTC)', number)
    .option('--monthly-limit <number>', 'sends in one month (UTC)', number)
    .option('--agent-id <id>', 'id of the agent that the mailbox belongs to')
    .option(
      '--config <json>',
      'other settings, as a JSON object; "config" in answers shows their names',
      jsonObject,
    )
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

function autonomyNamed(text: string): Autonomy {
  const found = AUTONOMIES.find((name) => name === text)
  if (found === undefined) throw new InvalidArgumentError(`Allowed choices are ${AUTONOMIES.join(', ')}.`)
  return found
}
