import { misuse } from './failure.ts'
import type { Group } from './root.ts'

/** A command that acts for one agent, named by id or by name. */
export function forAgent(command: Group, role: string) {
  return command
    .option('--agent-id <id>', `id of ${role}; give this or --agent-name`)
    .option('--agent-name <name>', `name of ${role}; give this or --agent-id`)
}

export function mustNameAgent(idOrName: string | undefined) {
  if (idOrName === undefined) throw misuse('either --agent-id or --agent-name is required')
}
