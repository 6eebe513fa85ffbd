// When a search has nothing left to gain beyond the noise.

import { describe, expect, test } from '@jest/globals';
import { randomStream } from '../../src/base/random.js';
import {
  convergenceJudge,
  createStudy,
  float,
  gpSampler,
  loadStudy,
  randomSampler,
  readJournal,
} from '../../src/tune/index.js';
import { scratchFolder } from './scratch.js';

const scratch = scratchFolder();
const SPACE = { x: float(-2, 2), y: float(-2, 2) };
const noisy = (noise: number) => {
  const random = randomStream(1, 'test/noise');
  return ({ params: { x, y } }: { params: { x: number; y: number } }) =>
    (x - 0.5) ** 2 + (y + 0.3) ** 2 + noise * random.normal();
};

describe('a search', () => {
  test('of a noisy bowl ends when its best is as good as noise can tell', async () => {
    const judge = convergenceJudge();
    const study = createStudy({ space: SPACE, sampler: gpSampler() });
    const { stopped } = await study.optimize(noisy(0.02), {
      trials: 90,
      until: () => judge(study)?.converged ?? false,
    });
    expect(stopped).toBe('until');
    expect(study.trials.length).toBeLessThan(80);
    const { x, y } = study.best()!.params;
    expect((x - 0.5) ** 2 + (y + 0.3) ** 2).toBeLessThan(0.04);
    const { improvement, noise } = judge(study)!;
    expect(improvement).toBeLessThan(0.1 * noise);
    // Within a factor of two of the true one.
    expect(noise).toBeGreaterThan(0.01);
    expect(noise).toBeLessThan(0.04);
    // The same for maximizing, and for another process.
    const mirrored = study.trials.map((trial) => ({ ...trial, value: -trial.value! }));
    const again = convergenceJudge()({ ...study, direction: 'maximize', trials: mirrored });
    expect(again).toEqual(judge(study));
  });

  test('goes on while more is to be had, or little is known', async () => {
    const judge = convergenceJudge();
    const study = createStudy({ space: SPACE, sampler: randomSampler() });
    const verdicts: unknown[] = [];
    await study.optimize(noisy(0.0001), { trials: 45, onTrial: () => verdicts.push(judge(study)) });
    expect(verdicts.slice(0, 29)).toEqual(Array(29).fill(null));
    for (const verdict of verdicts.slice(29)) expect(verdict).toMatchObject({ converged: false });
  });

  test('of equal values has no verdict', async () => {
    const study = createStudy({ space: SPACE, sampler: randomSampler() });
    await study.optimize(() => 3, { trials: 32 });
    expect(convergenceJudge()(study)).toBeNull();
  });

  test('of two objectives is refused', () => {
    const directions = ['minimize', 'minimize'] as const;
    const study = createStudy({ space: SPACE, sampler: randomSampler(), directions });
    expect(() => convergenceJudge()(study)).toThrow('Expected one objective to judge convergence, got two');
  });

  test('is judged by the noise that was measured, and by what repeated configurations show', async () => {
    const study = createStudy({ space: SPACE, sampler: randomSampler() });
    await study.optimize(noisy(0), { trials: 45 });
    expect(convergenceJudge({ noise: 100 })(study)).toMatchObject({ noise: 100, converged: true });
    for (const value of [5, 9, 5, 9]) {
      study.enqueue({ x: 1, y: 1 });
      await study.optimize(() => value, { trials: study.trials.length });
    }
    expect(convergenceJudge()(study)!.noise).toBeCloseTo(Math.sqrt(16 / 3), 6);
  });

  test('that was resumed is judged the same', async () => {
    const storage = scratch('journal.log');
    const judge = convergenceJudge();
    const study = createStudy({ space: SPACE, sampler: gpSampler(), storage });
    const verdicts: unknown[] = [];
    await study.optimize(noisy(0.05), { trials: 52, onTrial: () => verdicts.push(judge(study)) });
    const resumed = loadStudy({ storage, sampler: gpSampler() });
    expect(readJournal(storage)[0]!.trials.length).toBe(52);
    expect(convergenceJudge()(resumed)).toEqual(verdicts.at(-1));
  });
});
