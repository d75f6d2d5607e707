#!/usr/bin/env node
import { CommanderError } from '@commander-js/extra-typings'
import { agents } from './agents.ts'
import { approvals } from './approvals.ts'
import { audit } from './audit.ts'
import { auth } from './auth.ts'
import { completion } from './completion.ts'
import { Failure } from './failure.ts'
import { keys } from './keys.ts'
import { mailboxes } from './mailboxes.ts'
import { root } from './root.ts'
import { send } from './send.ts'
import { suppressions } from './suppressions.ts'
import { templates } from './templates.ts'
import { trace } from './trace.ts'

const molted = root()
for (const add of [
  auth,
  send,
  trace,
  audit,
  approvals,
  agents,
  suppressions,
  templates,
  mailboxes,
  keys,
  completion,
]) {
  add(molted)
}

// A reader such as `head` may close the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  await molted.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** Prints the error on stderr and returns the exit code. */
function report(error: unknown): number {
  // Commander has already printed it. Its exit code is 0 for --help and --version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Failure) {
    console.error(`error: ${error.message}`)
    if (error.hint !== null) console.error(error.hint)
    return error.exitCode
  }
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  return 1
}
