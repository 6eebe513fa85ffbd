// A connection to a server that is made again after each loss, with growing pauses.

import { messageOf } from '../../../base/errors.js';
import { ConnectionLost, type Endpoint } from './endpoint.js';

const firstPauseMs = 50;
const longestPauseMs = 10_000;

/**
 * Connects, and again after each loss, for as long as it takes.
 * @param notify told of each change
 */
export function keepConnected(endpoint: Endpoint, notify: (up: boolean, reason: string) => void) {
  let up = false;
  let closed = false;
  let reason = 'not connected yet';
  let refused: string | null = null; // what no repetition would change
  let waiting: (() => void)[] = [];
  let connecting = false;
  let [upSince, pauseMs] = [0, 0]; // the pause before the next attempt

  const wake = () => {
    for (const each of waiting.splice(0)) each();
  };

  async function connect(): Promise<void> {
    if (connecting) return;
    connecting = true;
    while (!closed && !up) {
      // Not all workers of a study at once: they lost it at the same moment.
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
      if (closed) return;
      pauseMs = Math.min(Math.max(pauseMs * 2, firstPauseMs), longestPauseMs);
      try {
        await endpoint.connect();
        if (closed) return endpoint.close();
        up = true;
        upSince = performance.now();
        refused = null;
        notify(true, '');
        wake();
      } catch (error) {
        reason = messageOf(error);
        if (!(error instanceof ConnectionLost)) {
          refused = reason;
          wake();
        }
      }
    }
    connecting = false;
  }

  function lose(why: string): void {
    reason = why;
    if (up) notify(false, reason);
    up = false;
    // A server that accepts connections and refuses each command, perhaps slowly, is asked with growing pauses too.
    if (performance.now() - upSince > longestPauseMs) pauseMs = 0;
    void connect();
  }

  /** Resolves when connected, or rejects after `ms`. */
  async function connected(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (!up) {
      if (refused !== null) throw new Error(refused);
      const left = end - performance.now();
      if (left <= 0) throw new ConnectionLost(reason);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  void connect();
  return {
    /** @param waitMs how long to wait for a lost connection */
    async call(method: string, args: readonly unknown[], waitMs: number): Promise<unknown> {
      await connected(waitMs);
      if (method === 'connected') return null;
      try {
        return await endpoint.call(method, args);
      } catch (error) {
        if (error instanceof ConnectionLost) lose(messageOf(error));
        throw error;
      }
    },
    close() {
      closed = true;
      waiting = [];
      endpoint.close();
    },
  };
}
