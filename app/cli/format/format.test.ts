import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration } from './quantity.ts';
import { createStyle } from './style.ts';
import { renderTable } from './table.ts';
import { displayWidth, visible } from './visible.ts';

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1536, '1.5 KiB'],
  [102_300, '99.9 KiB'],
  [102_400, '100 KiB'],
  [1_048_575, '1.0 MiB'],
  [20 * 1024 ** 3, '20.0 GiB'],
  [Number.MAX_SAFE_INTEGER, '8.0 PiB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

it.each([
  [-5, '0 s'],
  [45_000, '45 s'],
  [200_000, '3 min 20 s'],
  [3_600_000, '1 h'],
  [3_605_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [90_000_000, '1 d 1 h'],
])('%i ms are %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

describe('what is printed of anyone’s text', () => {
  it('never holds a control character, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visible(text)).not.toMatch(/[\p{Control}\p{Format}\u2028\u2029]/u);
      }),
    );
  });

  it('is as wide as a terminal shows it', () => {
    expect(displayWidth('home')).toBe(4);
    expect(displayWidth('東京')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('🚪')).toBe(2);
  });
});

describe('a table', () => {
  it('aligns its columns and leaves no space at the end of a line', () => {
    const rows = [['a', 'bb', ''], ['東京', '', 'c'], ['']].map((row) => row.map((text) => ({ text })));
    expect(renderTable(rows)).toBe('a     bb\n東京      c\n');
  });

  it('is aligned alike with and without colours', () => {
    const { red } = createStyle(true, { TERM: 'xterm' });
    const plain = renderTable([[{ text: 'x' }, { text: 'y' }]]);
    const painted = renderTable([[{ text: 'x', paint: red }, { text: 'y' }]]);
    expect(painted.replace(/\u001b\[\d+m/g, '')).toBe(plain);
  });
});

it.each([
  [true, {}, true],
  [true, { NO_COLOR: '' }, true],
  [true, { NO_COLOR: '1' }, false],
  [true, { TERM: 'dumb' }, false],
  [false, {}, false],
])('colours on a terminal (%j) with %j: %j', (isTerminal, environment, painted) => {
  expect(createStyle(isTerminal, environment).red('x') !== 'x').toBe(painted);
});
