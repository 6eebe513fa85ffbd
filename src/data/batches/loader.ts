// The loader: batches packed ahead of the training thread. All loaders of a process share one worker thread
// (loaderWorker.ts), so opening one costs a message, not a thread; the worker never keeps the process alive by
// itself, and ends when it has been idle for a while. `inline` packs on the calling thread, with the same bits.
// batches.ts packs.

import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { EnvironmentError, expect, UsageError } from '../../base/errors.js';
import type { BatchLoader, BatchOptions, LoaderState, Split } from '../types.js';
import { createBatchMaker, firstState, type Position, type ShardSet } from './batches.js';
import type { Failure, OpenRequest, Order, Reply } from './loaderMessages.js';

/** Batches packed ahead of the consumer. */
const PREFETCH = 4;
/** The shared worker ends when no loader has been open for this long. */
const IDLE_MILLISECONDS = 10_000;

/** How a loader works; its batches do not depend on it. */
export interface LoaderSettings {
  /** Batches packed ahead; default 4. */
  prefetch?: number;
  /** Packs on the calling thread, inside `next`; default false. */
  inline?: boolean;
}

/**
 * Opens endless batches of one split.
 * @param of what the split is called in errors
 * @throws UsageError when sizes are impossible, the split is shorter than one row, or the state is foreign
 * @throws EnvironmentError when a shard is absent, truncated or damaged (also from `next`)
 */
export async function openLoader(
  set: ShardSet,
  of: { name: string; split: Split },
  options: BatchOptions,
  settings: LoaderSettings = {},
): Promise<BatchLoader> {
  const { batchSize, seqLen } = options;
  const { prefetch = PREFETCH, inline = false } = settings;
  for (const [name, value] of Object.entries({ batchSize, seqLen, prefetch }))
    expect(
      Number.isInteger(value) && value >= 1,
      () => `Expected ${name} to be an integer >= 1, got ${value}`,
    );
  // A BOS is added to each document.
  const tokens = set.files.reduce((sum, file) => sum + file.tokens + file.documents, 0);
  expect(
    tokens >= seqLen + 1,
    () =>
      `Expected at least ${seqLen + 1} tokens (one sequence of ${seqLen}, and a target) in the ${of.split} split of ${of.name}, got ${tokens}; give more text or a shorter sequence`,
  );
  return inline ? openInline(set, options) : openShared(set, options, prefetch);
}

function stateAt({ epoch, nextDocument, buffer }: Position | LoaderState): LoaderState {
  return { epoch, nextDocument, buffer: Array.from(buffer) };
}

function openInline(set: ShardSet, options: BatchOptions): BatchLoader {
  const maker = createBatchMaker(set, options);
  let position: Position | LoaderState = options.state ?? firstState();
  let closed = false;
  return {
    async next() {
      if (closed) throw new UsageError(CLOSED);
      const batch = maker.make();
      const { inputs, targets } = batch;
      position = batch.position;
      return { inputs, targets, epoch: position.epoch };
    },
    state: () => stateAt(position),
    async close() {
      if (!closed) maker.close();
      closed = true;
    },
  };
}

async function openShared(set: ShardSet, options: BatchOptions, prefetch: number): Promise<BatchLoader> {
  const { port1: port, port2 } = new MessageChannel();
  let position: Position | LoaderState = options.state ?? firstState();
  /** Replies that nobody has requested yet, and callers that wait for one: at least one of the two is empty. */
  const replies: Reply[] = [];
  const waiting: ((reply: Reply) => void)[] = [];
  let end: Failure | undefined;
  let closing = false;

  function answer(reply: Reply): void {
    const next = waiting.shift();
    // A caller that waits keeps the process alive; an idle loader does not.
    if (waiting.length === 0 && !closing) port.unref();
    if (next) next(reply);
    else if (!closing) replies.push(reply);
  }

  /** A reply that has arrived since the last turn of the event loop, unless it is due to someone else. */
  const arrived = (): Reply | undefined =>
    waiting.length === 0 ? receiveMessageOnPort(port)?.message : undefined;

  /** The next reply; at once when it has arrived. */
  function ask(): Reply | Promise<Reply> {
    const ready = closing ? end : (replies.shift() ?? end ?? arrived());
    if (ready) return ready;
    port.ref();
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  }

  const ended = new Promise<void>((resolve) => {
    port.once('close', () => {
      end ??= { type: 'error', usage: false, message: 'The loader thread ended unexpectedly; start again' };
      while (waiting.length > 0) answer(end);
      resolve();
    });
  });
  const order = (what: Order) => port.postMessage(what);
  const release = useWorker((worker) => {
    const request: OpenRequest = { port: port2, set, options, prefetch };
    worker.postMessage(request, [port2]);
  });
  port.on('message', answer);

  async function close(): Promise<void> {
    if (!closing) {
      closing = true;
      end = { type: 'error', usage: true, message: CLOSED };
      replies.length = 0;
      while (waiting.length > 0) answer(end);
      port.ref();
      order('close');
    }
    await ended;
    release();
  }

  const first = await ask();
  if (first.type === 'error') {
    await close();
    throw thrown(first);
  }
  return {
    async next() {
      const reply = await ask();
      if (reply.type !== 'batch') {
        end ??= reply as Failure;
        throw thrown(end);
      }
      order('more');
      const { inputs, targets } = reply.batch;
      position = reply.batch.position;
      return { inputs, targets, epoch: position.epoch };
    },
    state: () => stateAt(position),
    close,
  };
}

const CLOSED = 'Expected an open loader, got one that was closed';

function thrown({ usage, message }: Failure): Error {
  return usage ? new UsageError(message) : new EnvironmentError(message);
}

/** The worker that all loaders share, while there is one. */
let shared: { worker: Worker; loaders: number; idle?: NodeJS.Timeout } | undefined;

/** Starts the shared worker unless it runs, and keeps it until the returned function is called. */
function useWorker(use: (worker: Worker) => void): () => void {
  const mine = (shared ??= startWorker());
  clearTimeout(mine.idle);
  mine.loaders++;
  use(mine.worker);
  let released = false;
  return () => {
    if (released) return;
    released = true;
    mine.loaders--;
    if (mine.loaders > 0) return;
    mine.idle = setTimeout(() => {
      if (shared === mine) void endLoaderThread();
    }, IDLE_MILLISECONDS).unref();
  };
}

function startWorker(): NonNullable<typeof shared> {
  const worker = new Worker(new URL('./loaderWorker.js', import.meta.url), {
    name: 'tinygpt loader',
    execArgv: [], // those of `node --input-type=module --eval` are refused for a file
  });
  worker.unref();
  const started = { worker, loaders: 0 };
  // A loader learns of a dead worker from its port; the next one that opens starts another.
  worker.on('error', () => {});
  worker.on('exit', () => {
    if (shared === started) shared = undefined;
  });
  return started;
}

/** Ends the shared worker at once; open loaders fail, later ones start another. */
export async function endLoaderThread(): Promise<void> {
  const ending = shared;
  shared = undefined;
  if (!ending) return;
  clearTimeout(ending.idle);
  await ending.worker.terminate();
}
