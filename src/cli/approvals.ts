import { Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given } from './json.ts'
import { show } from './output.ts'
import { example, type Group, listing, part, type Root } from './root.ts'

const APPROVALS = '/v1/send/approvals'

export function approvals(root: Root) {
  const approvals = root.command('approvals').description('Decide sends that are held for a person')
  list(approvals)
  showOne(approvals)
  approve(approvals)
  reject(approvals)
  edit(approvals)
}

function list(approvals: Group) {
  listing(approvals, 'list')
    .description('List approvals, pending and decided, newest first')
    .addOption(
      new Option('--status <status>', 'only approvals in this state').choices([
        'pending',
        'approved',
        'rejected',
        'expired',
        'superseded',
      ] as const),
    )
    .option('--mailbox <id>', 'only approvals of this mailbox')
    .addHelpText('after', example('molted approvals list --status pending'))
    .action(async ({ status, mailbox, limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'status', 'requestId', 'mailboxId', 'holdReason', 'expiresAt']
      show(command, await get(APPROVALS, { status, mailboxId: mailbox, limit, cursor }), columns)
    })
}

function showOne(approvals: Group) {
  of(approvals.command('show'))
    .description('Show a held send, with the exact message that would be sent')
    .addHelpText('after', example('molted approvals show apq_xyz789'))
    .action(async (id, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${APPROVALS}/${part(id)}`))
    })
}

function approve(approvals: Group) {
  of(approvals.command('approve'))
    .description('Approve a held send. The key needs the permission "approve".')
    .option('--reason <text>', 'why it is approved')
    .option(
      '--sha256 <hash>',
      'approve only the message with this hash, which "molted approvals show" prints',
    )
    .addHelpText('after', example('molted approvals approve apq_xyz789'))
    .action(async (id, { reason, sha256 }, command) => {
      const { patch } = await connect(command)
      const body = given({ decision: 'approved', reason, sha256 })
      show(command, await patch(`${APPROVALS}/${part(id)}`, body))
    })
}

function reject(approvals: Group) {
  of(approvals.command('reject'))
    .description('Reject a held send: it is not sent. The key needs the permission "approve".')
    .option('--reason <text>', 'why it is rejected')
    .addHelpText('after', example('molted approvals reject apq_xyz789 --reason "Wrong name"'))
    .action(async (id, { reason }, command) => {
      const { patch } = await connect(command)
      show(command, await patch(`${APPROVALS}/${part(id)}`, given({ decision: 'rejected', reason })))
    })
}

function edit(approvals: Group) {
  of(approvals.command('edit'))
    .description(
      'Replace the message of a held send. The send gets a new approval. --text or --html is required.',
    )
    .requiredOption('--subject <text>', 'subject of the new message')
    .option('--text <text>', 'plain text of the new message')
    .option('--html <html>', 'HTML of the new message')
    .addHelpText('after', example('molted approvals edit apq_xyz789 --subject Hello --text "Dear Carol, …"'))
    .action(async (id, { subject, text, html }, command) => {
      if (text === undefined && html === undefined) throw misuse('--text or --html is required')
      const { put } = await connect(command)
      show(command, await put(`${APPROVALS}/${part(id)}/message`, given({ subject, text, html })))
    })
}

/** A command about one approval. */
function of(command: Group) {
  return command.argument('<APPROVAL_ID>', 'id of the approval')
}
