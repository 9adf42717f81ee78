/** The candidate that is one or two typing mistakes away, or null. Case does not matter. */
export function nearest<T extends string>(word: string, candidates: readonly T[]): T | null {
  let best: T | null = null;
  // A short word is near to everything.
  let bestDistance = word.length < 4 ? 2 : 3;
  for (const candidate of candidates) {
    const distance = editDistance(word.slice(0, 32).toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's distance: insertions, deletions and replacements. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, character] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const replaced = (row[j] ?? 0) + (character === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
