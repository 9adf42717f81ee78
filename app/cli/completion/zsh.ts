import { groupSummaries, optionsOf } from '../command-options.ts';
import type { CommandDefinition, Completion } from '../command.ts';
import { parseFlags, spellings } from '../flags.ts';

/** The completion script for zsh. */
export function zshCompletion(commands: readonly CommandDefinition[]): string {
  const groups = [...new Set(commands.flatMap(({ path }) => (path.length > 1 ? path.slice(0, 1) : [])))];
  const own = commands.filter(({ path }) => path.length === 1);
  const top: Entry[] = [
    ...own.map((command): Entry => [command.path[0] ?? '', command.summary]),
    ...groups.map((group): Entry => [group, groupSummaries[group] ?? '']),
  ];
  return `#compdef sallyport
# zsh completion for sallyport, made by: sallyport completion zsh

_sallyport_tunnels() {
  local -a names
  names=("\${(@f)$(sallyport list --names 2>/dev/null)}")
  [[ -n $names ]] && compadd -- "\${names[@]}"
}

_sallyport() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
${dispatch(top, own, groups)}
}
${groups.map((group) => groupFunction(commands, group)).join('')}
if [[ $funcstack[1] == _sallyport ]]; then
  _sallyport "$@"
else
  compdef _sallyport sallyport
fi
`;
}

type Entry = readonly [word: string, summary: string];

function groupFunction(commands: readonly CommandDefinition[], group: string): string {
  const own = commands
    .filter(({ path }) => path[0] === group && path.length > 1)
    .map((command) => ({ ...command, path: command.path.slice(1) }));
  const entries = own.map((command): Entry => [command.path[0] ?? '', command.summary]);
  return `
_sallyport_${group}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
${dispatch(entries, own, [])}
}
`;
}

function dispatch(
  entries: readonly Entry[],
  commands: readonly CommandDefinition[],
  groups: readonly string[],
): string {
  const cases = [
    ...commands.map(
      (command) => `        ${command.path.join(' ')})\n          _arguments ${specs(command)}\n          ;;`,
    ),
    ...groups.map((group) => `        ${group})\n          _sallyport_${group}\n          ;;`),
  ];
  return `  local -a commands
  commands=(
${entries.map(([word, summary]) => `    ${quote(`${word}:${summary}`)}`).join('\n')}
  )
  _arguments -C '--help[Print help]' '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      _describe command commands
      ;;
    argument)
      case $words[1] in
${cases.join('\n')}
      esac
      ;;
  esac`;
}

function specs(command: CommandDefinition): string {
  const options = optionsOf(command).flatMap((option) => {
    const { value } = parseFlags(option);
    const text = option.description.replaceAll('[', '(').replaceAll(']', ')');
    const suffix = value === null ? '' : `:${value}:${action(option.completion ?? 'none')}`;
    return spellings(option).map((spelling) => quote(`${spelling}[${text}]${suffix}`));
  });
  const words = command.arguments.map(({ name, isRequired, completion }, index) =>
    quote(`${String(index + 1)}:${isRequired ? '' : ':'}${name}:${action(completion)}`),
  );
  return [...options, ...words].join(' \\\n            ');
}

function action(completion: Completion): string {
  if (completion === 'none') return ' ';
  if (completion === 'tunnel') return '_sallyport_tunnels';
  if (completion === 'file') return '_files';
  return `(${completion.join(' ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
