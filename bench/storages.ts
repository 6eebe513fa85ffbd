// Load on the storages of studies: many clients ask and tell a synthetic objective as fast as they can, spread over processes,
// and a study that grows. Nothing may be lost or doubled.
//
//   node build/bench/storages.js --storage redis://127.0.0.1:6379 [--clients 64] [--processes 4] [--trials 2000]
//                                [--seconds 300]
//
// Prints throughput, latency of ask and tell at the median and the 99th percentile, and what is found in the end: trials that
// were lost, given to two clients, or given to none.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { float } from '../src/tune/distributions.js';
import { randomSampler } from '../src/tune/samplers/random.js';
import { readJournal } from '../src/tune/storage/index.js';
import { createStudy } from '../src/tune/study.js';

const { values } = parseArgs({
  options: {
    storage: { type: 'string', default: 'storages.log' },
    clients: { type: 'string', default: '64' },
    processes: { type: 'string', default: '4' },
    trials: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: 'Infinity' },
    name: { type: 'string', default: `load-${Date.now()}` },
    part: { type: 'boolean', default: false },
  },
});
const { storage, name } = values;
const [clients, processes, trials] = [
  Number(values.clients),
  Number(values.processes),
  Number(values.trials),
];
const space = { x: float(-5, 5), y: float(1e-4, 1, { log: true }) };

type Part = { ask: number[]; tell: number[]; told: number[]; begun: number; ended: number };

/** One process: its clients take turns, so that many trials are open at once. */
function work(): Part {
  const part: Part = { ask: [], tell: [], told: [], begun: 0, ended: 0 };
  const open = Array.from({ length: clients / processes }, () => {
    const study = createStudy({ name, storage, space, sampler: randomSampler(), seed: 1, onNote: () => {} });
    return { study, trial: null as ReturnType<typeof study.askWithin> };
  });
  part.begun = Date.now();
  for (let active = true; active; ) {
    active = false;
    for (const client of open) {
      let begun = performance.now();
      if (client.trial) {
        const { x, y } = client.trial.params;
        client.study.tell(client.trial, x ** 2 + y);
        part.tell.push(performance.now() - begun);
        part.told.push(client.trial.number);
        begun = performance.now();
      }
      const isOver = Date.now() > part.begun + 1000 * Number(values.seconds);
      client.trial = isOver ? null : client.study.askWithin(trials);
      if (client.trial) {
        part.ask.push(performance.now() - begun);
        active = true;
      }
    }
  }
  part.ended = Date.now();
  for (const { study } of open) study.close();
  return part;
}

const at = (sorted: number[], share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(1);

if (values.part) {
  process.send!(work());
  process.disconnect();
} else {
  createStudy({ name, storage, space, sampler: randomSampler(), seed: 1 }).close();
  const parts = await Promise.all(
    Array.from({ length: processes }, () => {
      const child = fork(fileURLToPath(import.meta.url), [
        ...process.argv.slice(2),
        '--part',
        '--name',
        name,
      ]);
      return new Promise<Part>((resolve, reject) => {
        child.once('message', (part) => resolve(part as Part));
        child.once('exit', (code) => code !== 0 && reject(new Error(`a client ended with ${code}`)));
      });
    }),
  );
  const seconds =
    (Math.max(...parts.map(({ ended }) => ended)) - Math.min(...parts.map(({ begun }) => begun))) / 1000;
  const study = readJournal(storage).find((each) => each.name === name)!;
  const told = parts.flatMap((part) => part.told);
  const lost = told.filter((number) => study.trials[number]?.state !== 'complete').length;
  const [ask, tell] = (['ask', 'tell'] as const).map((what) =>
    parts.flatMap((part) => part[what]).sort((a, b) => a - b),
  );
  console.log(
    `| ${storage.replace(/:.*/, '')} | ${clients} in ${processes} | ${told.length} | ${(told.length / seconds).toFixed(1)} | ` +
      `${at(ask!, 0.5)} / ${at(ask!, 0.99)} | ${at(tell!, 0.5)} / ${at(tell!, 0.99)} | ` +
      `${lost} / ${told.length - new Set(told).size} / ${study.trials.length - told.length} |`,
  );
}
