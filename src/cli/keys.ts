import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, number, time, words } from './json.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

const KEYS = '/v1/agent/keys'

const PERMISSIONS = 'with commas between them: read, send, manage, approve'

export function keys(root: Root) {
  const keys = root.command('keys').description('API keys of the tenant')

  keys
    .command('list')
    .description('List the keys, without their secrets')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted keys list'))
    .action(async ({ limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'keyPrefix', 'label', 'agentId', 'permissions', 'status', 'expiresAt']
      show(command, await get(KEYS, { limit, cursor }), columns)
    })

  keys
    .command('create')
    .description('Create a key; its secret is shown this once, as rawKey')
    .option('--label <text>', 'what it is for')
    .option('--agent-id <id>', 'agent that it speaks for, and for no other')
    .option('--permissions <list>', `${PERMISSIONS} (default: the first three)`, words)
    .option('--mailbox <list>', 'only these mailboxes, with commas between them', words)
    .option('--expires <time>', 'until this time, such as 2026-12-31T00:00:00Z', time)
    .addHelpText('after', example('molted keys create --label outreach --permissions read,send'))
    .action(async ({ label, agentId, permissions, mailbox, expires }, command) => {
      const { post } = await connect(command)
      const body = given({ label, agentId, permissions, ...scopes(mailbox, permissions), expiresAt: expires })
      show(command, await post(KEYS, body))
      console.error('The key is not shown again: keep it now.')
    })

  keys
    .command('update')
    .description('Change a key; what is left out stays')
    .argument('<KEY_ID>')
    .option('--label <text>', 'what it is for')
    .option('--permissions <list>', PERMISSIONS, words)
    .option('--mailbox <list>', 'only these mailboxes, with commas between them', words)
    .option('--all-mailboxes', 'all mailboxes')
    .option('--expires <time>', 'until this time', time)
    .addHelpText('after', example('molted keys update key_abc123 --permissions read'))
    .action(async (id, { label, permissions, mailbox, allMailboxes, expires }, command) => {
      if (mailbox && allMailboxes) throw misuse('--mailbox and --all-mailboxes exclude each other')
      const scoping = allMailboxes ? { scopeAllMailboxes: true } : scopes(mailbox, permissions)
      const change = given({ label, permissions, ...scoping, expiresAt: expires })
      if (Object.keys(change).length === 0) throw misuse('nothing to change was given')
      const { patch } = await connect(command)
      show(command, await patch(`${KEYS}/${part(id)}`, change))
    })

  keys
    .command('revoke')
    .description('Revoke a key from the next request on')
    .argument('<KEY_ID>')
    .addHelpText('after', example('molted keys revoke key_abc123'))
    .action(async (id, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${KEYS}/${part(id)}`))
    })
}

function scopes(mailboxes: string[] | undefined, permissions = ['read', 'send', 'manage']) {
  if (mailboxes === undefined) return {}
  return {
    scopeAllMailboxes: false,
    mailboxScopes: mailboxes.map((mailboxId) => ({ mailboxId, permissions })),
  }
}
