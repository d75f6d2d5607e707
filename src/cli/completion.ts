import { Argument, type CommandUnknownOpts } from '@commander-js/extra-typings'
import { example, type Root } from './root.ts'

type Flag = CommandUnknownOpts['options'][number]

const SHELLS = ['bash', 'zsh', 'fish'] as const

/** Each script asks the program for completions, so it stays right when the program changes. */
const SCRIPTS: Record<(typeof SHELLS)[number], string> = {
  bash: `_molted() {
  local IFS=$'\\n'
  COMPREPLY=($(molted __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -F _molted molted
`,
  zsh: `#compdef molted
_molted() {
  local line
  local -a found
  for line in "\${(@f)$(molted __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  _describe molted found
}
if [[ $funcstack[1] == _molted ]]; then _molted "$@"; else compdef _molted molted; fi
`,
  fish: `function __molted
  set -l last (commandline -ct)
  set -l words (commandline -opc) "$last"
  molted __complete -- $words[2..-1] 2>/dev/null
end
complete -c molted -f -a '(__molted)'
`,
}

export function completion(root: Root) {
  root
    .command('completion')
    .description('Print the script that completes commands and options in your shell')
    .addArgument(new Argument('<SHELL>', 'your shell').choices(SHELLS))
    .addHelpText(
      'after',
      example(
        'source <(molted completion bash)   # in ~/.bashrc',
        'source <(molted completion zsh)    # in ~/.zshrc, after compinit',
        'molted completion fish > ~/.config/fish/completions/molted.fish',
      ),
    )
    .action((shell) => void process.stdout.write(SCRIPTS[shell]))

  root
    .command('__complete', { hidden: true })
    .argument('[WORDS...]')
    .action((words) => {
      for (const found of candidates(root, words)) process.stdout.write(`${found.join('\t')}\n`)
    })
}

/** The possible completions of the last word, each with its description. */
function candidates(root: CommandUnknownOpts, words: string[]): [string, string][] {
  const last = words.at(-1) ?? ''
  let command = root
  let option: Flag | null = null
  for (const word of words.slice(0, -1)) {
    const isValue: boolean = option !== null
    option = isValue ? null : takingValue(command, word)
    if (isValue || option !== null) continue
    command = command.commands.find((inner) => inner.name() === word) ?? command
  }
  return possible(command, option, last).filter(([word]) => word.startsWith(last))
}

function possible(command: CommandUnknownOpts, option: Flag | null, last: string): [string, string][] {
  if (option !== null) return (option.argChoices ?? []).map((choice) => [choice, option.description])
  const help = command.createHelp()
  const inner = help
    .visibleCommands(command)
    .map((each): [string, string] => [each.name(), each.description()])
  if (!last.startsWith('-') && inner.length > 0) return inner
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])
  if (!last.startsWith('-') && choices.length > 0) return choices.map((choice) => [choice, ''])
  const flags = [...help.visibleOptions(command), ...optionsAbove(command)]
  return flags.flatMap(({ long, description }) => (long ? [[long, description]] : []))
}

function takingValue(command: CommandUnknownOpts, word: string): Flag | null {
  const known = [...command.createHelp().visibleOptions(command), ...optionsAbove(command)]
  return known.find((option) => option.long === word && option.required) ?? null
}

/** The options of `molted` itself, which every command accepts. The options of `send` do not apply to commands below it. */
function optionsAbove(command: CommandUnknownOpts) {
  let top: CommandUnknownOpts = command
  while (top.parent) top = top.parent
  return top === command ? [] : top.options.filter(({ long }) => long !== '--version')
}
