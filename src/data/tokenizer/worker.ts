// The worker thread of workers.ts: counts chunks of texts, or encodes texts.

import { parentPort, workerData } from 'node:worker_threads';
import { createChunkCounter, SPECIAL_TOKENS } from './bpe.js';
import { createEncoder, deriveVocabulary } from './encoder.js';
import { eachText, encodePacked } from './texts.js';
import type { WorkerRequest, WorkerSetup } from './workers.js';

const port = parentPort!;
const setup = workerData as WorkerSetup;
const counter = createChunkCounter();
const ranks = Array.from(setup.ends, (end, i) => setup.bytes.subarray(i === 0 ? 0 : setup.ends[i - 1]!, end));
const encoder = ranks.length > 0 ? createEncoder(deriveVocabulary(ranks)) : undefined;

port.on('message', ({ kind, input }: WorkerRequest) => {
  if (kind === 'count') {
    eachText(input, (start, end) => counter.count(input.bytes, start, end));
    port.postMessage(null);
  } else if (kind === 'counts') port.postMessage(counter.result());
  else {
    const encoded = encodePacked(encoder!, ranks.length + SPECIAL_TOKENS.length, input);
    port.postMessage(encoded, [encoded.ids.buffer, encoded.ends.buffer]);
  }
});
