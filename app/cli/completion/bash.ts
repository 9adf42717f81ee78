import type { CommandDefinition, Completion } from '../command.ts';
import { parseFlags, spellings } from '../flags.ts';
import { optionsOf } from '../command-options.ts';

/** The completion script for bash. */
export function bashCompletion(commands: readonly CommandDefinition[]): string {
  const groups = [...new Set(commands.flatMap(({ path }) => (path.length > 1 ? path.slice(0, 1) : [])))];
  const words = [
    ...commands.filter(({ path }) => path.length === 1).map(({ path }) => path[0] ?? ''),
    ...groups,
  ];
  return `# bash completion for sallyport, made by: sallyport completion bash

_sallyport_words() {
  COMPREPLY+=($(compgen -W "$1" -- "$current"))
}

_sallyport_tunnels() {
  local name quoted
  while IFS= read -r name; do
    printf -v quoted '%q' "$name"
    [[ $name == "$current"* || $quoted == "$current"* ]] && COMPREPLY+=("$quoted")
  done < <(sallyport list --names 2>/dev/null)
}

_sallyport_files() {
  compopt -o filenames 2>/dev/null
  local IFS=$'\\n'
  COMPREPLY+=($(compgen -f -- "$current"))
}

_sallyport() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command='' count=0 i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command/\${COMP_WORDS[i]}" in
${[...words.map((word) => [`/${word}`, word]), ...nested(commands)].map(([pattern = '', command = '']) => `      '${pattern}') command='${command}' ;;`).join('\n')}
${lines(commands, valueOptions)
  .map((pattern) => `      ${pattern}) ((i++)) ;;`)
  .join('\n')}
      */-*) ;;
      *) ((count++)) ;;
    esac
  done
  case "$command/$previous" in
${commands.flatMap(valueCases).join('\n')}
  esac
  if [[ $current == -* ]]; then
    case $command in
      '') _sallyport_words '--help --version' ;;
${commands.map((command) => `      '${command.path.join(' ')}') _sallyport_words '${optionsOf(command).flatMap(spellings).join(' ')} --help' ;;`).join('\n')}
    esac
    return
  fi
  case "$command/$count" in
    '/0') _sallyport_words '${words.join(' ')}' ;;
${groups.map((group) => `    '${group}/0') _sallyport_words '${secondWords(commands, group).join(' ')}' ;;`).join('\n')}
${commands.flatMap(argumentCases).join('\n')}
  esac
}

complete -F _sallyport sallyport
`;
}

function nested(commands: readonly CommandDefinition[]): string[][] {
  return commands
    .filter(({ path }) => path.length > 1)
    .map(({ path }) => [`${path.slice(0, -1).join(' ')}/${path.at(-1) ?? ''}`, path.join(' ')]);
}

function secondWords(commands: readonly CommandDefinition[], group: string): string[] {
  return commands.filter(({ path }) => path[0] === group && path.length > 1).map(({ path }) => path[1] ?? '');
}

function lines(
  commands: readonly CommandDefinition[],
  of: (command: CommandDefinition) => string[],
): string[] {
  return commands.map(of).flatMap((patterns) => (patterns.length === 0 ? [] : [patterns.join(' | ')]));
}

function valueOptions(command: CommandDefinition): string[] {
  return optionsOf(command)
    .filter((option) => parseFlags(option).value !== null)
    .flatMap(spellings)
    .map((spelling) => `'${command.path.join(' ')}/${spelling}'`);
}

function valueCases(command: CommandDefinition): string[] {
  return optionsOf(command).flatMap((option) => {
    if (parseFlags(option).value === null) return [];
    const patterns = spellings(option).map((spelling) => `'${command.path.join(' ')}/${spelling}'`);
    const offer = call(option.completion ?? 'none');
    return [`    ${patterns.join(' | ')})${offer === null ? '' : ` ${offer};`} return ;;`];
  });
}

function argumentCases(command: CommandDefinition): string[] {
  return command.arguments.flatMap(({ completion }, index) => {
    const offer = call(completion);
    return offer === null ? [] : [`    '${command.path.join(' ')}/${String(index)}') ${offer} ;;`];
  });
}

function call(completion: Completion): string | null {
  if (completion === 'none') return null;
  if (completion === 'tunnel') return '_sallyport_tunnels';
  if (completion === 'file') return '_sallyport_files';
  return `_sallyport_words '${completion.join(' ')}'`;
}
