import { Command, Option } from '@commander-js/extra-typings'
import { DEFAULT_ADDRESS } from './client.ts'
import { VERSION } from './version.ts'

export type Root = ReturnType<typeof root>

/** The command that all others hang below, with the options that all of them take. */
export function root() {
  return new Command('molted')
    .description('Email infrastructure for AI agents, from the command line.')
    .version(VERSION)
    .option('--base-url <url>', `address of the API (default: last login, else ${DEFAULT_ADDRESS})`)
    .option('--json', 'JSON, also on a terminal (piped output always is)')
    .addOption(new Option('--table', 'a table, also when piped').conflicts('json'))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text) })
    .showHelpAfterError('Add --help to see what there is.')
    .exitOverride()
    .addHelpText(
      'after',
      `
Environment:
  MOLTED_API_KEY   the key, before that of the last login
  MOLTED_API_URL   the address of the API
  NO_COLOR         no colours

Exit codes: 0 any answer of the API that is not an error (a blocked send is information),
            1 an error of the API or the network, 2 a command line that cannot be followed.
${example('molted auth login', 'molted send --to alice@example.com --subject Hello --text "It works."')}`,
    )
}

/** The end of a command's help. */
export function example(...lines: string[]): string {
  return `\nExample:\n${lines.map((line) => `  ${line.replaceAll('\n', '\n  ')}`).join('\n')}\n`
}

/** Where an id stands in a path. */
export function part(id: string): string {
  return encodeURIComponent(id)
}
