// How often a server is asked that cannot do what it is asked, by a clock of the test's.

import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { ConnectionLost } from '../../src/tune/storage/network/endpoint.js';
import { keepConnected } from '../../src/tune/storage/network/reconnect.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test.each([0, 60, 400])(
  'a server that refuses each command after %i ms is connected to with growing pauses',
  async (ms) => {
    let connects = 0;
    const connection = keepConnected(
      {
        connect: async () => void connects++,
        async call() {
          await new Promise((resolve) => setTimeout(resolve, ms));
          throw new ConnectionLost('OOM');
        },
        close() {},
      },
      () => {},
    );
    let ended = false;
    const work = async () => {
      while (!ended) await connection.call('exchange', [], 60_000).catch(() => {});
    };
    const working = work();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(connects).toBeGreaterThan(5);
    expect(connects).toBeLessThan(20);
    ended = true;
    await jest.advanceTimersByTimeAsync(60_000);
    await working;
    connection.close();
  },
);
