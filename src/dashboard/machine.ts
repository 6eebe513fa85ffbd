// What this machine does now: CPU, memory, and NVIDIA's GPUs by nvidia-smi where it is installed.

import { type ChildProcess, spawn } from 'node:child_process';
import { cpus, freemem, totalmem } from 'node:os';
import { createInterface } from 'node:readline';
import type { MachineState } from '../report/messages.js';

/** Samples the machine while somebody looks. */
export type Machine = { sample(): MachineState; close(): void };

const QUERY = ['index', 'name', 'utilization.gpu', 'memory.used', 'memory.total', 'power.draw'];
const MEBIBYTE = 2 ** 20;

/** Begins to sample. */
export function watchMachine(): Machine {
  let before = cpuTimes();
  let share: number | null = null;
  const gpus = new Map<string, MachineState['gpus'][number]>();
  const query = watchGpus((cells) => {
    const [index = '', name = '', use, used, total, power] = cells;
    const [memoryUsed, memoryTotal] = [Number(used) * MEBIBYTE, Number(total) * MEBIBYTE];
    const watts = Number.isFinite(Number(power)) ? Number(power) : null;
    if (Number.isFinite(Number(use)) && Number.isFinite(memoryTotal))
      gpus.set(index, { name, use: Number(use) / 100, memoryUsed, memoryTotal, watts });
  });
  query?.once('close', () => gpus.clear()); // what it said last would be shown as if it were now
  return {
    sample() {
      const now = cpuTimes();
      const all = now.all - before.all;
      if (all > 0) share = 1 - (now.idle - before.idle) / all;
      if (all > 500 * cpus().length) before = now; // over half a second: less would be noise
      const memoryTotal = totalmem();
      const free = process.availableMemory?.() ?? freemem();
      return {
        cpu: share,
        cores: cpus().length,
        memoryUsed: Math.max(0, memoryTotal - free),
        memoryTotal,
        gpus: [...gpus.values()],
      };
    },
    close: () => void query?.kill(),
  };
}

/** Milliseconds of all processors since they started. */
function cpuTimes(): { all: number; idle: number } {
  const times = cpus().map((cpu) => cpu.times);
  const all = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.idle + t.irq, 0);
  return { all, idle: times.reduce((sum, t) => sum + t.idle, 0) };
}

/** A line every two seconds for each GPU; null where there is no nvidia-smi. */
function watchGpus(onLine: (cells: string[]) => void): ChildProcess | null {
  try {
    const args = [`--query-gpu=${QUERY.join(',')}`, '--format=csv,noheader,nounits', '-l', '2'];
    const child = spawn('nvidia-smi', args, { stdio: ['ignore', 'pipe', 'ignore'], env: process.env });
    child.on('error', () => {}); // not installed
    child.unref();
    createInterface({ input: child.stdout }).on('line', (line) =>
      onLine(line.split(',').map((cell) => cell.trim())),
    );
    return child;
  } catch {
    return null;
  }
}
