import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { minimumSize, readBounds, usableBounds, writeBounds } from './window-bounds.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-bounds-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const screen = { x: 0, y: 0, width: 1920, height: 1080 };

it('keeps bounds that a screen shows', () => {
  const bounds = { x: 100, y: 50, width: 900, height: 700 };
  expect(usableBounds(bounds, [screen])).toEqual(bounds);
});

it('gives up bounds on a screen that is gone', () => {
  expect(usableBounds({ x: 2500, y: 50, width: 900, height: 700 }, [screen])).toBeNull();
  expect(usableBounds({ x: 100, y: -900, width: 900, height: 700 }, [screen])).toBeNull();
});

it('never restores less than the smallest size', () => {
  expect(usableBounds({ x: 0, y: 0, width: 1, height: 1 }, [screen])).toEqual({ x: 0, y: 0, ...minimumSize });
});

it('reads what it wrote', () => {
  const file = join(folder, 'window.json');
  const bounds = { x: -5, y: 3, width: 800, height: 600 };
  writeBounds(file, bounds);
  expect(readBounds(file)).toEqual(bounds);
});

it.each([
  '',
  '{',
  '[]',
  '{"x":1}',
  '{"x":0,"y":0,"width":-1,"height":1}',
  '{"x":1e400,"y":0,"width":1,"height":1}',
])('takes %j for none', (text) => {
  const file = join(folder, 'broken.json');
  writeFileSync(file, text);
  expect(readBounds(file)).toBeNull();
});

it('does not fail where nothing can be written', () => {
  expect(() => {
    writeBounds(join(folder, 'absent', 'window.json'), { x: 0, y: 0, width: 1, height: 1 });
  }).not.toThrow();
});
