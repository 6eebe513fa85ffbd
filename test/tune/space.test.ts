import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import { nearestName } from '../../src/base/names.js';
import { categorical, float, int } from '../../src/tune/distributions.js';
import {
  checkSpace,
  expandExponents,
  fixParams,
  loadSpaceFile,
  onlyParams,
  parseAssignments,
} from '../../src/tune/space.js';
import { scratchFolder } from './scratch.js';

const fresh = scratchFolder();

function file(name: string, text: string): string {
  const path = fresh(name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const setup = checkSpace(
  {
    matrix_lr: float(0.005, 0.2, { log: true }),
    depth: int(4, 24),
    log2_total_batch: int(16, 21),
    pattern: categorical(['SSSL', 'L', 2]),
  },
  { matrix_lr: 0.04, depth: 8, log2_total_batch: 19, pattern: 'SSSL' },
);

describe('a space', () => {
  test('keeps the order of its parameters and fills in missing defaults with the middle', () => {
    const { space, defaults, fixed } = checkSpace({
      z: { kind: 'float', low: 0, high: 1 },
      a: { kind: 'int', low: 1, high: 3 },
      c: { kind: 'categorical', choices: ['p', 'q'] },
    });
    expect(Object.keys(space)).toEqual(['z', 'a', 'c']);
    expect(defaults).toEqual({ z: 0.5, a: 2, c: 'p' });
    expect(fixed).toEqual({});
  });

  test.each<[string, unknown, unknown, RegExp]>([
    [
      'an empty range',
      { lr: { kind: 'float', low: 1, high: 0 } },
      {},
      /^Parameter lr: .*the empty range \[1, 0\]$/,
    ],
    [
      'log from zero',
      { lr: { kind: 'float', low: 0, high: 1, log: true } },
      {},
      /^Parameter lr: .*low > 0 on a log/,
    ],
    [
      'a default outside its range',
      { lr: float(0, 1) },
      { lr: 2 },
      /^Parameter lr: .*within float 0 \.\. 1, got 2$/,
    ],
    ['a default of the wrong kind', { n: int(0, 4) }, { n: '2' }, /^Parameter n: .*got "2"$/],
    ['a default off the grid', { n: int(0, 4, { step: 2 }) }, { n: 3 }, /int 0 \.\. 4 step 2, got 3$/],
    [
      'a default of nothing',
      { depth: int(0, 4) },
      { dept: 3 },
      /^Unknown parameter dept in defaults; did you mean depth\?$/,
    ],
    ['no parameters', {}, {}, /at least one parameter/],
    ['no object', [1], {}, /Expected space to be an object of parameters, got \[1\]$/],
    ['defaults that are no object', { n: int(0, 4) }, 3, /Expected defaults to be an object, got 3$/],
  ])('with %s is refused, naming the parameter', (_, space, defaults, message) => {
    expect(() => checkSpace(space, defaults)).toThrow(UsageError);
    expect(() => checkSpace(space, defaults)).toThrow(message);
  });
});

describe('narrowing a space', () => {
  test('a fixed parameter leaves the space and keeps its value, even outside the searched range', () => {
    const { space, defaults, fixed } = fixParams(setup, { depth: '30', pattern: '2' });
    expect(Object.keys(space)).toEqual(['matrix_lr', 'log2_total_batch']);
    expect(defaults).toEqual({ matrix_lr: 0.04, log2_total_batch: 19 });
    expect(fixed).toEqual({ depth: 30, pattern: 2 });
    expect(Object.keys(setup.space)).toHaveLength(4);
  });

  test.each(['0x10', '', ' 6', '1e999', 'NaN'])('a parameter is not fixed to %j', (depth) => {
    expect(() => fixParams(setup, { depth })).toThrow(/Expected depth to be an integer/);
  });

  test('a power of two may be fixed by its size or its exponent', () => {
    expect(fixParams(setup, { total_batch: '262144' }).fixed).toEqual({ log2_total_batch: 18 });
    expect(fixParams(setup, { log2_total_batch: 18 }).fixed).toEqual({ log2_total_batch: 18 });
    expect(() => fixParams(setup, { total_batch: 1000 })).toThrow(
      'total_batch to be a power of two, got 1000',
    );
    expect(expandExponents({ log2_total_batch: 18, depth: 4 })).toEqual({ total_batch: 262144, depth: 4 });
  });

  test('only the named parameters are searched, the others held at their defaults', () => {
    const { space, defaults, fixed } = onlyParams(fixParams(setup, { depth: 6 }), [
      'matrix_lr',
      'total_batch',
    ]);
    expect(Object.keys(space)).toEqual(['matrix_lr', 'log2_total_batch']);
    expect(defaults).toEqual({ matrix_lr: 0.04, log2_total_batch: 19 });
    expect(fixed).toEqual({ depth: 6, pattern: 'SSSL' });
  });

  test('what is not searched keeps a wanted value that the range lacks', () => {
    const wanted = { depth: 1, x: 0.3, kind: 'c', steps: 2.5 };
    const around = checkSpace(
      {
        depth: int(2, 6),
        x: float(0, 1),
        kind: categorical(['a', 'b']),
        steps: int(3, 5),
        free: float(0, 1),
      },
      {},
      wanted,
    );
    expect(around.defaults).toEqual({ depth: 2, x: 0.3, kind: 'a', steps: 3, free: 0.5 });
    expect(onlyParams(around, ['x']).fixed).toEqual({ depth: 1, kind: 'c', steps: 3, free: 0.5 });
    expect(onlyParams(around, ['depth']).defaults).toEqual({ depth: 2 });
  });

  test.each<[string, () => unknown, string]>([
    [
      'an unknown name',
      () => fixParams(setup, { matrx_lr: 1 }),
      'Unknown parameter matrx_lr; did you mean matrix_lr?',
    ],
    [
      'an unknown name in only',
      () => onlyParams(setup, ['depht']),
      'Unknown parameter depht; did you mean depth?',
    ],
    ['a name like no other', () => fixParams(setup, { zzz: 1 }), 'known are matrix_lr, depth'],
    ['a part of a name', () => fixParams(setup, { batch: 1 }), 'did you mean log2_total_batch?'],
    [
      'a word for a number',
      () => fixParams(setup, { matrix_lr: 'high' }),
      'matrix_lr to be a number, got "high"',
    ],
    ['a fraction for an integer', () => fixParams(setup, { depth: 4.5 }), 'depth to be an integer, got 4.5'],
    ['an empty value', () => fixParams(setup, { depth: '' }), 'depth to be an integer, got ""'],
    [
      'an unknown choice',
      () => fixParams(setup, { pattern: 'XL' }),
      'pattern to be one of "SSSL", "L", 2, got "XL"',
    ],
    [
      'nothing left',
      () => fixParams(onlyParams(setup, ['depth']), { depth: 4 }),
      'at least one parameter left',
    ],
    ['no names', () => onlyParams(setup, []), 'at least one parameter to search'],
    ['a name alone', () => parseAssignments(['depth']), 'Expected name=value, got "depth"'],
    ['a name twice', () => parseAssignments(['a=1', 'a=2']), 'Expected a once, got it twice'],
  ])('%s is refused', (_, work, message) => {
    expect(work).toThrow(UsageError);
    expect(work).toThrow(message);
  });

  test('assignments split at the first equals sign', () => {
    expect(parseAssignments(['a=1', 'b = x=y'])).toEqual({ a: '1', b: 'x=y' });
  });

  test('the nearest name is found by spelling, or not at all', () => {
    expect(nearestName('warmup', ['warmup_ratio', 'warmdown'])).toBe('warmup_ratio');
    expect(nearestName('Embedding-LR', ['unembedding_lr', 'embedding_lr'])).toBe('embedding_lr');
    expect(nearestName('quux', ['depth', 'width'])).toBeNull();
  });
});

describe('space files', () => {
  const json =
    '{"space": {"lr": {"kind": "float", "low": 1e-4, "high": 1, "log": true}}, "defaults": {"lr": 0.01}}';

  test('JSON is read', async () => {
    expect(await loadSpaceFile(file('space.json', json))).toEqual({
      space: { lr: float(1e-4, 1, { log: true }) },
      defaults: { lr: 0.01 },
      fixed: {},
    });
  });

  test.each<[string, string, string, RegExp]>([
    ['no JSON', 'a.json', '{"space": }', /^Expected JSON in .*a\.json, line 1: /],
    ['another shape', 'a.json', '{"lr": 1}', /^Expected .*a\.json to give an object with space and defaults/],
    [
      'a bad parameter',
      'a.json',
      '{"space": {"lr": {"kind": "int"}}}',
      /^In .*a\.json: Parameter lr: expected low/,
    ],
  ])('%s is refused, naming the file', async (_, name, text, message) => {
    await expect(loadSpaceFile(file(name, text))).rejects.toThrow(UsageError);
    await expect(loadSpaceFile(file(name, text))).rejects.toThrow(message);
  });

  test('an absent file is refused', async () => {
    await expect(loadSpaceFile(fresh('no.json'))).rejects.toThrow(
      /^No space file at .*no\.json; check the path$/,
    );
  });

  /** What `loadSpaceFile` gives in a plain Node, where modules are imported for real. */
  function load(path: string): string {
    const url = new URL('../../src/tune/space.js', import.meta.url).href;
    const script = `
      import { loadSpaceFile } from ${JSON.stringify(url)};
      await loadSpaceFile(process.argv[1]).then((x) => console.log(JSON.stringify(x)), (e) => console.log(e.name, e.message));`;
    const args = ['--no-warnings', '--input-type=module', '-e', script, path];
    return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim();
  }

  test('modules may export space and defaults, or an object of both', () => {
    const body = '{ depth: { kind: "int", low: 1, high: 9 } }';
    const expected = { space: { depth: int(1, 9) }, defaults: { depth: 3 }, fixed: {} };
    const named = file('a.mjs', `export const space = ${body}; export const defaults = { depth: 3 };`);
    expect(JSON.parse(load(named))).toEqual(expected);
    const whole = file('b.mjs', `export default { space: ${body}, defaults: { depth: 3 } };`);
    expect(JSON.parse(load(whole))).toEqual(expected);
  });

  test('a module that throws is refused in one line', () => {
    expect(load(file('c.mjs', 'throw new Error("boom\\nmore")'))).toMatch(
      /^UsageError Cannot import .*c\.mjs: boom$/,
    );
  });

  test('a module that is CommonJS by its package.json is refused with the name to give it', () => {
    const path = file('e.js', 'export const space = {};');
    writeFileSync(join(dirname(path), 'package.json'), '{ "type": "commonjs" }');
    expect(load(path)).toMatch(
      /^UsageError Cannot import .*e\.js: Unexpected token 'export'; rename it to .*e\.mjs$/,
    );
  });

  test('TypeScript is imported where Node can; otherwise the error says what to do', () => {
    const text =
      'const n: number = 9;\nexport const space = { d: { kind: "int" as const, low: 1, high: n } };';
    const printed = load(file('d.mts', text));
    if ((process.features as { typescript?: unknown }).typescript)
      expect(JSON.parse(printed).space).toEqual({ d: int(1, 9) });
    else
      expect(printed).toMatch(
        /^UsageError Node [\d.]+ cannot import .*d\.mts; use Node 22\.18 or newer, or /,
      );
  });
});
