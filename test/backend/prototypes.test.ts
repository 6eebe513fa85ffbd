// Signatures parsed from C and CUDA sources.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { KERNELS } from '../../src/backend/cuda/compile.js';
import { SOURCES } from '../../src/backend/native/compile.js';
import { functionsOf, kernelsOf } from '../../src/backend/prototypes.js';

const typesOf = (prototype: { parameters: { type: string }[] } | undefined) =>
  prototype?.parameters.map(({ type }) => type);

test('reads scalars and pointers of a C function over several lines, comments aside', () => {
  const source = `
    // int tg_old(int a) {
    static int tg_hidden;
    static void helper(int a) {
    }
    /* void tg_gone(float x) { */
long tg_head(int bf16, long N, float cap, // the cap
             const void *x, const int32_t *targets,
             float *loss) {
}
void tg_none(void) {`;
  const functions = functionsOf(source);
  expect([...functions.keys()]).toEqual(['tg_head', 'tg_none']);
  expect(functions.get('tg_head')?.result).toBe('long');
  expect(typesOf(functions.get('tg_head'))).toEqual([
    'int',
    'long',
    'float',
    'pointer',
    'pointer',
    'pointer',
  ]);
  expect(typesOf(functions.get('tg_none'))).toEqual([]);
});

test('reads CUDA kernels with launch bounds, and macros that stand for types', () => {
  const source = `
extern "C" __global__ void __launch_bounds__(128)
attention(int T, float scale, const act *q) {
}
template <typename T> static __device__ void not_a_kernel(int a, T b) {}
KERNEL binary(int n, const TYPE *a, TYPE a_value, RESULT *y) {`;
  expect(typesOf(kernelsOf(source, { TYPE: 'float' }).get('attention'))).toEqual(['int', 'float', 'pointer']);
  expect(typesOf(kernelsOf(source, { TYPE: 'int' }).get('binary'))).toEqual([
    'int',
    'pointer',
    'int',
    'pointer',
  ]);
});

test.each(['double x', 'struct Big b', 'int', 'float x[3]'])('refuses the parameter "%s" by name', (text) => {
  expect(() => functionsOf(`int tg_f(int n, ${text}) {`)).toThrow(
    `Expected a pointer, int, long or float as a parameter of tg_f, got ${text}`,
  );
});

test('every exported function and kernel under kernels/ is found', () => {
  const text = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');
  const files = (folder: string, end: string) => readdirSync(folder).filter((name) => name.endsWith(end));
  for (const name of files(SOURCES, '.c')) {
    const source = text(SOURCES, name);
    expect([...functionsOf(source).keys()]).toEqual(
      Array.from(source.matchAll(/^\w+ (tg_\w+)\(/gm), ([, f]) => f),
    );
  }
  const cuda = join(KERNELS, 'cuda');
  for (const name of files(cuda, '.cu')) {
    const source = text(cuda, name);
    const kernels = source.match(/^(KERNEL|extern "C" __global__) /gm) ?? [];
    expect(kernelsOf(source, { TYPE: 'float' }).size).toBe(kernels.length);
  }
});
