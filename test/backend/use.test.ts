import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { findDriver } from '../../src/backend/drivers.js';
import {
  BACKEND_NAMES,
  type BackendName,
  byPreference,
  probeBackends,
  type SelfCheck,
  useBackend,
} from '../../src/backend/index.js';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { absentBackends, describeEachBackend, presentBackends } from './present.js';

const variable = process.env.TINYGPT_CACHE;
let cache = '';

beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), 'tinygpt-cache-'));
  process.env.TINYGPT_CACHE = cache;
});

afterEach(() => {
  process.env.TINYGPT_CACHE = cache;
});

afterAll(() => {
  delete process.env.TINYGPT_CACHE;
  if (variable !== undefined) process.env.TINYGPT_CACHE = variable;
  rmSync(cache, { recursive: true });
});

/** A case that counts its runs and fails on the given backends. */
function countingCheck(name: string, failsOn: BackendName[] = []): SelfCheck & { runs: number } {
  const check = {
    name,
    runs: 0,
    run() {
      check.runs++;
      return { got: tf.scalar(failsOn.includes(tf.getBackend() as BackendName) ? 2 : 1), expected: [1] };
    },
  };
  return check;
}

test('wasm and cpu are always present', () => {
  expect(presentBackends).toEqual(expect.arrayContaining(['wasm', 'cpu']));
});

describeEachBackend('useBackend', (backend) => {
  test('makes the backend current and describes it', async () => {
    const info = await useBackend(backend);
    expect(tf.getBackend()).toBe(backend);
    expect(info).toMatchObject({ name: backend });
    expect(info.device).not.toBe('');
    expect(info.version).toMatch(/\d+\.\d+/);
    expect(info.memoryBytes).toBeGreaterThan(2 ** 28);
  });

  test('leaks no tensors, even when called again', async () => {
    const before = tf.memory();
    await useBackend(backend, { checks: [countingCheck(`fresh on ${backend}`)] });
    await useBackend(backend);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });
});

describe('errors', () => {
  test('an unknown backend is an error with the list of names', async () => {
    const use = useBackend('gpu' as never);
    await expect(use).rejects.toThrow(UsageError);
    await expect(use).rejects.toThrow(`auto, ${BACKEND_NAMES.join(', ')}; got gpu`);
  });

  test.each(['wasm', 'cpu'] as const)(
    'bf16 on %s names the backends that offer it, or says that none does',
    async (name) => {
      const use = useBackend(name, { precision: 'bf16' });
      await expect(use).rejects.toThrow(UsageError);
      await expect(use).rejects.toThrow(
        /Expected a precision that .* has \(fp32\), got bf16, which is offered by \w+/,
      );
    },
  );

  test('bf16 never falls back to another precision', async () => {
    const outcome = await useBackend('auto', { precision: 'bf16' }).catch((error) => error);
    if (outcome instanceof Error) expect(outcome.name).toMatch(/^(Usage|Environment)Error$/);
    else expect(outcome.precision).toBe('bf16');
  });

  test.each(absentBackends)(
    '$name, absent here, is an EnvironmentError with its reason',
    async ({ name, reason }) => {
      const use = useBackend(name);
      await expect(use).rejects.toThrow(EnvironmentError);
      await expect(use).rejects.toThrow(reason);
    },
  );
});

describe('the self-test', () => {
  test('runs once and is remembered, per backend and set of cases', async () => {
    const [check, other] = [countingCheck('remembered'), countingCheck('another')];
    await useBackend('wasm', { checks: [check] });
    await useBackend('wasm', { checks: [check] });
    expect(check.runs).toBe(1);
    await useBackend('cpu', { checks: [check] });
    expect(check.runs).toBe(2);
    await useBackend('cpu', { checks: [check, other] });
    expect([check.runs, other.runs]).toEqual([3, 1]);
    expect(readdirSync(join(cache, 'self-test')).some((file) => file.startsWith('wasm-'))).toBe(true);
  });

  test('runs every time where the cache cannot be written', async () => {
    writeFileSync(join(cache, 'file'), '');
    process.env.TINYGPT_CACHE = join(cache, 'file', 'below');
    const check = countingCheck('unwritable');
    await useBackend('wasm', { checks: [check] });
    await useBackend('wasm', { checks: [check] });
    expect(check.runs).toBe(2);
  });

  test('a backend that fails the self-test throws on every request', async () => {
    const check = countingCheck('golden step', ['cpu']);
    for (let i = 0; i < 2; i++) {
      const use = useBackend('cpu', { checks: [check] });
      await expect(use).rejects.toThrow(EnvironmentError);
      await expect(use).rejects.toThrow(
        /cpu .*computes wrongly on this machine: golden step: expected 1 at 0, got 2/,
      );
    }
    expect(check.runs).toBe(2);
  });

  test('auto skips a backend that fails the self-test, with a warning', async () => {
    const notes: string[] = [];
    const considered: BackendName[] = [];
    const probe = async (name: BackendName) => (await findDriver(name))!.probe();
    for await (const { name, available } of byPreference(probe)) if (available) considered.push(name);
    const others = considered.filter((name) => name !== 'cpu');
    const check = countingCheck('golden step', others);
    const info = await useBackend('auto', { checks: [check], onNote: (line) => notes.push(line) });
    expect(info.name).toBe('cpu');
    expect(tf.getBackend()).toBe('cpu');
    expect(notes.filter((note) => /was skipped: .*golden step/.test(note))).toHaveLength(others.length);
  });

  test('reports all reasons when no backend is left', async () => {
    const check = countingCheck('impossible step', [...BACKEND_NAMES]);
    const use = useBackend('auto', { checks: [check] });
    await expect(use).rejects.toThrow(EnvironmentError);
    await expect(use).rejects.toThrow(/No backend can be used here .*wasm: .*cpu: /);
  });
});

describe('the automatic choice', () => {
  const order = async (...onGpu: BackendName[]) => {
    const names: BackendName[] = [];
    for await (const { name } of byPreference((name) => ({
      name,
      available: true,
      precisions: ['fp32'],
      info: { name, precision: 'fp32', device: '', version: '', gpu: onGpu.includes(name) },
    })))
      names.push(name);
    return names;
  };

  test('prefers a GPU, and native to TensorFlow on the CPU', async () => {
    expect(await order('cuda', 'tensorflow')).toEqual(['cuda', 'tensorflow', 'native', 'wasm', 'cpu']);
    expect(await order('tensorflow')).toEqual(['cuda', 'tensorflow', 'native', 'wasm', 'cpu']);
    expect(await order()).toEqual(['cuda', 'native', 'tensorflow', 'wasm', 'cpu']);
  });

  test('chooses a backend that is present', async () => {
    const { name, gpu } = await useBackend('auto');
    expect(presentBackends).toContain(name);
    if (presentBackends.includes('native') && !gpu) expect(name).toBe('native');
  });
});

describe('probeBackends', () => {
  test('reports every backend in one order, with a reason and a remedy where it is absent', async () => {
    const probes = await probeBackends();
    expect(probes.map(({ name }) => name)).toEqual([...BACKEND_NAMES]);
    for (const { available, info, reason, remedy, precisions } of probes)
      if (available) expect([info?.precision, reason]).toEqual([precisions[0], undefined]);
      else expect([typeof reason, typeof remedy]).toEqual(['string', 'string']);
    expect(probes.filter((p) => p.available).map((p) => p.name)).toEqual(presentBackends);
  });

  test('leaves the current backend and the count of tensors as they were', async () => {
    await useBackend('cpu');
    const { numTensors } = tf.memory();
    await probeBackends();
    expect(tf.getBackend()).toBe('cpu');
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});
