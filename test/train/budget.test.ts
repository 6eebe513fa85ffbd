import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/base/errors.js';
import { meterBudget } from '../../src/train/budget.js';
import { train } from '../../src/train/trainer.js';
import { TINY } from '../tinyConfig.js';
import { tinyData } from '../tinyData.js';

const meter = (seconds: number, untimedSteps = 0) =>
  meterBudget({ seconds }, { untimedSteps, flopsPerToken: 1 });

describe('the seconds of a budget', () => {
  test('count each step as long as it took', () => {
    const counted = meter(10, 1);
    for (const seconds of [30, 1, 1.5, 0.5, 2]) counted.add(seconds, 100);
    expect(counted).toMatchObject({ trainingSeconds: 5, timedTokens: 400, tokens: 500, progress: 0.5 });
    expect(counted.disturbedSeconds).toBe(0);
  });

  test('count a step in which the machine was suspended as long as the others', () => {
    const counted = meter(10);
    for (const seconds of [0.1, 0.2, 0.1, 3600.1, 0.1]) counted.add(seconds, 100);
    expect(counted.trainingSeconds).toBeCloseTo(0.6, 12);
    expect(counted.disturbedSeconds).toBeCloseTo(3600, 12);
    expect(counted).toMatchObject({ timedTokens: 500, done: false });
  });

  test('count a persistently slow machine at its speed after a few steps', () => {
    const counted = meter(1000);
    for (let i = 0; i < 20; i++) counted.add(0.5, 100);
    for (let i = 0; i < 20; i++) counted.add(10, 100);
    expect(counted.trainingSeconds).toBeGreaterThan(10 + 15 * 10);
    expect(counted.disturbedSeconds).toBeLessThanOrEqual(5 * 9.5);
  });

  test('count the first steps whatever they take, and short hiccups', () => {
    const counted = meter(1000);
    for (const seconds of [0.01, 0.01, 5, 0.01, 0.01, 0.9]) counted.add(seconds, 100);
    expect(counted.trainingSeconds).toBeCloseTo(5.94, 12);
  });
});

describe('training', () => {
  test('without a budget is refused', async () => {
    await expect(train(TINY, { data: tinyData() } as never)).rejects.toThrow(
      new UsageError('Expected one budget of seconds, tokens, steps or flops, got undefined'),
    );
  });

  test('before a backend is chosen is refused with what to call', async () => {
    await expect(train(TINY, { data: tinyData(), budget: { steps: 1 } })).rejects.toThrow(
      new UsageError("Expected a backend for the model, got none; call await useBackend('auto') first"),
    );
  });
});
