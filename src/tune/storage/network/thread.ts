// The network thread: holds the connections of this process to servers of studies, reconnects them, and answers the
// calls of connection.ts. It lets storages be synchronous, and keeps connections alive while the main thread computes.

import { type MessagePort, workerData } from 'node:worker_threads';
import { messageOf } from '../../../base/errors.js';
import { ConnectionLost, type Endpoint } from './endpoint.js';
import { keepConnected } from './reconnect.js';

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

const { port, notices, answered } = workerData as Setup;
const connections = new Map<number, ReturnType<typeof keepConnected>>();

async function endpointOf(url: string): Promise<Endpoint> {
  if (url.startsWith('grpc:')) return (await import('./grpcEndpoint.js')).grpcEndpoint(url);
  return (await import('./redisEndpoint.js')).redisEndpoint(url);
}

async function answer(request: Request): Promise<unknown> {
  const { connection, method, args } = request;
  if (method === 'open') {
    const notify = (up: boolean, reason: string) =>
      notices.postMessage({ connection, up, reason } satisfies Notice);
    connections.set(connection, keepConnected(await endpointOf(args[0] as string), notify));
    return null;
  }
  if (method === 'close') {
    connections.get(connection)?.close();
    connections.delete(connection);
    return null;
  }
  return connections.get(connection)!.call(method, args, request.waitMs);
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
