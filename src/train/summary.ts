// The summary of a run: the block that the reference prints, and the same numbers as one JSON object.

import { capabilities } from '../backend/capabilities.js';
import type { BackendInfo } from '../backend/types.js';
import type { TrainResult } from './runTypes.js';

/** The keys of the reference's block, then further ones. */
export type Summary = {
  val_bpb: number | null;
  training_seconds: number;
  total_seconds: number;
  peak_memory_mb: number;
  mfu_percent: number | null;
  total_tokens_M: number;
  num_steps: number;
  num_params_M: number;
  depth: number;
  tokens_per_second: number;
  backend: string;
  precision: string;
  seed: number | string;
  /** Identifies the stored choices of matmul algorithms, where a backend makes them: runs with other ones may differ in bits. */
  matmul_choices?: string;
};

/** @param totalSeconds from the start of the program, preparation included */
export function summarize(
  result: TrainResult,
  backend: Pick<BackendInfo, 'name' | 'precision'>,
  seed: number | string,
  totalSeconds: number,
): Summary {
  const choices = capabilities().choices?.();
  return {
    val_bpb: result.valBpb,
    training_seconds: result.trainingSeconds,
    total_seconds: totalSeconds,
    peak_memory_mb: result.peakMemoryBytes / 2 ** 20,
    mfu_percent: result.mfuPercent,
    total_tokens_M: result.tokens / 1e6,
    num_steps: result.numSteps,
    num_params_M: result.numParams / 1e6,
    depth: result.depth,
    tokens_per_second: result.tokensPerSecond,
    backend: backend.name,
    precision: backend.precision,
    seed,
    ...(choices !== undefined && { matmul_choices: choices }),
  };
}

/** The block of `key: value` lines in the reference's order and rounding. */
export function formatSummary(summary: Summary): string {
  const fixed = (value: number | null, digits: number) => (value === null ? 'n/a' : value.toFixed(digits));
  const rows: [keyof Summary, string][] = [
    ['val_bpb', fixed(summary.val_bpb, 6)],
    ['training_seconds', fixed(summary.training_seconds, 1)],
    ['total_seconds', fixed(summary.total_seconds, 1)],
    ['peak_memory_mb', fixed(summary.peak_memory_mb, 1)],
    ['mfu_percent', fixed(summary.mfu_percent, 2)],
    ['total_tokens_M', fixed(summary.total_tokens_M, 1)],
    ['num_steps', `${summary.num_steps}`],
    ['num_params_M', fixed(summary.num_params_M, 1)],
    ['depth', `${summary.depth}`],
  ];
  return ['---', ...rows.map(([key, value]) => `${`${key}:`.padEnd(18)}${value}`)].join('\n');
}
