import { Command, Option } from '@commander-js/extra-typings'
import { type Connecting, DEFAULT_ADDRESS } from './client.ts'
import { number } from './json.ts'
import type { Showing } from './output.ts'
import { VERSION } from './version.ts'

export type Globals = Connecting & Showing

export type Root = ReturnType<typeof root>

/** A command that holds other commands, or a new command that has no options yet. */
export type Group = Command<[], Record<never, never>, Globals>

/** The command `molted`, with the options that every command below it accepts. */
export function root() {
  return new Command('molted')
    .description('Email infrastructure for AI agents, from the command line.')
    .version(VERSION)
    .option(
      '--base-url <url>',
      `address of the API (default: MOLTED_API_URL, the address of the last login, or ${DEFAULT_ADDRESS})`,
    )
    .option('--json', 'print JSON on a terminal (piped output is always JSON)')
    .addOption(new Option('--table', 'print a table, also when piped').conflicts('json'))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text) })
    .showHelpAfterError('Add --help to see the arguments and options.')
    .exitOverride()
    .addHelpText(
      'after',
      `
Environment:
  MOLTED_API_KEY   API key; used instead of the key of the last login
  MOLTED_API_URL   address of the API; ignored if --base-url is given
  NO_COLOR         set it to print no colours

Exit codes:
  0   the API answered without an error; a blocked send is such an answer
  1   the API answered with an error, or could not be reached
  2   the command line is wrong
${example('molted auth login', 'molted send --to alice@example.com --subject Hello --text "It works."')}`,
    )
}

/** A command that lists, page by page. */
export function listing(group: Group, name: string) {
  return group
    .command(name)
    .option('--limit <number>', 'entries on a page, 1 to 100 (default: 50)', number)
    .option('--cursor <cursor>', 'show the next page: the nextCursor of the page before')
}

/** The last part of a command's help. */
export function example(...lines: string[]): string {
  return `\nExample:\n${lines.map((line) => `  ${line.replaceAll('\n', '\n  ')}`).join('\n')}\n`
}

/** An id as a segment of a path. */
export function part(id: string): string {
  return encodeURIComponent(id)
}
