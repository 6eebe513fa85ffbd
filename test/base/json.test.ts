import { describe, expect, test } from '@jest/globals';
import { formatJson, parseJson, show } from '../../src/base/json.js';

describe('formatJson', () => {
  test('holes of arrays are null, boxed values are what they box', () => {
    // biome-ignore lint/suspicious/noSparseArray: the case
    expect(formatJson([, 1, Object(2), Object('a'), Object(false), Object(Number.NaN)])).toBe(
      '[null,1,2,"a",false,NaN]',
    );
  });

  test.each([new Map([[1, 2]]), new Set([1]), new Error('lost')])(
    '%p is refused instead of being written as {}',
    (value) => {
      expect(() => formatJson({ value })).toThrow('JSON cannot hold a');
    },
  );

  test('written tensors read back unchanged', () => {
    const value = { a: [Number.NaN, -Infinity, 'NaN'], ['__proto__']: 1, 'x\n': '\u2028' };
    expect(parseJson(formatJson(value))).toEqual(value);
  });
});

test('show never throws', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const hostile = Object.assign(() => 0, {
    toString() {
      throw new Error('boom');
    },
  });
  for (const value of [proxy, hostile, Object.create(null), Symbol('s'), 1n, new Map(), undefined])
    expect(typeof show(value)).toBe('string');
});
