// Time of one ask() of the Gaussian-process sampler compared with Optuna's, on the same history and in the same run.
//
//   node build/bench/gpAsk.js [--trials 200] [--asks 20] [--peer-asks 5] [--python python3 | --no-peer] [--json]
//
// The history is that of a search: a third random, the rest ever closer to the best. Space: fourteen dimensions.
// Milliseconds of wall-clock and CPU time; on a busy machine the latter vary less.
// The first ask of a resumed study also replays the fits of the whole history and is given apart.

import { parseArgs } from 'node:util';
import { fromUnit, toUnit } from '../src/tune/distributions.js';
import { gpSampler } from '../src/tune/samplers/gp.js';
import type { Params, StudyView, Trial } from '../src/tune/types.js';
import { PROBLEMS } from './problems/index.js';
import { OptunaPeer } from './problems/race.js';
import { median } from './problems/table.js';
import { mulberry32, noiseOf, type Problem, randomParams } from './problems/types.js';

function history(problem: Problem, count: number): { params: Params; value: number }[] {
  const uniform = mulberry32(1);
  const trials: { params: Params; value: number }[] = [];
  while (trials.length < count) {
    let params = randomParams(problem.space, uniform);
    if (trials.length > count / 3) {
      const best = trials.reduce((a, b) => (b.value < a.value ? b : a)).params;
      const reach = 0.5 * (1 - trials.length / count) + 0.03;
      params = Object.fromEntries(
        Object.entries(problem.space).map(([name, d]) => [
          name,
          d.kind === 'categorical'
            ? (uniform() < 0.8 ? best : params)[name]!
            : fromUnit(d, toUnit(d, best[name]!) + reach * (uniform() - 0.5)),
        ]),
      );
    }
    const exact = problem.evaluate(params);
    if (exact !== null) trials.push({ params, value: exact + problem.noise * noiseOf(1, trials.length) });
  }
  return trials;
}

function complete(problem: Problem, number: number, params: Params, value: number): Trial {
  return {
    number,
    id: number,
    state: 'complete',
    value,
    params,
    distributions: problem.space,
    intermediate: new Map(),
    userAttrs: {},
    systemAttrs: {},
    start: number,
    end: number + 0.5,
  };
}

/** Processor time since `begin`, of all threads. */
function cpuMilliseconds(begin: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      trials: { type: 'string', default: '200' },
      asks: { type: 'string', default: '20' },
      'peer-asks': { type: 'string', default: '5' },
      python: { type: 'string', default: 'python3' },
      peer: { type: 'boolean', default: true },
      json: { type: 'boolean', default: false },
    },
  });
  const problem = PROBLEMS.find((p) => p.name === 'pretrain_bpb_14d')!;
  const past = history(problem, Number(values.trials));

  const trials = past.map(({ params, value }, i) => complete(problem, i, params, value));
  const study: StudyView = {
    direction: 'minimize',
    space: problem.space,
    defaults: past[0]!.params,
    trials,
    seed: 1,
  };
  const sampler = gpSampler();
  const milliseconds: number[] = [];
  const processor: number[] = [];
  for (let i = 0; i <= Number(values.asks); i++) {
    const begin = performance.now();
    const cpu = process.cpuUsage();
    const { params } = sampler.ask(study, trials.length);
    milliseconds.push(performance.now() - begin);
    processor.push(cpuMilliseconds(cpu));
    const value = problem.evaluate(params) ?? 2;
    trials.push(complete(problem, trials.length, params, value + problem.noise * noiseOf(1, trials.length)));
  }
  const [first, ...later] = milliseconds;
  const result: Record<string, number> = {
    trials: past.length,
    dimensions: Object.keys(problem.space).length,
    median: median(later),
    least: Math.min(...later),
    worst: Math.max(...later),
    processorMedian: median(processor.slice(1)),
    firstAfterResume: first!,
    processorFirst: processor[0]!,
  };
  if (values.peer) {
    const peer = new OptunaPeer(values.python);
    const contestant = await peer.startWith('gp', problem, 1, past);
    const seconds: number[] = [];
    const peerProcessor: number[] = [];
    for (let i = 0; i < Number(values['peer-asks']); i++) {
      const asked = await contestant.ask();
      seconds.push(asked.seconds * 1000);
      peerProcessor.push(asked.processor! * 1000);
      const value = problem.evaluate(asked.params) ?? 2;
      await contestant.tell(value + problem.noise * noiseOf(1, past.length + i));
    }
    peer.close();
    // Its first ask includes the import of torch's lazy parts.
    result.optunaMedian = median(seconds.slice(1));
    result.ratio = result.median! / result.optunaMedian;
    result.optunaProcessorMedian = median(peerProcessor.slice(1));
    result.processorRatio = result.processorMedian! / result.optunaProcessorMedian;
  }
  if (values.json) process.stdout.write(JSON.stringify(result, null, 2) + '\n');
  else
    for (const [key, value] of Object.entries(result))
      process.stdout.write(`${key.padEnd(18)} ${Number.isInteger(value) ? value : value.toPrecision(4)}\n`);
}

await main();
