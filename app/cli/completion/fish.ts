import { groupSummaries, optionsOf } from '../command-options.ts';
import type { CommandDefinition, Completion } from '../command.ts';
import { parseFlags, spellings } from '../flags.ts';

/** The completion script for fish. */
export function fishCompletion(commands: readonly CommandDefinition[]): string {
  const groups = [...new Set(commands.flatMap(({ path }) => (path.length > 1 ? path.slice(0, 1) : [])))];
  const lines = [
    ...commands
      .filter(({ path }) => path.length === 1)
      .map(({ path, summary }) => word([], path[0] ?? '', summary)),
    ...groups.map((group) => word([], group, groupSummaries[group] ?? '')),
    ...commands.flatMap((command) => [
      ...(command.path.length > 1
        ? [word(command.path.slice(0, -1), command.path.at(-1) ?? '', command.summary)]
        : []),
      ...optionLines(command),
      ...argumentLines(command),
    ]),
  ];
  return `# fish completion for sallyport, made by: sallyport completion fish

# Whether the words typed so far, options left out, begin with these and are so many more.
function __sallyport_at --argument-names more
    set -l typed
    set -l is_value no
    for word in (commandline -opc)[2..]
        if test $is_value = yes
            set is_value no
            continue
        end
        switch $word
            case ${valueOptions(commands)}
                set is_value yes
            case '-*'
            case '*'
                set -a typed $word
        end
    end
    set -l path $argv[2..]
    test (count $typed) -ge (count $path); or return 1
    test -z "$path"; or test "$typed[1..$(count $path)]" = "$path"; or return 1
    test $more = any; or test (count $typed) -eq (math (count $path) + $more)
end

complete -c sallyport -f
${lines.join('\n')}
`;
}

function valueOptions(commands: readonly CommandDefinition[]): string {
  const taking = commands.flatMap(optionsOf).filter((option) => parseFlags(option).value !== null);
  return [...new Set(taking.flatMap(spellings))].join(' ');
}

function word(path: readonly string[], offered: string, summary: string): string {
  return `complete -c sallyport -n ${at('0', path)} -a ${offered} -d ${quote(summary)}`;
}

function optionLines(command: CommandDefinition): string[] {
  return optionsOf(command).map((option) => {
    const { short, long, value } = parseFlags(option);
    const names = `${short === null ? '' : `-s ${short} `}-l ${long}`;
    const takes = value === null ? '' : ` -x${offer(option.completion ?? 'none')}`;
    return `complete -c sallyport -n ${at('any', command.path)} ${names}${takes} -d ${quote(option.description)}`;
  });
}

function argumentLines(command: CommandDefinition): string[] {
  return command.arguments.flatMap(({ completion }, index) => {
    if (completion === 'none') return [];
    const condition = at(String(index), command.path);
    return [`complete -c sallyport -n ${condition}${completion === 'file' ? ' -F' : offer(completion)}`];
  });
}

function offer(completion: Completion): string {
  if (completion === 'none' || completion === 'file') return '';
  if (completion === 'tunnel') return " -a '(sallyport list --names 2>/dev/null)'";
  return ` -a ${quote(completion.join(' '))}`;
}

function at(more: string, path: readonly string[]): string {
  return quote(['__sallyport_at', more, ...path].join(' '));
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
