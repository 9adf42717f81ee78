import { describe, expect, it } from 'vitest';
import { RouteClaims } from './route-claims.ts';

describe('[M3] route claims', () => {
  it.each([
    ['the same network', ['0.0.0.0/0'], ['0.0.0.0/0'], true],
    ['one of several', ['10.0.0.0/8', '::/0'], ['192.168.0.0/16', '::/0'], true],
    ['the same network in another table', ['0.0.0.0/0'], ['0.0.0.0/0 table 7'], false],
    ['a narrower network inside', ['0.0.0.0/0'], ['10.0.0.0/8'], false],
    ['nothing', ['10.0.0.0/8'], [], false],
  ])('%s', (_what, held, wanted, conflicts) => {
    const claims = new RouteClaims();
    claims.take('first', held);
    expect(claims.holders('second', wanted)).toEqual(conflicts ? ['first'] : []);
  });

  it('never set a session against itself', () => {
    const claims = new RouteClaims();
    claims.take('first', ['10.0.0.0/8']);
    expect(claims.holders('first', ['10.0.0.0/8'])).toEqual([]);
  });

  it('are replaced by later ones and end with their release', () => {
    const claims = new RouteClaims();
    claims.take('first', ['10.0.0.0/8']);
    claims.take('third', ['10.0.0.0/8']);
    expect(claims.holders('second', ['10.0.0.0/8'])).toEqual(['first', 'third']);
    claims.take('first', ['192.168.0.0/16']);
    expect(claims.holders('second', ['10.0.0.0/8'])).toEqual(['third']);
    claims.release('third');
    claims.release('third');
    expect(claims.holders('second', ['10.0.0.0/8', '192.168.0.0/16'])).toEqual(['first']);
  });
});
