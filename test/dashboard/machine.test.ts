// What the dashboard says of the machine, with a stand-in for nvidia-smi.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Machine, watchMachine } from '../../src/dashboard/machine.js';

const { PATH } = process.env;
let folder: string;
let machine: Machine | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-machine-'));
});
afterEach(() => {
  machine?.close();
  process.env.PATH = PATH;
  rmSync(folder, { recursive: true, force: true });
});

/** Waits for the file `end`. */
const stay = () => `while [ -d '${folder}' ] && [ ! -e '${join(folder, 'end')}' ]; do sleep 0.05; done`;

/** Watches with a shell script as nvidia-smi. */
function watchScript(script: string): Machine {
  writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'nvidia-smi'), 0o755);
  process.env.PATH = [folder, PATH].join(delimiter);
  machine = watchMachine();
  return machine;
}

/** Watches with an nvidia-smi that answers the query with lines, and ends when the file `end` is there. */
const watch = (...lines: string[]): Machine =>
  watchScript(`[ "$*" = '--query-gpu=index,name,utilization.gpu,memory.used,memory.total,power.draw --format=csv,noheader,nounits -l 2' ] || exit 6
${lines.map((line) => `echo '${line}'`).join('\n')}
${stay()}`);
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await wait(10);
}

test('use, memory and power of each GPU are as nvidia-smi says, the newest line of each', async () => {
  const { sample } = watch(
    '0, NVIDIA H100 80GB HBM3, 0, 1, 81559, 70.00',
    '1, NVIDIA L4, 100, 23000, 23034, [N/A]',
    '0, NVIDIA H100 80GB HBM3, 37, 2048, 81559, 412.50',
  );
  await until(() => sample().gpus[0]?.use === 0.37 && sample().gpus.length === 2);
  const MiB = 2 ** 20;
  expect(sample().gpus).toEqual([
    {
      name: 'NVIDIA H100 80GB HBM3',
      use: 0.37,
      memoryUsed: 2048 * MiB,
      memoryTotal: 81_559 * MiB,
      watts: 412.5,
    },
    { name: 'NVIDIA L4', use: 1, memoryUsed: 23_000 * MiB, memoryTotal: 23_034 * MiB, watts: null },
  ]);
});

test('lines that are no figures are left out', async () => {
  const { sample } = watch(
    'NVIDIA-SMI has failed because it could not communicate with the driver',
    '0, NVIDIA A100 MIG, [N/A], [N/A], [N/A], [N/A]',
    '',
    '1, NVIDIA L4, 5, 10, 23034, 30.1',
  );
  await until(() => sample().gpus.length > 0);
  expect(sample().gpus.map(({ name }) => name)).toEqual(['NVIDIA L4']);
});

test('a GPU is not shown any more once nvidia-smi has ended', async () => {
  const { sample } = watch('0, NVIDIA L4, 5, 10, 23034, 30.1');
  await until(() => sample().gpus.length === 1);
  writeFileSync(join(folder, 'end'), '');
  await until(() => sample().gpus.length === 0);
});

test('a GPU whose line is read after nvidia-smi has ended is not shown any more either', async () => {
  // What it leaves behind writes the line once it is gone.
  const late = "while kill -0 $watched; do sleep 0.05; done; echo '0, NVIDIA L4, 5, 10, 23034, 30.1'";
  const { sample } = watchScript(`watched=$$; { ${late}; ${stay()}; } 2>/dev/null &`);
  await until(() => sample().gpus.length === 1);
  writeFileSync(join(folder, 'end'), '');
  await until(() => sample().gpus.length === 0);
});

test('without nvidia-smi there are the CPU and memory', () => {
  process.env.PATH = folder;
  machine = watchMachine();
  const { cores, memoryUsed, memoryTotal, gpus } = machine.sample();
  expect(cores).toBeGreaterThan(0);
  expect(memoryTotal).toBeGreaterThan(memoryUsed);
  expect(gpus).toEqual([]);
});
