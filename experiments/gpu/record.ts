// Findings of the proof, one JSON line each, written to disk at once, so that they survive whatever ends the process.

import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../src/base/errors.js';

/** Options of one run of the proof, as its parts get them. */
export interface ProofOptions {
  out: string;
  /** Tiny sizes. */
  tiny: boolean;
  /** Folder of the prepared data. */
  data: string;
  /** The Python with PyTorch; undefined where there is none. */
  python?: string;
  /** Seconds that the part may take. */
  seconds: number;
}

export const RECORDS = 'proof.jsonl';

/** Appends a finding to OUT/proof.jsonl and prints its start. */
export function record(out: string, part: string, finding: object): void {
  const line = JSON.stringify({ part, time: new Date().toISOString(), ...finding });
  const file = openSync(join(out, RECORDS), 'a');
  try {
    writeSync(file, `${line}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  process.stdout.write(`${line.length > 1500 ? `${line.slice(0, 1500)}...` : line}\n`);
}

export type Finding = Record<string, unknown> & { part: string; what?: string };

/** What OUT/proof.jsonl holds. */
export const findingsIn = (out: string): Finding[] =>
  readFileSync(join(out, RECORDS), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Finding);

/** Runs a piece of a part; what it returns or throws is recorded. @returns whether it came to an end */
export async function attempt(
  out: string,
  part: string,
  what: string,
  run: () => Promise<object>,
): Promise<boolean> {
  const begun = performance.now();
  const seconds = () => Number(((performance.now() - begun) / 1000).toFixed(2));
  try {
    const found = await run();
    record(out, part, { what, seconds: seconds(), ...found });
    return true;
  } catch (error) {
    const stack = error instanceof Error ? error.stack?.split('\n').slice(1, 6) : undefined;
    record(out, part, { what, seconds: seconds(), failed: messageOf(error), stack });
    return false;
  }
}
