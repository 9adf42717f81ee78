import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { native } from './load.ts';

const load = new URL('./load.ts', import.meta.url).href;

test('namespaces are named as the kernel names them', () => {
  for (const kind of ['net', 'user', 'mnt', 'pid'] as const) {
    expect(readlinkSync(`/proc/self/ns/${kind}`)).toBe(`${kind}:[${String(native().namespaceId(kind))}]`);
  }
});

test('the effective uid is Node’s', () => {
  expect(native().effectiveUid()).toBe(process.geteuid?.());
});

test('a process without core dumps has no core limit, and its memory is closed to its own uid', () => {
  const script = `
    import { spawnSync } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    import { native } from '${load}';
    const isOpen = () => spawnSync('cat', ['/proc/' + process.pid + '/environ']).status === 0;
    const before = isOpen();
    native().disableCoreDumps();
    native().disableCoreDumps();
    const limit = readFileSync('/proc/self/limits', 'utf8').match(/^Max core file size +(\\S+) +(\\S+)/m);
    console.log(JSON.stringify({ before, after: isOpen(), limit: limit.slice(1) }));
  `;
  const node = [process.execPath, '--input-type=module', '-e', script];
  // Root reads everything anyway, unless it has no capabilities.
  const command = process.geteuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--', ...node] : node;
  const [program = '', ...args] = command;
  const child = spawnSync(program, args, { encoding: 'utf8' });
  expect(child.stderr).toBe('');
  expect(JSON.parse(child.stdout)).toEqual({ before: true, after: false, limit: ['0', '0'] });
});
