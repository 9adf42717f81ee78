import { describe, expect, it } from 'vitest';
import { Logger } from '../log/logger.ts';
import { floodWindow as refusalWindow, wholeOccurrences as wholeRefusals } from './flood-gate.ts';
import { RefusalLog } from './refusal-log.ts';

function make(): { log: RefusalLog; lines: string[]; pass: () => void; timers: () => number } {
  const lines: string[] = [];
  const logger = new Logger((line) => lines.push(line));
  let scheduled: (() => void)[] = [];
  const log = new RefusalLog(logger.child('endpoint'), (callback, delay) => {
    expect(delay).toBe(refusalWindow);
    scheduled.push(callback);
  });
  const pass = (): void => {
    const due = scheduled;
    scheduled = [];
    for (const callback of due) callback();
  };
  return { log, lines, pass, timers: () => scheduled.length };
}

const refusal = { pid: 7, uid: 1000, executable: '/bin/evil', reason: 'it is not the app' };

describe('[E2] refused callers', () => {
  it('are logged whole at first, with pid, uid and executable, and then as one number', () => {
    const { log, lines, pass, timers } = make();
    for (let index = 0; index < 10_000; index += 1) log.add(refusal);
    expect(lines).toHaveLength(wholeRefusals);
    expect(lines[0]).toContain('"fields":{"pid":7,"uid":1000,"executable":"/bin/evil"}');
    pass();
    expect(lines).toHaveLength(wholeRefusals + 1);
    expect(lines.at(-1)).toContain(`${String(10_000 - wholeRefusals)} more callers of uid 1000`);
    expect(timers()).toBe(0);
    log.add(refusal);
    expect(lines).toHaveLength(wholeRefusals + 2);
  });

  it('leave no summary when none was left out', () => {
    const { log, lines, pass } = make();
    log.add(refusal);
    pass();
    expect(lines).toHaveLength(1);
  });

  it('of one uid do not hide those of another', () => {
    const { log, lines } = make();
    for (let index = 0; index < 1000; index += 1) log.add(refusal);
    log.add({ ...refusal, uid: 1001 });
    expect(lines.at(-1)).toContain('"uid":1001');
  });

  it('of any number of uids take bounded room', () => {
    const { log, lines, pass, timers } = make();
    for (let uid = 0; uid < 100_000; uid += 1) log.add({ ...refusal, uid });
    expect(timers()).toBeLessThan(100);
    expect(lines.length).toBeLessThan(100);
    pass();
    expect(lines.at(-1)).toContain('more callers of any uid');
  });

  it('whom nobody told apart are counted', () => {
    const { log, lines, pass } = make();
    log.add({ ...refusal, pid: null, executable: null, unreported: 41 });
    pass();
    expect(lines.at(-1)).toContain('41 more callers of any uid');
  });

  it('whom nobody told apart are not held against the one that was reported', () => {
    const { log, lines, pass } = make();
    log.add({ ...refusal, unreported: 5000 });
    pass();
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('5000 more callers of any uid');
    expect(lines[1]).toContain('"uid":null');
  });

  it('cannot forge a line or reach a terminal through a name', () => {
    const { log, lines } = make();
    log.add({ ...refusal, executable: '/tmp/\n{"level":"info"}\u001b[2J\u202e\u2028' });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^[\x20-\x7e]*\n$/);
  });
});
