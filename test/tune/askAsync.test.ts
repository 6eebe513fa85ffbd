// Samplers that take time for a proposal: who waits for them, and how a wait ends.

import { expect, test } from '@jest/globals';
import { createStudy } from '../../src/tune/study.js';
import type { Proposal, Sampler } from '../../src/tune/types.js';
import { space, uniform, value } from './problem.js';

type Decide = (number: number, signal: AbortSignal) => Promise<Partial<Proposal> | null>;
const slow = (decide: Decide): Sampler => ({
  ...uniform,
  name: 'slow',
  askAsync: (_study, number, signal) => decide(number, signal),
});
const point = { x: 2, lr: 0.5, depth: 6, kind: 'a' };
const never: Decide = (_, signal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('optimize waits for a proposal and stores its attributes; the defaults are not asked for', async () => {
  const asked: number[] = [];
  const decide: Decide = async (number) => {
    asked.push(number);
    return number === 1 ? { params: point, userAttrs: { note: 'x' }, systemAttrs: { mark: 1 } } : null;
  };
  const study = createStudy({ space, sampler: slow(decide) });
  await study.optimize(({ params }) => value(params), { trials: 3 });
  expect(asked).toEqual([1, 2]);
  expect(study.trials[1]).toMatchObject({
    params: point,
    userAttrs: { note: 'x' },
    systemAttrs: { mark: 1 },
  });
  const plain = createStudy({ space, sampler: uniform });
  await plain.optimize(({ params }) => value(params), { trials: 3 });
  expect(study.trials[2]!.params).toEqual(plain.trials[2]!.params);
});

test('attributes without a configuration go with the proposal of ask', async () => {
  const study = createStudy({ space, sampler: slow(async () => ({ userAttrs: { note: 'no answer' } })) });
  await study.optimize(({ params }) => value(params), { trials: 2 });
  const plain = createStudy({ space, sampler: uniform });
  await plain.optimize(({ params }) => value(params), { trials: 2 });
  expect(study.trials[1]!.params).toEqual(plain.trials[1]!.params);
  expect(study.trials[1]!.userAttrs).toEqual({ note: 'no answer' });
});

test('a configuration that another process started while it was awaited is not started twice', async () => {
  const decide: Decide = async (number) => {
    if (number === 1) study.enqueue(point);
    return { params: point };
  };
  const study = createStudy({ space, sampler: slow(decide) });
  await study.optimize(({ params }) => value(params), { trials: 4 });
  expect(study.trials.filter((trial) => trial.params.x === 2)).toHaveLength(1);
});

test('a signal or the end of the time ends the wait, and nothing is started', async () => {
  const study = createStudy({ space, sampler: slow(never) });
  const controller = new AbortController();
  const stopped = study.optimize(
    ({ params }) => {
      queueMicrotask(() => setImmediate(() => controller.abort(new Error('enough'))));
      return value(params);
    },
    { trials: 5, signal: controller.signal },
  );
  expect(await stopped).toMatchObject({ trials: 1, stopped: 'signal' });
  expect(await study.optimize(() => 1, { trials: 5, seconds: 0.05 })).toMatchObject({ stopped: 'seconds' });
  expect(study.trials).toHaveLength(1);
});

test('an error of the sampler ends the study', async () => {
  const study = createStudy({ space, sampler: slow(async () => Promise.reject(new Error('broken'))) });
  await expect(study.optimize(() => 1, { trials: 2 })).rejects.toThrow('broken');
});

test('askAsync of a study waits, and gives null at the limit', async () => {
  const study = createStudy({ space, sampler: slow(async () => ({ params: point })), runDefaults: false });
  const trial = await study.askAsync(1);
  expect(trial?.params).toEqual(point);
  expect(await study.askAsync(1)).toBeNull();
});
