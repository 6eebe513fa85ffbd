// Checks that the current backend computes correctly on this machine: small cases of every kind of operation the
// model needs, compared with values computed here in double precision. A driver that gives wrong results (a GPU the
// library predates, a miscompiled kernel) fails here instead of in a training run.

import * as tf from '@tensorflow/tfjs-core';
import { messageOf } from '../../base/errors.js';
import type { Precision, SelfCheck } from '../types.js';
import { coreChecks } from './core.js';

const TOLERANCE: Record<Precision, number> = { fp32: 1e-5, bf16: 2e-2 };

/** What the self-test found. */
export interface SelfTestResult {
  /** One line per failed case; empty when all is well. */
  failures: string[];
  cases: number;
  milliseconds: number;
}

/**
 * Tests the current tfjs backend. Leaves no tensor behind and never throws.
 * @param precision that the backend was started with
 * @param extraChecks run after the built-in ones
 */
export async function selfTest(
  precision: Precision = 'fp32',
  extraChecks: readonly SelfCheck[] = [],
): Promise<SelfTestResult> {
  const start = performance.now();
  const checks = [...coreChecks(), ...extraChecks];
  const failures = await failuresOf(checks, precision);
  return { failures, cases: checks.length, milliseconds: performance.now() - start };
}

/** One line per case that fails. Leaves no tensor behind and never throws. */
export async function failuresOf(checks: readonly SelfCheck[], precision: Precision): Promise<string[]> {
  const failures: string[] = [];
  for (const check of checks) {
    const failure = await runCheck(check, check.tolerance?.[precision] ?? TOLERANCE[precision]);
    if (failure) failures.push(`${check.name}: ${failure}`);
  }
  return failures;
}

async function runCheck(check: SelfCheck, tolerance: number): Promise<string | undefined> {
  let got: tf.Tensor | undefined;
  try {
    let expected: ArrayLike<number> = [];
    got = tf.tidy(() => {
      const result = check.run();
      expected = result.expected;
      return result.got;
    });
    return compare(await got.data(), expected, tolerance);
  } catch (error) {
    return messageOf(error).split('\n', 1)[0];
  } finally {
    got?.dispose();
  }
}

function compare(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): string | undefined {
  if (got.length !== expected.length) return `expected ${expected.length} values, got ${got.length}`;
  let scale = 0;
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i])) scale = Math.max(scale, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const equal = Object.is(got[i], expected[i]);
    const close = Math.abs(got[i]! - expected[i]!) <= tolerance * scale;
    if (!equal && !close) return `expected ${expected[i]} at ${i}, got ${got[i]} (tolerance ${tolerance})`;
  }
  return undefined;
}
