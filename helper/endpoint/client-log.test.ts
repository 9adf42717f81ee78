import { beforeEach, expect, it } from 'vitest';
import { rootPeer } from '../testing/memory-listener.ts';
import { Logger } from '../log/logger.ts';
import type { Subject } from './authorizer.ts';
import { ClientLog } from './client-log.ts';
import { wholeOccurrences } from './flood-gate.ts';

let logger: Logger;
let log: ClientLog;
let lines: string[];
let scheduled: (() => void)[];

beforeEach(() => {
  lines = [];
  scheduled = [];
  logger = new Logger((line) => lines.push(line), { level: 'debug' });
  log = new ClientLog(logger.child('endpoint'), (callback) => scheduled.push(callback));
});

function subject(connection: number, uid = 1000): Subject {
  return { connection, peer: { ...rootPeer, uid } };
}

const itself = { name: 'Sallyport', version: '1.2.3' };

function visit(one: Subject): void {
  log.connected(one);
  log.greeted(one, itself);
  log.ended(one, 'peerClosed');
}

function said(): string[] {
  return logger.recent(2000, 'debug').map(({ level, message }) => `${level} ${message}`);
}

it('says who came, what it calls itself, and that it went', () => {
  visit(subject(7));
  expect(said()).toEqual([
    'debug A client connected.',
    'info A client said hello.',
    "debug A client's connection ended: peerClosed.",
  ]);
  expect(lines[1]).toContain('"connection":7,"pid":1000,"uid":1000');
  expect(lines[1]).toContain('"name":"Sallyport","version":"1.2.3"');
});

it('cannot be made to forge a line or reach a terminal', () => {
  log.connected(subject(1));
  log.greeted(subject(1), { name: '\n{"level":"info"}\u001b[2J\u202e', version: '\u2028\u007f' });
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatch(/^[\x20-\x7e]*\n$/);
});

it('keeps its place in the log however often a uid connects, and hides no other uid', () => {
  logger.log('notice', 'test', 'before');
  for (let connection = 1; connection <= 10_000; connection += 1) visit(subject(connection));
  visit(subject(20_000, 1001));
  expect(said()[0]).toBe('notice before');
  expect(said()).toHaveLength(1 + 3 * wholeOccurrences + 3);
  for (const close of scheduled.splice(0)) close();
  expect(said().at(-1)).toBe(
    `info ${String(10_000 - wholeOccurrences)} more clients of uid 1000 connected within 10 s.`,
  );
  visit(subject(30_000));
  expect(said().at(-2)).toBe('info A client said hello.');
});

it('says of a flood of those that were disconnected the first few and a number', () => {
  for (let connection = 1; connection <= 100; connection += 1) {
    log.dropped(subject(connection), 'a frame is not JSON in UTF-8');
  }
  for (const close of scheduled.splice(0)) close();
  expect(said()).toHaveLength(wholeOccurrences + 1);
  expect(said()[0]).toBe('warning A client was disconnected: a frame is not JSON in UTF-8.');
  expect(said().at(-1)).toBe(
    `warning ${String(100 - wholeOccurrences)} more clients of uid 1000 were disconnected within 10 s; the last one: a frame is not JSON in UTF-8.`,
  );
});
