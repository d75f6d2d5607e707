import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, time, words } from './json.ts'
import { show } from './output.ts'
import { example, type Group, listing, part, type Root } from './root.ts'

const KEYS = '/v1/agent/keys'

const PERMISSIONS = 'what the key may do, separated by commas: read, send, manage, approve'
const MAILBOXES = 'ids of the mailboxes that the key may use, separated by commas'
const EXPIRES = 'when the key expires, such as 2026-12-31T00:00:00Z'

export function keys(root: Root) {
  const keys = root.command('keys').description('Manage the API keys of the tenant')
  list(keys)
  create(keys)
  update(keys)
  rotate(keys)
  revoke(keys)
}

function list(keys: Group) {
  listing(keys, 'list')
    .description('List the keys, without their secrets')
    .addHelpText('after', example('molted keys list'))
    .action(async ({ limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = [
        'id',
        'keyPrefix',
        'label',
        'agentId',
        'permissions',
        'status',
        'expiresAt',
        'createdBy',
      ]
      show(command, await get(KEYS, { limit, cursor }), columns)
    })
}

function create(keys: Group) {
  keys
    .command('create')
    .description('Create a key. Its secret (rawKey in the answer) is shown only once.')
    .option('--label <text>', 'what the key is for')
    .option('--agent-id <id>', 'id of the agent that the key speaks for (default: the whole tenant)')
    .option('--permissions <list>', `${PERMISSIONS} (default: read,send,manage)`, words)
    .option('--mailbox <list>', `${MAILBOXES} (default: all)`, words)
    .option('--expires <time>', `${EXPIRES} (default: when your own key expires)`, time)
    .addHelpText('after', example('molted keys create --label outreach --permissions read,send'))
    .action(async ({ label, agentId, permissions, mailbox, expires }, command) => {
      const { post } = await connect(command)
      const body = given({ label, agentId, permissions, ...scopes(mailbox, permissions), expiresAt: expires })
      show(command, await post(KEYS, body))
      console.error('The key is not shown again. Store it now.')
    })
}

function update(keys: Group) {
  keys
    .command('update')
    .description('Change a key. Options that are left out change nothing.')
    .argument('<KEY_ID>', 'id of the key')
    .option('--label <text>', 'what the key is for')
    .option('--permissions <list>', PERMISSIONS, words)
    .option('--mailbox <list>', MAILBOXES, words)
    .option('--all-mailboxes', 'let the key use all mailboxes')
    .option('--expires <time>', EXPIRES, time)
    .addHelpText('after', example('molted keys update key_abc123 --permissions read'))
    .action(async (id, { label, permissions, mailbox, allMailboxes, expires }, command) => {
      if (mailbox && allMailboxes) throw misuse('give either --mailbox or --all-mailboxes, not both')
      const scoping = allMailboxes ? { scopeAllMailboxes: true } : scopes(mailbox, permissions)
      const change = given({ label, permissions, ...scoping, expiresAt: expires })
      if (Object.keys(change).length === 0) throw misuse('nothing to change: give at least one option')
      const { patch } = await connect(command)
      show(command, await patch(`${KEYS}/${part(id)}`, change))
    })
}

function rotate(keys: Group) {
  keys
    .command('rotate')
    .description('Give a key a new secret (rawKey in the answer). The old one stops working at once.')
    .argument('<KEY_ID>', 'id of the key')
    .addHelpText('after', example('molted keys rotate key_abc123'))
    .action(async (id, _, command) => {
      const { post } = await connect(command)
      show(command, await post(`${KEYS}/${part(id)}/rotate`, {}))
      console.error('The key is not shown again. Store it now.')
    })
}

function revoke(keys: Group) {
  keys
    .command('revoke')
    .description('Revoke a key, with all that it made. The next request with it is refused.')
    .argument('<KEY_ID>', 'id of the key')
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
