// A description of this machine.

import { execFile } from 'node:child_process';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';

/** For `tinygpt doctor` and the head of a benchmark: one line per entry. */
export interface Machine {
  cpu: string;
  /** Logical cores that this process may use. */
  cores: number;
  memory: string;
  os: string;
  node: string;
  /** NVIDIA GPUs as nvidia-smi names them, or `none found`. */
  gpu: string;
}

/** Looks at the machine; asks nvidia-smi where there is one. Never throws. */
export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpuName(),
    cores: availableParallelism(),
    memory: `${(systemMemory() / 2 ** 30).toFixed(1)} GiB`,
    os: `${type()} ${release()}, ${process.arch}`,
    node: process.versions.node,
    gpu: (await nvidiaGpus()).join('; ') || 'none found',
  };
}

/** The processor's model without trademarks and clock rate, e.g. `Intel Xeon Platinum 8481C`. */
export function cpuName(): string {
  const model = cpus()[0]?.model ?? '';
  return (
    model
      .replace(/\((R|TM)\)/gi, '')
      .replace(/\s*(CPU\s*)?@.*$/, '')
      .replace(/\s+/g, ' ')
      .trim() || process.arch
  );
}

/** Bytes of memory that this process may take: the machine's, or its container's limit. */
export function systemMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** One entry per GPU, e.g. `NVIDIA H100 80GB HBM3, 79.6 GiB, driver 550.54.15`; empty without nvidia-smi. */
export async function nvidiaGpus(): Promise<string[]> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'];
  const options = { timeout: 10_000, env: process.env };
  const { stdout } = await promisify(execFile)('nvidia-smi', query, options).catch(() => ({ stdout: '' }));
  return stdout
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter((fields) => fields.length === 3)
    .map(
      ([name, mebibytes, driver]) =>
        `${name}, ${(Number(mebibytes) / 1024).toFixed(1)} GiB, driver ${driver}`,
    );
}
