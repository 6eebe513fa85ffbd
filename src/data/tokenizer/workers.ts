// A few worker threads that count chunks or encode; jobs go to whichever is idle.

import { Worker } from 'node:worker_threads';
import { EnvironmentError, messageOf } from '../../base/errors.js';
import type { ChunkCounts } from './bpe.js';
import type { PackedIds, PackedTexts } from './texts.js';

/** What calls after closing are told. */
export const CLOSED = 'The tokenizer threads have been closed';

/** Jobs of a worker: input and output. */
export interface WorkerJobs {
  /** Adds texts to the worker's counts. */
  count: [PackedTexts, null];
  /** Returns the worker's counts. */
  counts: [null, ChunkCounts];
  /** Encodes texts. */
  encode: [PackedTexts, PackedIds];
}

/** The message of a job. */
export type WorkerRequest = {
  [K in keyof WorkerJobs]: { kind: K; input: WorkerJobs[K][0] };
}[keyof WorkerJobs];

/** Given to a worker when it starts: ranks to encode with, rank i is bytes[ends[i - 1]..ends[i]). */
export interface WorkerSetup {
  bytes: Uint8Array;
  ends: Uint32Array;
}

/** Worker threads. */
export interface Workers {
  /** Runs a job on the next idle worker; its buffers are moved. */
  run<K extends keyof WorkerJobs>(kind: K, input: WorkerJobs[K][0]): Promise<WorkerJobs[K][1]>;
  /** Runs a job on every worker; all must be idle. */
  runOnEach<K extends keyof WorkerJobs>(kind: K, input: WorkerJobs[K][0]): Promise<WorkerJobs[K][1][]>;
  /** Ends the threads; jobs under way are rejected. */
  close(): Promise<void>;
}

interface Job {
  request: WorkerRequest;
  resolve: (output: unknown) => void;
  reject: (error: Error) => void;
}

const NO_RANKS: WorkerSetup = { bytes: new Uint8Array(0), ends: new Uint32Array(0) };

/** Starts `threads` workers. They keep the process alive until `close`. */
export function startWorkers(threads: number, setup: WorkerSetup = NO_RANKS): Workers {
  const queue: Job[] = [];
  const idle: Worker[] = [];
  const running = new Map<Worker, Job>();
  let failure: Error | undefined;

  function fail(error: Error): void {
    failure ??= error;
    for (const job of [...running.values(), ...queue]) job.reject(failure);
    running.clear();
    queue.length = 0;
  }

  function start(worker: Worker, job: Job): void {
    const { input } = job.request;
    running.set(worker, job);
    worker.postMessage(job.request, input ? [input.bytes.buffer, input.ends.buffer] : []);
  }

  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: setup, execArgv: [] });
    worker.on('message', (output: unknown) => {
      const job = running.get(worker);
      running.delete(worker);
      const next = queue.shift();
      if (next) start(worker, next);
      else idle.push(worker);
      job?.resolve(output);
    });
    worker.on('error', (error) =>
      fail(
        new EnvironmentError(`A tokenizer thread failed (${messageOf(error)}); try fewer threads`, {
          cause: error,
        }),
      ),
    );
    worker.on('exit', () => fail(new EnvironmentError(CLOSED)));
    idle.push(worker);
    return worker;
  });

  function submit<K extends keyof WorkerJobs>(
    kind: K,
    input: WorkerJobs[K][0],
    worker: Worker | undefined,
  ): Promise<WorkerJobs[K][1]> {
    return new Promise((resolve, reject) => {
      const request = { kind, input } as WorkerRequest;
      const job: Job = { request, resolve: resolve as Job['resolve'], reject };
      if (failure) reject(failure);
      else if (worker) start(worker, job);
      else queue.push(job);
    });
  }

  return {
    run: (kind, input) => submit(kind, input, idle.pop()),
    runOnEach: (kind, input) => Promise.all(idle.splice(0).map((worker) => submit(kind, input, worker))),
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
