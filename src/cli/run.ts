// A run's folder: run.json records the arguments, so that `--resume FOLDER` needs nothing else.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BACKEND_NAMES, type BackendName, type Precision } from '../backend/index.js';
import { EnvironmentError, expect, messageOf, UsageError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { readJsonFile } from '../base/textFile.js';
import { isObject } from '../base/valid.js';
import type { SourceSpec } from '../data/index.js';
import { type Budget, validateBudget } from '../train/budget.js';
import { overrideConfig, TRAIN_DEFAULTS, type TrainConfig } from '../train/config.js';
import type { Summary } from '../train/summary.js';

/** The arguments of a run. */
export interface RunRecord {
  version: 1;
  preset: string;
  config: TrainConfig;
  budget: Budget;
  seed: number | string;
  source: SourceSpec;
  /** File of an imported tokenizer. */
  tokenizer?: string;
  backend: BackendName;
  precision: Precision;
  /** Steps between checkpoints; absent: one at the end. */
  checkpointEvery?: number;
}

/** Files of a run. */
export const runFiles = (folder: string) => ({
  record: join(folder, 'run.json'),
  metrics: join(folder, 'metrics.jsonl'),
  checkpoint: join(folder, 'checkpoint'),
  summary: join(folder, 'summary.json'),
  sample: join(folder, 'sample.txt'),
});

/** `runs/20261123-152101`, made unique. */
export function newRunFolder(now = new Date()): string {
  const stamp = now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  let folder = join('runs', stamp);
  for (let n = 2; existsSync(folder); n++) folder = join('runs', `${stamp}-${n}`);
  return folder;
}

/** Writes run.json. */
export const writeRunRecord = (folder: string, record: RunRecord): void =>
  writeFileAtomic(runFiles(folder).record, `${JSON.stringify(record, null, 2)}\n`);

/** Reads run.json. @throws UsageError when there is none, EnvironmentError when it is damaged */
export function readRunRecord(folder: string): RunRecord {
  const path = runFiles(folder).record;
  if (!existsSync(path))
    throw new UsageError(`No run in ${folder} (no run.json); give the folder that tinygpt train printed`);
  try {
    return checkRunRecord(readJsonFile(path));
  } catch (error) {
    throw new EnvironmentError(`${path} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

function checkRunRecord(record: unknown): RunRecord {
  expect(isObject(record), () => `Expected an object, got ${JSON.stringify(record)}`);
  const { version, preset, config, budget, seed, source, tokenizer, backend, precision } = record;
  const every = record.checkpointEvery;
  const parts: Record<string, boolean> = {
    version: version === 1,
    preset: typeof preset === 'string',
    config: isObject(config),
    budget: isObject(budget),
    seed: typeof seed === 'string' || Number.isFinite(seed),
    source: isObject(source),
    tokenizer: tokenizer === undefined || typeof tokenizer === 'string',
    backend: BACKEND_NAMES.includes(backend as BackendName),
    precision: precision === 'fp32' || precision === 'bf16',
    checkpointEvery: every === undefined || (Number.isSafeInteger(every) && (every as number) >= 1),
  };
  for (const [name, ok] of Object.entries(parts))
    expect(ok, () => `Expected a valid ${name}, got ${JSON.stringify(record[name])}`);
  validateBudget(budget as Budget);
  return {
    ...(record as unknown as RunRecord),
    config: overrideConfig(TRAIN_DEFAULTS, config as Record<string, unknown>),
  };
}

/** The summary of a run that has finished; null when it has none. */
export function readFinishedSummary(folder: string): Summary | null {
  const path = runFiles(folder).summary;
  if (!existsSync(path)) return null;
  const summary = readJsonFile(path);
  return isObject(summary) && typeof summary.val_bpb === 'number' ? (summary as Summary) : null;
}
