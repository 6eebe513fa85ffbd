// Every kernel that a backend registers accepts and returns the shapes that the contract declares: the self-test's
// cases are run, and each call of a fused kernel is compared with its declaration.

import { afterEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { fusedChecks, joinedChecks } from '../../src/backend/checks/fused.js';
import { FUSED_KERNELS, type KernelName } from '../../src/backend/contract.js';
import { hasKernel } from '../../src/backend/fused.js';
import { describeCuda } from './cuda/present.js';
import { describeEachBackend } from './present.js';

type Sizes = Map<string, number>;
type RunKernel = (name: string, inputs: tf.NamedTensorMap, attrs?: object) => tf.Tensor | tf.Tensor[];

/** The size that an expression such as `H*D` or `D/2` comes to, if its letters are known. */
function evaluate(expression: string, sizes: Sizes): number | undefined {
  if (/^\d+$/.test(expression)) return Number(expression);
  const [, a, operation, b] = /^(.+)([*/])(.+)$/.exec(expression) ?? [];
  if (!operation) return sizes.get(expression);
  const [x, y] = [evaluate(a!, sizes), evaluate(b!, sizes)];
  if (x === undefined || y === undefined) return undefined;
  return operation === '*' ? x * y : x / y;
}

/** Compares a shape with its declaration, learning letters that stand alone. */
function compare(what: string, { shape, dtype }: tf.Tensor, declared: string, sizes: Sizes): void {
  const [, type = 'float32', list] = /^(?:(\w+) )?\[(.*)\]$/.exec(declared)!;
  expect(`${what} ${dtype}`).toBe(`${what} ${type}`);
  if (list === '...') {
    const size = sizes.get('...');
    if (size !== undefined) expect(`${what} of ${tf.util.sizeFromShape(shape)}`).toBe(`${what} of ${size}`);
    sizes.set('...', tf.util.sizeFromShape(shape));
    return;
  }
  const letters = list === '' ? [] : list!.split(',');
  expect(`${what} of rank ${shape.length}`).toBe(`${what} of rank ${letters.length}`);
  letters.forEach((letter, axis) => {
    const known = evaluate(letter, sizes);
    if (known === undefined) sizes.set(letter, shape[axis]!);
    else if (letter !== '_') expect(`${what}[${axis}] = ${shape[axis]}`).toBe(`${what}[${axis}] = ${known}`);
  });
}

/** Compares a call with the kernel's declaration. */
function compareCall(name: KernelName, inputs: tf.NamedTensorMap, attrs: object, outputs: tf.Tensor[]): void {
  const { inputs: declaredInputs, attrs: declaredAttrs, outputs: declaredOutputs } = FUSED_KERNELS[name];
  const sizes: Sizes = new Map();
  for (const [attr, word] of Object.entries(declaredAttrs))
    if (/^[A-Z]$/.test(word)) sizes.set(word, (attrs as Record<string, number>)[attr]!);
  const declared = declaredInputs as Record<string, string>;
  for (const [input, tensor] of Object.entries(inputs))
    compare(
      `${name} ${input}`,
      tensor,
      declared[input] ?? declared[`${input}?`] ?? declared[input.replace(/\d+$/, '#')]!,
      sizes,
    );
  const names = declaredOutputs.map((text) => /^(\w+)(\?)?(?: (.*))?$/.exec(text)!);
  expect(outputs.length).toBeLessThanOrEqual(names.length);
  names.forEach(([, output, optional, shape], i) => {
    if (!optional) expect(outputs[i]).toBeDefined();
    if (outputs[i] && shape) compare(`${name} ${output}`, outputs[i], shape, sizes);
  });
}

const engine = tf.engine() as unknown as { runKernel: RunKernel };
const { runKernel } = engine;
afterEach(() => {
  engine.runKernel = runKernel;
});

function cases(): void {
  test('fused kernels take and return the declared shapes', () => {
    const seen = new Set<string>();
    engine.runKernel = (name, inputs, attrs = {}) => {
      const result = runKernel.call(engine, name, inputs, attrs);
      if (Object.hasOwn(FUSED_KERNELS, name)) {
        seen.add(name);
        compareCall(name as KernelName, inputs, attrs, Array.isArray(result) ? result : [result]);
      }
      return result;
    };
    const offered = (Object.keys(FUSED_KERNELS) as KernelName[]).filter(hasKernel);
    for (const check of [...fusedChecks(), ...joinedChecks()])
      tf.tidy(() => {
        try {
          check.run();
        } catch (error) {
          // A backend without the kernel of this case.
          expect(String(error)).toMatch(/not registered/);
        }
      });
    expect(offered.filter((name) => !seen.has(name) && name !== 'Accumulate')).toEqual([]);
  });
}

describeEachBackend('the contract', cases);
describeCuda('the contract on the emulated device', cases);
