// Damages files at random, for tests that readers report damage with our own errors.

import { EnvironmentError, TrainingError, UsageError } from '../../src/base/errors.js';
import type { Random } from '../../src/base/random.js';

const pick = <T>(random: Random, items: readonly T[]): T => items[random.int(items.length)]!;

/** Bytes with one to four faults: bits flipped, parts cut, repeated, moved or overwritten, numbers made extreme. */
export function damaged(random: Random, bytes: Uint8Array): Buffer {
  let out = Buffer.from(bytes);
  for (let faults = 1 + random.int(4); faults > 0; faults--) {
    const at = random.int(out.length + 1);
    const length = Math.min(
      out.length - at,
      random.int(2) === 0 ? 1 + random.int(8) : random.int(out.length + 1),
    );
    const [before, part, after] = [
      out.subarray(0, at),
      out.subarray(at, at + length),
      out.subarray(at + length),
    ];
    switch (random.int(7)) {
      case 0:
        if (at < out.length) out[at]! ^= 1 << random.int(8);
        break;
      case 1:
        out = Buffer.from(random.int(2) === 0 ? before : after);
        break;
      case 2:
        out = Buffer.concat([before, part, part, after]);
        break;
      case 3:
        out = Buffer.concat([before, after, part]);
        break;
      case 4:
        part.fill(pick(random, [0, 0xff, 0x20, 0x7f, 0x80]));
        break;
      case 5:
        for (let i = 0; i < part.length; i++) part[i] = random.int(256);
        break;
      default: {
        const text = pick(random, [
          '1e999',
          '-1',
          'null',
          '"',
          '{',
          '99999999999999999999',
          '\u{FEFF}',
          '\n',
          '\0',
        ]);
        out = Buffer.concat([before, Buffer.from(text), after]);
      }
    }
  }
  return out;
}

const ODD = [
  null,
  true,
  -1,
  0.5,
  2 ** 31,
  2 ** 53,
  1e300,
  '',
  'toString',
  '../../x',
  [],
  {},
  [null],
  { length: 5 },
];

/** A JSON value with one to three members or elements replaced, removed or added. */
export function oddJson(random: Random, value: unknown): unknown {
  const copy = { root: structuredClone(value) } as Record<string, unknown>;
  for (let faults = 1 + random.int(3); faults > 0; faults--) {
    let parent: Record<string, unknown> = copy;
    let key = 'root';
    for (let depth = random.int(6); depth > 0; depth--) {
      const child = parent[key];
      const keys = typeof child === 'object' && child !== null ? Object.keys(child) : [];
      if (keys.length === 0) break;
      parent = child as Record<string, unknown>;
      key = pick(random, keys);
    }
    if (random.int(4) === 0 && !Array.isArray(parent)) delete parent[key];
    else parent[key] = structuredClone(pick(random, ODD));
    if (random.int(8) === 0) parent[pick(random, ['toString', '__proto__', 'length'])] = 1;
  }
  return copy.root;
}

/** What `read` throws when that is not one of our own errors on one line of bounded length; undefined otherwise. */
export async function foreignError(read: () => unknown): Promise<string | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    const ours = [UsageError, EnvironmentError, TrainingError].some((kind) => error instanceof kind);
    const { message, stack } = error as Error;
    if (!ours) return `${stack ?? error}`;
    return message.includes('\n') || message.length > 1000 ? `not one short line: ${message}` : undefined;
  }
}
