// A connection to a server of studies, used synchronously: the call is made by the network thread while this one waits,
// about 0.05 ms on top of the round trip.

import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { EnvironmentError } from '../../../base/errors.js';
import { ConnectionLost, wholeStudyMs } from './endpoint.js';
import type { Notice, Reply, Request, Setup } from './thread.js';

export type Connection = {
  /** False from the moment a loss is noticed until the thread has reconnected. */
  readonly up: boolean;
  /** Why it was lost. */
  readonly reason: string;
  /**
   * @param waitMs how long to wait for a lost connection
   * @throws ConnectionLost, or EnvironmentError with what the server answered
   */
  call(method: string, args?: readonly unknown[], waitMs?: number): unknown;
  /** Calls back, when this thread is idle, that the connection is lost or back. */
  onChange(listener: (() => void) | null): void;
  close(): void;
};

/** A reply takes at most this much longer than the server may: then the thread itself is broken. */
const slackMs = 30_000;

/** One thread for all connections of this process; it keeps nothing alive. */
let shared: ReturnType<typeof startThread> | undefined;

function startThread() {
  const [calls, notices] = [new MessageChannel(), new MessageChannel()];
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const setup: Setup = { port: calls.port2, notices: notices.port2, answered };
  const worker = new Worker(new URL('./thread.js', import.meta.url), {
    name: 'tinygpt network',
    execArgv: [], // those of `node --input-type=module --eval` are refused for a file
    workerData: setup,
    transferList: [calls.port2, notices.port2],
  });
  worker.unref();
  worker.on('error', (error) => {
    shared = undefined;
    throw error;
  });
  const listeners = new Map<number, (notice: Notice) => void>();
  const hear = (notice: Notice) => listeners.get(notice.connection)?.(notice);
  notices.port1.on('message', hear);
  notices.port1.unref();
  let sent = 0;
  let opened = 0;

  /** Applies notices that came while this thread was busy. */
  function drain(): void {
    for (let got = receiveMessageOnPort(notices.port1); got; got = receiveMessageOnPort(notices.port1))
      hear(got.message as Notice);
  }

  function call(request: Omit<Request, 'id'>): unknown {
    const id = ++sent;
    calls.port1.postMessage({ ...request, id } satisfies Request);
    for (;;) {
      const seen = Atomics.load(answered, 0);
      const got = receiveMessageOnPort(calls.port1) as { message: Reply } | undefined;
      if (got && got.message.id === id) {
        drain();
        const { value, error } = got.message;
        if (!error) return value;
        throw error.lost ? new ConnectionLost(error.message) : new EnvironmentError(error.message);
      }
      if (!got && Atomics.wait(answered, 0, seen, request.waitMs + wholeStudyMs + slackMs) === 'timed-out')
        throw new EnvironmentError('The network thread does not answer; start again');
    }
  }
  return { call, drain, listeners, next: () => ++opened };
}

/** @param url starts with `redis:`, `rediss:` or `grpc:` */
export function openConnection(url: string): Connection {
  const thread = (shared ??= startThread());
  const connection = thread.next();
  let [up, reason, closed] = [false, '', false];
  let listener: (() => void) | null = null;
  thread.listeners.set(connection, (notice) => {
    ({ up, reason } = notice);
    setImmediate(() => listener?.()).unref(); // never inside a call
  });
  thread.call({ connection, method: 'open', args: [url], waitMs: 0 });
  return {
    get up() {
      thread.drain();
      return up;
    },
    get reason() {
      return reason;
    },
    call(method, args = [], waitMs = 0) {
      if (closed) throw new EnvironmentError('The storage is closed');
      return thread.call({ connection, method, args, waitMs });
    },
    onChange(next) {
      listener = next;
    },
    close() {
      if (closed) return;
      closed = true;
      thread.listeners.delete(connection);
      thread.call({ connection, method: 'close', args: [], waitMs: 0 });
    },
  };
}
