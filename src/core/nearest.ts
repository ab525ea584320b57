/** The name somebody probably meant. */

/** Edits between two words (insert, delete, replace, swap neighbours), or more than `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let best = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
      best = Math.min(best, cost);
    }
    if (best > limit) return limit + 1;
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** Names looked at in all, so that a mistake in a huge document is still told at once. */
const LOOKED_AT = 20_000;

/** The nearest of `names` when it is near enough to be a slip of the same word, else null. */
export function nearest(word: string, names: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  let found: string | null = null;
  let limit = Math.max(1, Math.floor(word.length / 3));
  let looked = 0;
  for (const name of names) {
    if ((looked += 1) > LOOKED_AT) break;
    const lower = name.toLowerCase();
    if (lower === wanted) return name;
    const d = distance(wanted, lower, limit);
    if (d <= limit && (found === null || d < limit)) {
      found = name;
      limit = d;
    } else if (
      found === null &&
      wanted.length >= 3 &&
      (lower.startsWith(wanted) || wanted.startsWith(lower))
    ) {
      found = name;
    }
  }
  return found;
}
