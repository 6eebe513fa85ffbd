import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { cpuName, describeMachine, nvidiaGpus } from '../../src/backend/machine.js';

test('describes the machine in printable lines', async () => {
  const machine = await describeMachine();
  expect(machine.cpu).toBe(cpuName());
  expect(machine.cpu).not.toMatch(/\(R\)|\(TM\)|@| {2}/);
  expect(machine.cores).toBeGreaterThan(0);
  expect(machine.memory).toMatch(/^\d+\.\d GiB$/);
  expect(machine.node).toBe(process.versions.node);
});

describe('nvidiaGpus', () => {
  async function withNvidiaSmi(script: string | undefined): Promise<string[]> {
    const folder = mkdtempSync(join(tmpdir(), 'tinygpt-smi-'));
    const path = process.env.PATH;
    try {
      if (script !== undefined) {
        writeFileSync(join(folder, 'nvidia-smi'), script);
        chmodSync(join(folder, 'nvidia-smi'), 0o755);
      }
      process.env.PATH = script === undefined ? folder : [folder, path].join(delimiter);
      return await nvidiaGpus();
    } finally {
      process.env.PATH = path;
      rmSync(folder, { recursive: true });
    }
  }

  test('names each GPU with its memory and driver', async () => {
    const script =
      '#!/bin/sh\necho "NVIDIA H100 80GB HBM3, 81559, 550.54.15"\necho "NVIDIA L4, 23034, 550.54.15"\n';
    expect(await withNvidiaSmi(script)).toEqual([
      'NVIDIA H100 80GB HBM3, 79.6 GiB, driver 550.54.15',
      'NVIDIA L4, 22.5 GiB, driver 550.54.15',
    ]);
  });

  test('returns nothing when nvidia-smi is missing, fails or prints something else', async () => {
    expect(await withNvidiaSmi(undefined)).toEqual([]);
    expect(await withNvidiaSmi('#!/bin/sh\necho "NVIDIA-SMI has failed"\nexit 9\n')).toEqual([]);
    expect(await withNvidiaSmi('#!/bin/sh\necho "No devices were found"\n')).toEqual([]);
  });
});
