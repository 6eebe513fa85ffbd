// A run's folder: run.json says what was asked for, so that `--resume FOLDER` needs nothing else.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendName, Precision } from '../backend/index.js';
import { EnvironmentError, messageOf, UsageError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import type { SourceSpec } from '../data/index.js';
import type { Budget } from '../train/budget.js';
import type { TrainConfig } from '../train/config.js';

/** What was asked for. */
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

/** Reads run.json. @throws UsageError when there is none, EnvironmentError when it is broken */
export function readRunRecord(folder: string): RunRecord {
  const path = runFiles(folder).record;
  if (!existsSync(path))
    throw new UsageError(`No run in ${folder} (no run.json); give the folder that tinygpt train printed`);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
  } catch (error) {
    throw new EnvironmentError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** The checkpoint folder of a run folder, or the folder itself when it is one. */
export function checkpointFolder(path: string): string {
  const inside = runFiles(path).checkpoint;
  return existsSync(inside) || existsSync(`${inside}.old`) ? inside : path;
}
