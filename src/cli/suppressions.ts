import { Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { given, number, time } from './json.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

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
  const suppressions = root.command('suppressions').description('Addresses that must not be mailed')

  suppressions
    .command('list')
    .description('List suppressions, newest first')
    .option('--email <email>', 'only of this address')
    .addOption(new Option('--scope <scope>', 'only these').choices(['global', 'tenant', 'campaign'] as const))
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted suppressions list'))
    .action(async ({ email, scope, limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'recipientEmail', 'scope', 'campaignId', 'reasonCode', 'expiresAt']
      show(command, await get(SUPPRESSIONS, { recipientEmail: email, scope, limit, cursor }), columns)
    })

  suppressions
    .command('add')
    .description('Put an address on a list; safe to repeat')
    .argument('<EMAIL>')
    .addOption(new Option('--reason <code>', 'why').choices(REASONS).default('manual_dnc' as const))
    .option('--campaign <id>', 'only for this campaign or template')
    .option('--source <text>', 'where this is known from')
    .option('--expires <time>', 'until this time, such as 2026-12-31T00:00:00Z', time)
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

  suppressions
    .command('check')
    .description('Tell whether an address may not be mailed, and why')
    .argument('<EMAIL>')
    .option('--campaign <id>', 'look at the list of this campaign too')
    .addHelpText('after', example('molted suppressions check bob@example.com'))
    .action(async (email, { campaign }, command) => {
      const { get } = await connect(command)
      show(command, await get(`${SUPPRESSIONS}/check`, { recipientEmail: email, campaignId: campaign }))
    })

  suppressions
    .command('remove')
    .description('Take an address off a list')
    .argument('<SUPPRESSION_ID>')
    .addHelpText('after', example('molted suppressions remove sup_demo'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${SUPPRESSIONS}/${part(id)}`))
    })
}
