import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { pause } from '../../src/base/pause.js';

test('a loop of pauses adds no listeners to its signal, which ends the last one', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  for (let i = 0; i < 3; i++) await pause(1, signal);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  const waiting = pause(2 ** 30, signal);
  controller.abort();
  await waiting;
  await pause(2 ** 30, signal);
});
