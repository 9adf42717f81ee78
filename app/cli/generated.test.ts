import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { sallyportManifest } from '@sallyport/shared/manifest/sallyport-manifest.ts';
import { allCommands } from './all-commands.ts';
import { optionsOf } from './command-options.ts';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { zshCompletion } from './completion/zsh.ts';
import { parseFlags, spellings } from './flags.ts';
import { renderManPage } from './man-page.ts';

const commands = allCommands();

describe('the man page', () => {
  const page = renderManPage(commands, sallyportManifest.version);

  it('in build/man is what the commands say; if not, run: node scripts/generate-man-page.ts', async () => {
    const written = await readFile(new URL('../../build/man/sallyport.1', import.meta.url), 'utf8');
    expect(written).toBe(page);
  });

  it('has every command and option', () => {
    const plain = page.replaceAll('\\-', '-');
    for (const command of commands) {
      expect(plain).toContain(`.SS ${command.path.join(' ')}`);
      for (const option of optionsOf(command)) expect(plain).toContain(parseFlags(option).long);
    }
  });

  it('has no line that roff would take for a macro of its own', () => {
    for (const line of page.split('\n')) {
      if (/^[.']/.test(line)) expect(line).toMatch(/^\.(?:\\"|(?:TH|SH|SS|TP|PP|B|I|BR|br)\b)/);
    }
  });
});

describe('completions', () => {
  it.each([
    ['bash', bashCompletion(commands)],
    ['zsh', zshCompletion(commands)],
    ['fish', fishCompletion(commands)],
  ])('for %s name every command and option', (_shell, script) => {
    for (const command of commands) {
      for (const word of command.path) expect(script).toContain(word);
      for (const option of optionsOf(command)) expect(script).toContain(parseFlags(option).long);
    }
  });

  it.each<[string[], string[]]>([
    [[''], ['import', 'list', 'extension', 'completion']],
    [['dis'], ['disconnect']],
    [['extension', ''], ['list']],
    [['connect', 'h'], ['home']],
    [['connect', '--wait', '5', 'my'], ['my\\ office']],
    [['connect', 'my\\ '], ['my\\ office']],
    [
      ['connect', '--'],
      ['--wait', '--no-wait', '--replace', '--json'],
    ],
    [['log', '--level', 'w'], ['warning']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
  ])('in a real bash offer for %j at least %j', (words, offered) => {
    expect(completeInBash(words)).toEqual(expect.arrayContaining(offered));
  });

  it('in a real bash offer nothing where nothing fits', () => {
    expect(completeInBash(['connect', 'home', ''])).toEqual([]);
    expect(completeInBash(['import', '--name', ''])).toEqual([]);
    expect(completeInBash(['list', 'h'])).toEqual([]);
    expect(completeInBash(['connect', 'x'])).toEqual([]);
  });
});

/** What bash offers for the last word, with two tunnels, `home` and `my office`. */
function completeInBash(words: readonly string[]): string[] {
  const script = `
    sallyport() { [[ "$*" == 'list --names' ]] && printf '%s\\n' home 'my office'; }
    ${bashCompletion(commands)}
    COMP_WORDS=(sallyport "$@")
    COMP_CWORD=$#
    _sallyport
    ((\${#COMPREPLY[@]})) && printf '%s\\n' "\${COMPREPLY[@]}"
    exit 0`;
  const printed = execFileSync('bash', ['--norc', '-c', script, 'bash', ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return printed.split('\n').filter((line) => line !== '');
}

it('every option has flags of a known form, and a clear short one', () => {
  for (const command of commands) {
    const all = optionsOf(command).flatMap(spellings);
    expect(new Set(all).size).toBe(all.length);
  }
});
