import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { addressOf, connect, identify } from './client.ts'
import { readCredentials, writeCredentials } from './credentials.ts'
import { Failure, misuse } from './failure.ts'
import { isObject } from './json.ts'
import { show } from './output.ts'
import { example, type Root } from './root.ts'

export function auth(root: Root) {
  const auth = root.command('auth').description('Log in, log out, and show which key is used')

  auth
    .command('login')
    .description(
      'Check a key and store it in ~/.molted/credentials.json. The key is sent only to the address of this login.',
    )
    .option(
      '--key <key>',
      'the key; other users of this machine may see it here, so prefer the prompt or a pipe',
    )
    .addHelpText(
      'after',
      example('molted auth login --base-url https://mail.example.com', 'molted auth login < key.txt'),
    )
    .action(async ({ key }, command) => {
      const stored = await readCredentials()
      const address = addressOf(command.optsWithGlobals(), stored)
      const apiKey = (key ?? (await askForKey(address))).trim()
      if (apiKey === '') throw misuse('no key was given', 'Type it at the prompt, pipe it in, or give --key.')
      const { tenantId, agentId, answer } = await identify(address, apiKey)
      stored.logins.set(address, { apiKey, tenantId, agentId })
      await writeCredentials({ ...stored, current: address })
      if (process.env.MOLTED_API_KEY)
        console.error('note: MOLTED_API_KEY is set and is used instead of this login.')
      show(command, { loggedIn: true, baseUrl: address, ...(isObject(answer) ? answer : {}) })
    })

  auth
    .command('whoami')
    .description('Show which key is used, for which address, and what it may do')
    .addHelpText('after', example('molted auth whoami'))
    .action(async (_, command) => {
      const { address, source, post } = await connect(command)
      const answer = await post('/v1/agent/whoami', {}, { mayRepeat: true })
      show(command, { baseUrl: address, source, ...(isObject(answer) ? answer : {}) })
    })

  auth
    .command('logout')
    .description('Remove the stored key of the address')
    .addHelpText('after', example('molted auth logout'))
    .action(async (_, command) => {
      const stored = await readCredentials()
      const address = addressOf(command.optsWithGlobals(), stored)
      const wasKnown = stored.logins.delete(address)
      const current = stored.current === address ? null : stored.current
      if (wasKnown) await writeCredentials({ ...stored, current })
      if (process.env.MOLTED_API_KEY) console.error('note: MOLTED_API_KEY is set and is still used.')
      show(command, { loggedOut: wasKnown, baseUrl: address })
    })
}

/** Reads the key from a pipe, or asks for it without showing what is typed. */
async function askForKey(address: string): Promise<string> {
  if (!process.stdin.isTTY) {
    let text = ''
    for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk
    return text
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  const interrupted = new AbortController()
  terminal.on('SIGINT', () => interrupted.abort())
  process.stderr.write(`Key for ${address}: `)
  try {
    return await terminal.question('', { signal: interrupted.signal })
  } catch {
    throw new Failure(1, 'the login was interrupted')
  } finally {
    process.stderr.write('\n')
    terminal.close()
  }
}
