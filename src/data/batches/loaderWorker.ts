// The worker thread that packs for all loaders of a process. Each loader has its own port; loaders take
// turns, one batch per event-loop turn, so that none starves. The main side is loader.ts.

import { type MessagePort, parentPort } from 'node:worker_threads';
import { messageOf, UsageError } from '../../base/errors.js';
import { type BatchMaker, createBatchMaker } from './batches.js';
import type { OpenRequest, Order, Reply } from './loaderMessages.js';

parentPort!.on('message', ({ port, set, options, prefetch }: OpenRequest) => {
  const maker = attempt(port, () => createBatchMaker(set, options));
  if (maker) port.postMessage({ type: 'opened' } satisfies Reply);
  serve(port, maker, prefetch);
});

/** Packs up to `wanted` batches ahead, and one more for each `more`. */
function serve(port: MessagePort, maker: BatchMaker | undefined, wanted: number): void {
  let scheduled = false;

  function schedule(): void {
    if (scheduled || wanted === 0 || !maker) return;
    scheduled = true;
    setImmediate(make);
  }

  function make(): void {
    scheduled = false;
    const open = maker;
    if (!open) return;
    const batch = attempt(port, () => open.make());
    if (!batch) {
      end();
      return;
    }
    wanted--;
    const reply: Reply = { type: 'batch', batch };
    const { inputs, targets, position } = batch;
    port.postMessage(reply, [inputs.buffer, targets.buffer, position.buffer.buffer]);
    schedule();
  }

  function end(): void {
    maker?.close();
    maker = undefined;
  }

  port.on('message', (order: Order) => {
    if (order === 'close') {
      end();
      port.close();
      return;
    }
    wanted++;
    schedule();
  });
  // The main side has closed the port.
  port.on('close', end);
  schedule();
}

/** The result, or undefined after an error, which goes to the loader. */
function attempt<T>(port: MessagePort, action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    const reply: Reply = { type: 'error', usage: error instanceof UsageError, message: messageOf(error) };
    port.postMessage(reply);
    return undefined;
  }
}
