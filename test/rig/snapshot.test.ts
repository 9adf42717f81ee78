import { describe, expect, test } from 'vitest';
import { diffSnapshots } from './snapshot.ts';

describe('diffSnapshots', () => {
  test('is empty for the same facts in any order', () => {
    expect(diffSnapshots(['a', 'b', 'b'], ['b', 'a', 'b'])).toEqual([]);
  });

  test('tells what was lost and what was gained, each as often as it was', () => {
    expect(diffSnapshots(['a', 'b', 'b'], ['b', 'c', 'c'])).toEqual(['- a', '- b', '+ c', '+ c']);
  });
});
