import { Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { given, time } from './json.ts'
import { show } from './output.ts'
import { example, type Group, listing, part, type Root } from './root.ts'

const SUPPRESSIONS = '/v1/suppressions'

const REASONS = [
  'complaint',
  'hard_bounce',
  'manual_dnc',
  'legal_request',
  'role_account',
  'no_engagement',
] as const

export function suppressions(root: Root) {
  const suppressions = root
    .command('suppressions')
    .description('Manage suppressions: addresses that must get no messages')
  list(suppressions)
  add(suppressions)
  check(suppressions)
  remove(suppressions)
}

function list(suppressions: Group) {
  listing(suppressions, 'list')
    .description('List suppressions, newest first')
    .option('--email <email>', 'only suppressions of this address')
    .addOption(
      new Option('--scope <scope>', 'only suppressions with this scope').choices([
        'global',
        'tenant',
        'campaign',
      ] as const),
    )
    .addHelpText('after', example('molted suppressions list'))
    .action(async ({ email, scope, limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'recipientEmail', 'scope', 'campaignId', 'reasonCode', 'expiresAt']
      show(command, await get(SUPPRESSIONS, { recipientEmail: email, scope, limit, cursor }), columns)
    })
}

function add(suppressions: Group) {
  suppressions
    .command('add')
    .description('Suppress an address. Adding it again changes nothing.')
    .argument('<EMAIL>', 'address to suppress')
    .addOption(
      new Option('--reason <code>', 'why the address is suppressed')
        .choices(REASONS)
        .default('manual_dnc' as const),
    )
    .option(
      '--campaign <id>',
      'only for sends of this campaign or template (default: for all sends of the tenant)',
    )
    .option('--source <text>', 'where the suppression comes from')
    .option(
      '--expires <time>',
      'when the suppression ends, such as 2026-12-31T00:00:00Z (default: never)',
      time,
    )
    .addHelpText('after', example('molted suppressions add bob@example.com --reason legal_request'))
    .action(async (email, { reason, campaign, source, expires }, command) => {
      const { post } = await connect(command)
      const body = given({
        recipientEmail: email,
        scope: campaign === undefined ? 'tenant' : 'campaign',
        reasonCode: reason,
        campaignId: campaign,
        source,
        expiresAt: expires,
      })
      show(command, await post(SUPPRESSIONS, body, { mayRepeat: true }))
    })
}

function check(suppressions: Group) {
  suppressions
    .command('check')
    .description('Tell whether an address is suppressed, and why')
    .argument('<EMAIL>', 'address to check')
    .option('--campaign <id>', 'also check the suppressions of this campaign')
    .addHelpText('after', example('molted suppressions check bob@example.com'))
    .action(async (email, { campaign }, command) => {
      const { get } = await connect(command)
      show(command, await get(`${SUPPRESSIONS}/check`, { recipientEmail: email, campaignId: campaign }))
    })
}

function remove(suppressions: Group) {
  suppressions
    .command('remove')
    .description('Remove a suppression')
    .argument('<SUPPRESSION_ID>', 'id of the suppression, as "molted suppressions list" shows it')
    .addHelpText('after', example('molted suppressions remove sup_demo'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${SUPPRESSIONS}/${part(id)}`))
    })
}
