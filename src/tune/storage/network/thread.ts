// The network thread: holds the connections of this process to servers of studies, reconnects them, and answers the
// calls of connection.ts. It lets storages be synchronous, and keeps connections alive while the main thread computes.

import { type MessagePort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../base/errors.js';
import { ConnectionLost, type Endpoint } from './endpoint.js';

/** What the main thread asks for. `waitMs`: how long to wait for a lost connection. */
export type Request = {
  id: number;
  connection: number;
  method: string;
  args: readonly unknown[];
  waitMs: number;
};
export type Reply = { id: number; value?: unknown; error?: { lost: boolean; message: string } };
/** A change of a connection's state. */
export type Notice = { connection: number; up: boolean; reason: string };

/** `answered` counts replies, for Atomics.wait. */
export type Setup = { port: MessagePort; notices: MessagePort; answered: Int32Array };

const firstPauseMs = 50;
const longestPauseMs = 10_000;

const { port, notices, answered } = workerData as Setup;
const connections = new Map<number, ReturnType<typeof keepConnected>>();

/** Connects, and again after each loss, for as long as it takes. */
function keepConnected(number: number, endpoint: Endpoint) {
  let up = false;
  let closed = false;
  let reason = 'not connected yet';
  let refused: string | null = null; // what no repetition would change
  let waiting: (() => void)[] = [];
  let connecting = false;

  const wake = () => {
    for (const each of waiting.splice(0)) each();
  };

  async function connect(): Promise<void> {
    if (connecting) return;
    connecting = true;
    for (let pause = firstPauseMs; !closed && !up; pause = Math.min(pause * 2, longestPauseMs)) {
      try {
        await endpoint.connect();
        if (closed) return endpoint.close();
        up = true;
        refused = null;
        notices.postMessage({ connection: number, up, reason: '' } satisfies Notice);
        wake();
      } catch (error) {
        reason = messageOf(error);
        if (!(error instanceof ConnectionLost)) {
          refused = reason;
          wake();
        }
        // Not all workers of a study at once: they lost it at the same moment.
        await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
      }
    }
    connecting = false;
  }

  function lose(why: string): void {
    reason = why;
    if (up) notices.postMessage({ connection: number, up: false, reason } satisfies Notice);
    up = false;
    void connect();
  }

  /** Resolves when connected, or rejects after `ms`. */
  async function connected(ms: number): Promise<void> {
    const end = Date.now() + ms;
    while (!up) {
      if (refused !== null) throw new Error(refused);
      const left = end - Date.now();
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
    async call({ method, args, waitMs }: Request): Promise<unknown> {
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

async function endpointOf(url: string): Promise<Endpoint> {
  if (url.startsWith('grpc:')) return (await import('./grpcEndpoint.js')).grpcEndpoint(url);
  return (await import('./redisEndpoint.js')).redisEndpoint(url);
}

async function answer(request: Request): Promise<unknown> {
  const { connection, method, args } = request;
  if (method === 'open') {
    connections.set(connection, keepConnected(connection, await endpointOf(args[0] as string)));
    return null;
  }
  if (method === 'close') {
    connections.get(connection)?.close();
    connections.delete(connection);
    return null;
  }
  return connections.get(connection)!.call(request);
}

port.on('message', (request: Request) => {
  void answer(request)
    .then(
      (value): Reply => ({ id: request.id, value }),
      (error): Reply => ({
        id: request.id,
        error: { lost: error instanceof ConnectionLost, message: messageOf(error) },
      }),
    )
    .then((reply) => {
      port.postMessage(reply);
      Atomics.add(answered, 0, 1);
      Atomics.notify(answered, 0);
    });
});
