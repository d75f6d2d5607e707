import { Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, number } from './json.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

const APPROVALS = '/v1/send/approvals'

export function approvals(root: Root) {
  const approvals = root.command('approvals').description('Sends that wait for a person')

  approvals
    .command('list')
    .description('List held sends and their decisions, newest first')
    .addOption(
      new Option('--status <status>', 'only these').choices([
        'pending',
        'approved',
        'rejected',
        'expired',
        'superseded',
      ] as const),
    )
    .option('--mailbox <id>', 'only of this mailbox')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted approvals list --status pending'))
    .action(async ({ status, mailbox, limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'status', 'requestId', 'mailboxId', 'holdReason', 'expiresAt']
      show(command, await get(APPROVALS, { status, mailboxId: mailbox, limit, cursor }), columns)
    })

  approvals
    .command('show')
    .description('Show a held send with the message as it will leave')
    .argument('<APPROVAL_ID>')
    .addHelpText('after', example('molted approvals show apq_xyz789'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${APPROVALS}/${part(id)}`))
    })

  approvals
    .command('approve')
    .description('Let a held send go; needs a key with "approve"')
    .argument('<APPROVAL_ID>')
    .option('--reason <text>', 'why')
    .option('--sha256 <hash>', 'hash of the message that was seen; another one is not approved')
    .addHelpText('after', example('molted approvals approve apq_xyz789'))
    .action(async (id, { reason, sha256 }, command) => {
      const { patch } = await connect(command)
      const body = given({ decision: 'approved', reason, sha256 })
      show(command, await patch(`${APPROVALS}/${part(id)}`, body))
    })

  approvals
    .command('reject')
    .description('Refuse a held send; needs a key with "approve"')
    .argument('<APPROVAL_ID>')
    .option('--reason <text>', 'why')
    .addHelpText('after', example('molted approvals reject apq_xyz789 --reason "Wrong name"'))
    .action(async (id, { reason }, command) => {
      const { patch } = await connect(command)
      show(command, await patch(`${APPROVALS}/${part(id)}`, given({ decision: 'rejected', reason })))
    })

  approvals
    .command('edit')
    .description('Replace the message of a held send; it waits under a new approval')
    .argument('<APPROVAL_ID>')
    .requiredOption('--subject <text>', 'subject')
    .option('--text <text>', 'plain text')
    .option('--html <html>', 'HTML')
    .addHelpText('after', example('molted approvals edit apq_xyz789 --subject Hello --text "Dear Carol, …"'))
    .action(async (id, { subject, text, html }, command) => {
      if (text === undefined && html === undefined) throw misuse('--text or --html is required')
      const { put } = await connect(command)
      show(command, await put(`${APPROVALS}/${part(id)}/message`, given({ subject, text, html })))
    })
}
