// Names that people type: how a setting is spelled as an option, and what a misspelled name most likely meant.

/** `matrixLr` as `matrix-lr`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** The command-line option of a setting: `--matrix-lr`. */
export const flagOf = (name: string): string => `--${kebab(name)}`;

/** The known name that differs least, or null where none is close. */
export function nearestName(name: string, known: Iterable<string>): string | null {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const wanted = plain(name);
  let best: string | null = null;
  let least = Math.max(2, name.length / 3) + 1e-9;
  for (const candidate of known) {
    const distance = editDistance(wanted, plain(candidate));
    if (distance < least) [best, least] = [candidate, distance];
  }
  if (best !== null || wanted === '') return best;
  for (const candidate of known) if (plain(candidate).includes(wanted)) return candidate;
  return null;
}

/** `; did you mean NAME?`, or where no known name is close `instead`. */
export function suggestion(name: string, known: Iterable<string>, instead = ''): string {
  const nearest = nearestName(name, known);
  return nearest === null ? instead : `; did you mean ${nearest}?`;
}

/** Insertions, deletions and substitutions that turn a into b (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
