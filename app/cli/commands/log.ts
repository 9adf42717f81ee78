import * as z from 'zod';
import { maximumLogEntries } from '@sallyport/shared/protocol/limits.ts';
import { logEntrySchema, logLevels, type LogEntry, type LogLevel } from '@sallyport/shared/protocol/log.ts';
import type { Cli } from '../cli.ts';
import { defineCommand } from '../command.ts';
import { formatTime } from '../format/quantity.ts';
import { visible } from '../format/visible.ts';
import { untilInterrupted } from '../until-interrupted.ts';

export const logCommand = defineCommand({
  path: ['log'],
  summary: 'Print the helper’s log',
  description: [
    `Prints the newest entries, oldest first; the helper keeps ${String(maximumLogEntries)}. With --follow it goes on until Ctrl-C, also over a restart of the helper. With --json each entry is an object on a line of its own.`,
  ],
  arguments: [],
  options: [
    { flags: '-f, --follow', description: 'Go on and print each new entry' },
    {
      flags: '--level <level>',
      description: `Least level to print: ${logLevels.join(', ')}; by default info`,
      completion: logLevels,
    },
    {
      flags: '-n, --lines <count>',
      description: 'How many entries to begin with; by default 200',
      completion: 'none',
    },
  ],
  json: { schema: logEntrySchema, isStream: true },
  input: z.object({
    follow: z.boolean().default(false),
    level: z.enum(logLevels, { error: `--level is one of ${logLevels.join(', ')}.` }).default('info'),
    lines: z
      .string()
      .default('200')
      .refine((text) => /^\d+$/.test(text) && Number(text) > 0 && Number(text) <= maximumLogEntries, {
        message: `--lines takes a number from 1 to ${String(maximumLogEntries)}.`,
      })
      .transform(Number),
  }),
  run: async (cli, { follow, level, lines }) => {
    const client = await cli.client();
    const printer = new EntryPrinter(cli, level);
    if (!follow) {
      const { entries } = await client.call('log.read', { limit: lines, level });
      printer.printAll(entries);
      return;
    }
    client.on('logEntry', (entry) => {
      printer.receive(entry);
    });
    const read = async (limit: number) => {
      printer.hold(client.hello?.pid ?? 0);
      const { entries } = await client.call('log.read', { limit, level, follow: true });
      printer.printAll(entries);
    };
    await read(lines);
    client.on('connected', () => {
      // When it is lost once more, the next connection begins anew.
      read(maximumLogEntries).catch(() => undefined);
    });
    await untilInterrupted(cli.host);
  },
});

/** Prints each entry once and in order: those that were read and those that arrive may overlap. */
class EntryPrinter {
  readonly #cli: Cli;
  readonly #least: number;
  #helperPid = 0;
  #last = -1;
  #held: LogEntry[] | null = null;

  constructor(cli: Cli, level: LogLevel) {
    this.#cli = cli;
    this.#least = logLevels.indexOf(level);
  }

  /** Keeps back what arrives until `printAll`. Another helper process numbers its entries from the beginning. */
  hold(helperPid: number): void {
    if (helperPid !== this.#helperPid) this.#last = -1;
    this.#helperPid = helperPid;
    this.#held = [];
  }

  receive(entry: LogEntry): void {
    if (this.#held === null) this.#print(entry);
    else this.#held.push(entry);
  }

  printAll(entries: readonly LogEntry[]): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const entry of [...entries, ...held]) this.#print(entry);
  }

  #print(entry: LogEntry): void {
    if (entry.sequence <= this.#last || logLevels.indexOf(entry.level) < this.#least) return;
    this.#last = entry.sequence;
    const { dim, red, yellow } = this.#cli.style;
    const paint = { debug: dim, info: String, notice: String, warning: yellow, error: red }[entry.level];
    const fields = entry.fields === undefined ? '' : ` ${dim(visible(JSON.stringify(entry.fields)))}`;
    this.#cli.print(
      `${dim(formatTime(entry.time))} ${paint(entry.level)} ${visible(entry.category)}: ${visible(entry.message)}${fields}`,
      { ...entry },
    );
  }
}
