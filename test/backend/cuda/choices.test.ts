// cuBLASLt's algorithms: timed once per shape, stored, and used again.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createChoices } from '../../../src/backend/cuda/choices.js';
import { openSession, type Session } from '../../../src/backend/cuda/session.js';
import { fastest } from '../../../src/backend/cuda/timing.js';
import { describeEmulated } from './present.js';

let folder = '';
const before = process.env.TINYGPT_CACHE;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-choices-'));
  process.env.TINYGPT_CACHE = folder;
});
afterEach(() => {
  if (before === undefined) delete process.env.TINYGPT_CACHE;
  else process.env.TINYGPT_CACHE = before;
  rmSync(folder, { recursive: true });
});

const stored = () => join(folder, 'cuda-matmuls');
const files = () => readdirSync(stored()).map((name) => join(stored(), name));
const rewrite = (change: (text: string) => string) => {
  for (const file of files()) writeFileSync(file, change(readFileSync(file, 'utf8')));
};

describeEmulated('algorithms of matmuls', (device) => {
  afterEach(() => {
    device().controls.fake_set_algorithms(1);
    device().controls.fake_reset();
  });

  const [m, n, k] = [5, 7, 33];

  /** a b (+ c), and the algorithms of each call. */
  function multiply(session: Session, beta = 0, inner = k) {
    const { allocator, transfer, products } = session;
    const wave = (count: number, step: number) =>
      Float32Array.from({ length: count }, (_, i) => Math.sin(step * i) * 10 ** (i % 7));
    const place = (values: Float32Array) => {
      const block = allocator.allocate(values.byteLength);
      transfer.upload(new Uint8Array(values.buffer), block.address);
      return block;
    };
    const blocks = [wave(m * inner, 1.3), wave(inner * n, 0.7), wave(m * n, 0.1)].map(place);
    const [a, b, c] = blocks.map(({ address }) => address) as [number, number, number];
    device().controls.fake_reset();
    products.multiply({ m, n, k: inner, a, b, c, operands: 'fp32', beta });
    const result = new Float32Array(transfer.readSync(c, 4 * m * n));
    const algorithms = [
      ...device()
        .controls.fake_log()
        .matchAll(/cublasLtMatmul .* algorithm (\d+)/g),
    ].map(([, id]) => Number(id));
    for (const block of blocks) allocator.free(block);
    return { result: [...result], algorithms };
  }

  test('the only one is used without a measurement', async () => {
    const session = await openSession();
    expect(multiply(session).algorithms).toEqual([1]);
    expect(session.choices()).toBeUndefined();
    expect(() => readdirSync(stored())).toThrow(/ENOENT/);
  });

  test('the fastest that works is used and stored, and the next process takes it from there', async () => {
    device().controls.fake_set_algorithms(4);
    const session = await openSession();
    const first = multiply(session);
    expect(first.algorithms.at(-1)).toBe(3);
    expect(new Set(first.algorithms)).toEqual(new Set([1, 3, 4, 5]));
    const again = multiply(session);
    expect(again).toEqual({ result: first.result, algorithms: [3] });
    const next = await openSession();
    expect(multiply(next)).toEqual(again);
    expect(next.choices()).toMatch(/^[0-9a-f]{8}$/);
    expect(next.choices()).toBe(session.choices());
    const [file] = files();
    expect(files()).toHaveLength(1);
    expect(JSON.parse(readFileSync(file!, 'utf8'))).toMatchObject({
      version: 1,
      device: 'Emulated device 0, sm_80, 4 multiprocessors',
      library: 'cuBLASLt 120900',
      choice: { milliseconds: [expect.any(Number), expect.any(Number), null, expect.any(Number)] },
    });
    // Another choice is another fingerprint.
    multiply(next, 0, k + 1);
    expect(next.choices()).not.toBe(session.choices());
  });

  test('a stored choice is used although another one would be faster now', async () => {
    device().controls.fake_set_algorithms(1);
    const plain = multiply(await openSession());
    device().controls.fake_set_algorithms(4);
    multiply(await openSession());
    const [file] = files();
    const { check: _, choice, ...key } = JSON.parse(readFileSync(file!, 'utf8'));
    rmSync(file!);
    const one = choice.algorithm.replace(/^03/, '01');
    createChoices({ device: key.device, library: key.library }).keep(key.product, [one], {
      algorithm: one,
      milliseconds: [],
    });
    expect(multiply(await openSession())).toEqual({ result: plain.result, algorithms: [1] });
  });

  test('a result that is added to itself is added once', async () => {
    const alone = multiply(await openSession(), 1).result;
    device().controls.fake_set_algorithms(2);
    const timed = multiply(await openSession(), 1);
    expect(timed.algorithms.length).toBeGreaterThan(4);
    for (const [i, value] of timed.result.entries())
      expect(Math.abs(value - alone[i]!) / Math.abs(alone[i]!)).toBeLessThan(1e-3);
  });

  test.each([
    ['is cut short', (text: string) => text.slice(0, 100)],
    ['has other numbers', (text: string) => text.replace(/"algorithm": "03/, '"algorithm": "01')],
    ['is of another version', (text: string) => text.replace('"version": 1', '"version": 2')],
    ['names another GPU', (text: string) => text.replace('Emulated device 0', 'Emulated device 1')],
  ])('a stored choice that %s is measured and stored anew', async (_, change) => {
    device().controls.fake_set_algorithms(2);
    const first = multiply(await openSession());
    rewrite(change);
    const again = multiply(await openSession());
    expect(again.algorithms.length).toBeGreaterThan(4);
    expect(again.result).toEqual(first.result);
    expect(multiply(await openSession()).algorithms).toEqual([3]);
  });

  test('a stored choice that the library no longer offers is replaced', async () => {
    device().controls.fake_set_algorithms(2);
    multiply(await openSession());
    device().controls.fake_set_algorithms(1);
    expect(multiply(await openSession()).algorithms).toEqual([1]);
  });

  test('TINYGPT_CUDA_MATMULS=heuristic takes what the heuristics prefer', async () => {
    device().controls.fake_set_algorithms(2);
    process.env.TINYGPT_CUDA_MATMULS = 'heuristic';
    const session = await openSession();
    delete process.env.TINYGPT_CUDA_MATMULS;
    expect(multiply(session).algorithms).toEqual([1]);
    expect(session.choices()).toBeUndefined();
  });

  test('without a writable cache each process measures', async () => {
    writeFileSync(stored(), '');
    device().controls.fake_set_algorithms(2);
    const session = await openSession();
    expect(multiply(session).algorithms.at(-1)).toBe(3);
    expect(multiply(session).algorithms).toEqual([3]);
  });
});

test('of two processes that choose at once the first one decides', () => {
  const subject = { device: 'a', library: 'b' };
  const [one, two] = [createChoices(subject), createChoices(subject)];
  const choice = (algorithm: string) => ({ algorithm, milliseconds: [1, 2] });
  expect(one.find('p', ['x', 'y'])).toBeUndefined();
  expect(one.keep('p', ['x', 'y'], choice('x')).algorithm).toBe('x');
  expect(two.keep('p', ['x', 'y'], choice('y')).algorithm).toBe('x');
  expect(two.find('p', ['x', 'y'])?.algorithm).toBe('x');
  expect(two.find('p', ['y'])).toBeUndefined();
  expect(two.find('q', ['x'])).toBeUndefined();
  expect(readdirSync(stored())).toHaveLength(1);
});

test('the first alternative stays unless another one is clearly faster', () => {
  const order = (...ms: number[]) => {
    let now = 0;
    const runs = ms.map((each) => () => {
      if (each < 0) throw new Error('refused');
      now += each;
    });
    const time = (work: () => void) => {
      const begin = now;
      work();
      return now - begin;
    };
    return fastest(runs, { time });
  };
  expect(order(1, 0.98)).toEqual({ chosen: 0, milliseconds: [1, 0.98] });
  expect(order(4, 2, 3).chosen).toBe(1);
  expect(order(-1, 3, 2)).toEqual({ chosen: 2, milliseconds: [null, 3, 2] });
  expect(() => order(-1, -1)).toThrow('refused');
});
