// JSON as Python's json module reads and writes it: NaN, Infinity and -Infinity are bare tokens. Optuna's
// journal holds them for diverged trials, where JSON.parse would fail and JSON.stringify would write null.

const nonFinite: Record<string, number> = { NaN: Number.NaN, Infinity, '-Infinity': -Infinity };

/**
 * Parses JSON with the bare tokens NaN, Infinity and -Infinity.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
  }
  let mark = '#';
  while (text.includes(`"${mark}`)) mark += '#';
  // Strings match first, so that only tokens outside them are replaced.
  const quoted = text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
    token in nonFinite ? `"${mark}${token}"` : token,
  );
  return JSON.parse(quoted, (_, value: unknown) =>
    typeof value === 'string' && value.startsWith(mark) ? nonFinite[value.slice(mark.length)] : value,
  );
}

/**
 * Writes JSON on one line with bare tokens for numbers that are not finite; undefined members are dropped.
 * @throws TypeError for what JSON cannot hold (bigint, functions, cycles)
 */
export function formatJson(value: unknown): string {
  return format(value, 0);
}

function format(value: unknown, depth: number): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`JSON cannot hold a ${typeof value}`);
    return text;
  }
  if (depth > 200) throw new TypeError('JSON cannot hold a cycle');
  const plain = 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value;
  if (typeof plain !== 'object' || plain === null) return format(plain, depth + 1);
  if (Array.isArray(plain)) return `[${plain.map((item) => format(item ?? null, depth + 1)).join(',')}]`;
  const members = Object.entries(plain).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${format(member, depth + 1)}`).join(',')}}`;
}
