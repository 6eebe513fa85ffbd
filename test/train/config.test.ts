import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import { meterBudget, validateBudget } from '../../src/train/budget.js';
import { overrideConfig, resolveConfig, TRAIN_DEFAULTS } from '../../src/train/config.js';
import { PRESET_NAMES, presetConfig } from '../../src/train/presets.js';
import { TINY } from '../tinyConfig.js';

describe('configuration', () => {
  test('resolves the reference sizes from depth and aspect ratio', () => {
    const { model, accumulation } = resolveConfig(TRAIN_DEFAULTS);
    expect(model).toMatchObject({
      depth: 8,
      width: 512,
      heads: 4,
      kvHeads: 4,
      vocabSize: 8192,
      seqLen: 2048,
    });
    expect(accumulation).toBe(2);
  });

  test('rounds the width up to whole heads, as the reference does', () => {
    expect(resolveConfig({ ...TRAIN_DEFAULTS, depth: 9 }).model).toMatchObject({ width: 640, heads: 5 });
    expect(resolveConfig({ ...TRAIN_DEFAULTS, depth: 9, width: 768 }).model).toMatchObject({
      width: 768,
      heads: 6,
    });
    expect(resolveConfig({ ...TINY, heads: 2, kvHeads: null }).model).toMatchObject({ heads: 2, kvHeads: 2 });
  });

  test('every preset resolves', () => {
    for (const name of PRESET_NAMES) expect(resolveConfig(presetConfig(name)).model.depth).toBeGreaterThan(0);
    expect(() => presetConfig('huge')).toThrow(/autoresearch, tinystories, cpu; got huge/);
  });

  test('plain bytes have 260 ids', () => {
    expect(resolveConfig(TINY).model.vocabSize).toBe(260);
  });

  test.each([
    [{ totalBatchSize: 100 }, /device batch x sequence \(2 x 16 = 32\) .*got 100; set --device-batch-size/],
    [{ width: 30 }, /multiple of the head size, got 30 and 8; set --head-dim/],
    [{ depth: 1.5 }, /depth to be an integer >= 1, got 1.5; set --depth/],
    [{ kvHeads: 3 }, /multiple of kvHeads, got 4 and 3/],
    [{ matrixLr: Number.POSITIVE_INFINITY }, /matrixLr/],
    [{ untimedSteps: -1 }, /untimedSteps/],
    [{ matrixlr: 0.1 }, /Unknown setting "matrixlr"; did you mean matrixLr/],
    [{ matrixLr: '0.1' as never }, /matrixLr to be a number, got "0.1" \(string\)/],
  ])('refuses %j', (overrides, message) => {
    expect(() => resolveConfig({ ...TINY, ...overrides })).toThrow(message);
    expect(() => resolveConfig({ ...TINY, ...overrides })).toThrow(UsageError);
  });

  test('settings from outside must have known names and types', () => {
    expect(overrideConfig(TINY, { depth: 3, width: null })).toMatchObject({ depth: 3, width: null });
    expect(() => overrideConfig(TINY, { dept: 3 })).toThrow(/Unknown setting "dept"; did you mean depth/);
    expect(() => overrideConfig(TINY, { depth: '3' })).toThrow(/depth to be a number, got "3" \(string\)/);
    expect(() => overrideConfig(TINY, { depth: null })).toThrow(/depth to be a number, got null/);
  });
});

describe('an aspect ratio or head width that is set is used', () => {
  const cpu = presetConfig('cpu'); // depth 4, width 128, heads of 32
  const sizes = (overrides: Record<string, unknown>, base = cpu) => {
    const { width, heads, headDim } = resolveConfig(overrideConfig(base, overrides)).config;
    return { width, heads, headDim };
  };

  test('where the preset has a width', () => {
    expect(sizes({ aspectRatio: 64 })).toEqual({ width: 256, heads: 8, headDim: 32 });
    expect(sizes({ aspectRatio: 64, depth: 2 })).toEqual({ width: 128, heads: 4, headDim: 32 });
    expect(sizes({ depth: 2 })).toEqual({ width: 128, heads: 4, headDim: 32 });
  });

  test('where a saved configuration has heads', () => {
    const saved = resolveConfig(cpu).config;
    expect(sizes({ headDim: 16 }, saved)).toEqual({ width: 128, heads: 8, headDim: 16 });
    expect(sizes({ aspectRatio: 16, headDim: 16 }, saved)).toEqual({ width: 64, heads: 4, headDim: 16 });
  });

  test('unless width or heads are given as well', () => {
    expect(sizes({ aspectRatio: 64, width: 96 })).toEqual({ width: 96, heads: 3, headDim: 32 });
    expect(sizes({ headDim: 16, heads: 2 })).toEqual({ width: 128, heads: 2, headDim: 64 });
  });
});

describe('budget', () => {
  const meter = (budget: Parameters<typeof meterBudget>[0], untimedSteps = 2) =>
    meterBudget(budget, { untimedSteps, flopsPerToken: 1000 });

  test('of seconds leaves out the first steps', () => {
    const clock = meter({ seconds: 10 });
    for (const seconds of [100, 50, 4]) clock.add(seconds, 8);
    expect(clock).toMatchObject({ progress: 0.4, done: false, steps: 3, tokens: 24, timedTokens: 8 });
    clock.add(7, 8);
    expect(clock).toMatchObject({ progress: 1, done: true, trainingSeconds: 11 });
  });

  test('of tokens, steps and FLOPs does not depend on time', () => {
    for (const [budget, done] of [
      [{ tokens: 24 }, 3],
      [{ steps: 5 }, 5],
      [{ flops: 16_000 }, 2],
    ] as const) {
      const clock = meter(budget);
      let steps = 0;
      for (; !clock.done; steps++) clock.add(Number.NaN, 8);
      expect(steps).toBe(done);
    }
  });

  test.each([
    [{ seconds: 0 }, /budget's seconds to be > 0, got 0 \(number\); set --seconds/],
    [{ tokens: Number.NaN }, /tokens to be > 0, got NaN/],
    [{}, /one budget of seconds, tokens, steps or flops, got \{\}/],
    [{ seconds: 1, steps: 1 }, /one budget/],
    [{ minutes: 1 }, /one budget/],
  ])('refuses %j', (budget, message) => {
    expect(() => validateBudget(budget as never)).toThrow(message);
  });
});
