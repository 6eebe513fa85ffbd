// The lines of test/golden/journal/tinygpt.log: every record that we write, at fixed times. Optuna loads them
// (interop.ts), and the tests compare the writer's output with them byte for byte.

import { categorical, float, int } from '../../src/tune/distributions.js';
import { formatEntry } from '../../src/tune/journal/lines.js';
import {
  claimEntry,
  createStudyEntry,
  createTrialEntry,
  type Entry,
  finishEntry,
  intermediateEntry,
  setParamEntry,
  studyAttrEntry,
  trialAttrEntry,
} from '../../src/tune/journal/records.js';
import { waitingEntry } from '../../src/tune/starting.js';

export function ourGoldenLines(): string[] {
  const space = {
    matrix_lr: float(0.005, 0.2, { log: true }),
    warmdown: float(0.1, 0.8, { step: 0.05 }),
    depth: int(4, 24, { step: 2 }),
    log2_batch: int(1, 9, { log: true }),
    pattern: categorical(['SSSL', 'L', null, 2, true]),
  };
  const params = { matrix_lr: 0.04, warmdown: 0.5, depth: 8, log2_batch: 5, pattern: 'SSSL' };
  const at = (seconds: number) => Date.UTC(2026, 10, 23, 12, 0, 0, 250) + 1000 * seconds;
  const worker = { host: 'machine', boot: 'b', namespace: '1', pid: 7, start: 99 };
  const systemAttrs = { 'tinygpt:sampler': 'gp', 'tinygpt:worker': worker };
  const run = (seconds: number, more: object = {}): Entry =>
    createTrialEntry(0, space, {
      state: 'running',
      params: { ...params, ...more },
      start: at(seconds),
      systemAttrs,
    });
  const end = (id: number, state: 'complete' | 'pruned' | 'fail', value: number | null, seconds: number) =>
    finishEntry(id, state, value === null ? null : [value], { start: at(seconds - 50), end: at(seconds) });

  const entries: Entry[] = [
    createStudyEntry('night "é"', 'minimize'),
    studyAttrEntry('system', 0, 'study:metric_names', ['val_bpb']),
    studyAttrEntry('user', 0, 'space', space),
    studyAttrEntry('user', 0, 'defaults', params),
    waitingEntry(0, params),
    claimEntry(0, at(0)),
    ...Object.entries(space).map(([name, distribution]) =>
      setParamEntry(0, name, params[name as keyof typeof params], distribution),
    ),
    trialAttrEntry('system', 0, 'tinygpt:worker', worker),
    trialAttrEntry('user', 0, 'config', { depth: 8, nested: [1, null, Number.NaN], text: 'ü\u2028\n' }),
    intermediateEntry(0, 50, 1.25),
    end(0, 'complete', 1.125, 50),
    run(60, { pattern: null, warmdown: 0.15 }),
    intermediateEntry(1, 10, Number.NaN),
    intermediateEntry(1, 20, Number.POSITIVE_INFINITY),
    intermediateEntry(1, 30, 2.5),
    trialAttrEntry('system', 1, 'completed_rung_0', 2.5),
    end(1, 'pruned', 2.5, 110),
    run(120, { pattern: 2, matrix_lr: 0.2 }),
    trialAttrEntry('user', 2, 'fail_reason', 'diverged'),
    trialAttrEntry('user', 2, 'fail_message', 'loss is NaN at step 12'),
    trialAttrEntry('user', 2, 'cost_seconds', 50),
    end(2, 'fail', null, 170),
    createTrialEntry(0, space, {
      state: 'fail',
      params: { ...params, depth: 24, pattern: true },
      start: at(180),
      end: at(180),
      systemAttrs: { 'tinygpt:sampler': 'gp' },
      userAttrs: { fail_reason: 'infeasible', fail_message: 'memory: 13 GB of 12 GB' },
    }),
    run(190, { log2_batch: 9 }),
    end(4, 'complete', Number.NEGATIVE_INFINITY, 240),
    run(250),
    waitingEntry(0, { ...params, depth: 10 }, { 'tinygpt:retry_of': 4 }),
    createStudyEntry('up', 'maximize'),
    createTrialEntry(1, {}, { state: 'running', params: {}, start: at(260) }),
    finishEntry(7, 'pruned', null, { start: null, end: at(270) }),
  ];
  return entries.map((entry) => formatEntry(entry, 'tinygpt-golden'));
}
