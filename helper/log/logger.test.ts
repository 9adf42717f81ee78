import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '@sallyport/shared/protocol/json.ts';
import { maximumFrameBytes, maximumLogEntries } from '@sallyport/shared/protocol/limits.ts';
import { logEntrySchema, logLevels, type LogEntry } from '@sallyport/shared/protocol/log.ts';
import { isAtLeast, Logger } from './logger.ts';

function makeLogger(level: (typeof logLevels)[number] = 'debug'): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  return { logger: new Logger((line) => lines.push(line), { now: () => 1000, level }), lines };
}

describe('lines', () => {
  it('writes one JSON object a line', () => {
    const { logger, lines } = makeLogger();
    const id = '5f0e6b3c-1d7e-4c51-9f0e-0d2b5b1c7a11';
    logger.child('sessions', id)('notice', 'Began.', { run: 1 });
    logger.log('error', 'main', 'Ended.');
    expect(lines).toEqual([
      `{"time":1000,"sequence":1,"level":"notice","category":"sessions","message":"Began.","configurationId":"${id}","fields":{"run":1}}\n`,
      '{"time":1000,"sequence":2,"level":"error","category":"main","message":"Ended."}\n',
    ]);
  });

  it.each([
    ['a newline', 'a\nb'],
    ['a carriage return', 'a\rb'],
    ['ESC', '\u001b[2J'],
    ['NUL', '\0'],
    ['DEL', '\u007f'],
    ['a C1 control', '\u009b2J'],
    ['a line separator', 'a\u2028b\u2029c'],
    ['a bidirectional override', '\u202eabc\u2066\u061c'],
    ['a lone surrogate', '\ud800'],
    ['an invisible tag', '\u{e0041}'],
  ])('lets %s neither forge a line nor reach a terminal', (_what, text) => {
    const { logger, lines } = makeLogger();
    logger.log('info', text, text, { fields: { [text]: text } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[\x20-\x7e]+\n$/);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ message: text, fields: { [text]: text } });
  });

  it('holds for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { logger, lines } = makeLogger();
        logger.log('info', 'test', text, { fields: { text } });
        expect(lines).toHaveLength(1);
        expect(lines[0]).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}](?!$)/u);
        expect(lines[0]?.endsWith('}\n')).toBe(true);
        expect(JSON.parse(lines[0] ?? '')).toMatchObject({ message: text });
      }),
    );
  });

  it('cuts a long message and leaves out fields that are too large or no JSON', () => {
    const { logger, lines } = makeLogger();
    const circle: Record<string, JsonObject> = {};
    circle['self'] = circle;
    logger.log('info', 'test', 'x'.repeat(10_000));
    logger.log('info', 'test', 'large', { fields: { text: 'x'.repeat(10_000) } });
    logger.log('info', 'test', 'circle', { fields: circle });
    const [long, large, circular] = logger.recent(3, 'debug').map((entry) => logEntrySchema.parse(entry));
    expect(long?.message).toBe(`${'x'.repeat(3999)}…`);
    expect(large?.fields).toEqual({ leftOut: 'fields of 10011 characters' });
    expect(circular?.fields).toEqual({ leftOut: 'fields that are not JSON' });
    expect(lines).toHaveLength(3);
  });

  it('keeps what was said, whatever becomes of the object that was passed', () => {
    const { logger } = makeLogger();
    const fields = { state: 'then' };
    logger.log('info', 'test', 'x', { fields });
    fields.state = 'now';
    expect(logger.recent(1, 'debug')[0]?.fields).toEqual({ state: 'then' });
  });

  it('writes only what is grave enough and remembers the rest', () => {
    const { logger, lines } = makeLogger('warning');
    for (const level of logLevels) logger.log(level, 'test', level);
    expect(lines).toHaveLength(2);
    expect(logger.recent(10, 'debug').map(({ level }) => level)).toEqual([...logLevels]);
    expect(logger.recent(10, 'notice').map(({ level }) => level)).toEqual(['notice', 'warning', 'error']);
  });
});

describe('memory', () => {
  it('[L11] keeps a bounded number of entries, the newest', () => {
    const { logger } = makeLogger();
    for (let index = 0; index < maximumLogEntries + 50; index += 1) logger.log('info', 'test', String(index));
    const entries = logger.recent(maximumLogEntries + 50, 'debug');
    expect(entries).toHaveLength(maximumLogEntries);
    expect(entries[0]?.message).toBe('50');
    expect(entries.at(-1)?.sequence).toBe(maximumLogEntries + 50);
    expect(logger.recent(2, 'debug').map(({ message }) => message)).toEqual([
      String(maximumLogEntries + 48),
      String(maximumLogEntries + 49),
    ]);
  });

  it('gives no more at once than one frame holds', () => {
    const { logger } = makeLogger();
    for (let index = 0; index < maximumLogEntries; index += 1)
      logger.log('info', 'test', '\u0001'.repeat(4000));
    const entries = logger.recent(maximumLogEntries, 'debug');
    expect(entries.length).toBeGreaterThan(5);
    expect(entries.at(-1)?.sequence).toBe(maximumLogEntries);
    expect(Buffer.byteLength(JSON.stringify(entries))).toBeLessThan(maximumFrameBytes);
  });
});

describe('following', () => {
  it('tells every follower each later entry, until it ends', () => {
    const { logger } = makeLogger('error');
    const first: LogEntry[] = [];
    const second: LogEntry[] = [];
    logger.log('info', 'test', 'before');
    const end = logger.follow((entry) => first.push(entry));
    logger.follow((entry) => second.push(entry));
    logger.log('debug', 'test', 'one');
    end();
    end();
    logger.log('info', 'test', 'two');
    expect(first.map(({ message }) => message)).toEqual(['one']);
    expect(second.map(({ message }) => message)).toEqual(['one', 'two']);
  });

  it('orders levels', () => {
    expect(isAtLeast('error', 'warning')).toBe(true);
    expect(isAtLeast('info', 'info')).toBe(true);
    expect(isAtLeast('debug', 'info')).toBe(false);
  });
});
