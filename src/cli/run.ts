// A run's folder: run.json records the arguments, so that `--resume FOLDER` needs nothing else.

import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BACKEND_NAMES, type BackendName, type Precision } from '../backend/index.js';
import { EnvironmentError, expect, hasCode, messageOf, UsageError } from '../base/errors.js';
import { describeWriteError, discard, makeFolder, writeFileAtomic } from '../base/files.js';
import { readJsonFile } from '../base/textFile.js';
import { isObject } from '../base/valid.js';
import type { SourceSpec } from '../data/index.js';
import { type Budget, validateBudget } from '../train/budget.js';
import { overrideConfig, TRAIN_DEFAULTS, type TrainConfig } from '../train/config.js';
import type { Summary } from '../train/summary.js';
import { withLock } from '../tune/storage/lock.js';
import { asWorker, identify, isAlive } from '../tune/storage/worker.js';

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
  /** The process that trains it. */
  owner: join(folder, 'owner.json'),
});

/** Makes `runs/20261123-152101`, or `...-2` where there is one: runs that start in the same second get their own. */
export function makeRunFolder(now = new Date()): string {
  const stamp = now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  makeFolder('runs');
  for (let n = 1; ; n++) {
    const folder = join('runs', n === 1 ? stamp : `${stamp}-${n}`);
    try {
      mkdirSync(folder);
      return folder;
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw describeWriteError(folder, error);
    }
  }
}

/**
 * Makes this process the only one of this machine that writes into a run's folder, until it calls what is returned.
 * @throws UsageError while another process trains the run
 */
export function claimRun(folder: string): () => void {
  const path = resolve(runFiles(folder).owner);
  makeFolder(folder);
  withLock(path, () => {
    const owner = existsSync(path) ? asWorker(readJsonFile(path)) : null;
    expect(
      owner === null || !isAlive(owner),
      () =>
        `Expected a run that nobody trains, got ${folder}, which process ${owner?.pid} trains now; stop it first (Ctrl-C, or kill ${owner?.pid})`,
    );
    writeFileAtomic(path, `${JSON.stringify(identify())}\n`);
  });
  return () => discard(path);
}

/** Removes a run's folder where nothing is in it, since the run never began. */
export function removeEmptyFolder(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It holds a run, or was never made.
  }
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

/** The summary of a run that finished after `steps` steps; null when it has none, or that of a smaller budget. */
export function readFinishedSummary(folder: string, steps: number): Summary | null {
  const path = runFiles(folder).summary;
  if (!existsSync(path)) return null;
  const summary = readJsonFile(path);
  const finished = isObject(summary) && typeof summary.val_bpb === 'number' && summary.num_steps === steps;
  return finished ? (summary as Summary) : null;
}
