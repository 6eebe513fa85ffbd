// The proof of the cuda backend (experiments/gpu) on the emulated device: a GPU that computes wrongly, or is lost
// midway, does not end it, and findings are written to disk part by part.

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findingsIn } from '../../experiments/gpu/record.js';
import { summarize } from '../../experiments/gpu/summary.js';
import { isAlive } from '../../src/base/files.js';
import { describeEmulated } from '../backend/cuda/present.js';

const PROOF = fileURLToPath(new URL('../../experiments/gpu/proof.js', import.meta.url));

const PART = fileURLToPath(new URL('../../experiments/gpu/part.js', import.meta.url));
const NO_PYTHON = ['--python', '/nowhere/python3'];

describeEmulated('the proof on a GPU', (device) => {
  let out = '';
  beforeAll(() => {
    out = mkdtempSync(join(tmpdir(), 'tinygpt-proof-'));
  });
  afterAll(() => rmSync(out, { recursive: true }));

  async function prove(env: NodeJS.ProcessEnv, ...words: string[]) {
    const all = [
      '--no-warnings',
      PROOF,
      '--tiny',
      '--out',
      out,
      ...(words.includes('--python') ? [] : NO_PYTHON),
      ...words,
    ];
    await new Promise<void>((resolve, reject) => {
      const options = { env: { ...process.env, TINYGPT_CUDA_LIBRARIES: device().folder, ...env } };
      execFile(process.execPath, all, options, (error) => (error ? reject(error) : resolve()));
    });
    const lines = readFileSync(join(out, 'proof.jsonl'), 'utf8').trim().split('\n');
    const summary = readFileSync(join(out, 'summary.md'), 'utf8');
    return { found: lines.map((line) => JSON.parse(line) as Record<string, unknown>), summary };
  }

  test('lists every failed check and goes on with the next part where the GPU is lost', async () => {
    const { found, summary } = await prove(
      { FAKE_LOSE: 'cuLaunchKernel:40:700' },
      '--parts',
      'checks,golden',
    );
    const checks = found.find(({ what }) => what === 'self-test fp32')!;
    expect((checks.failures as string[]).length).toBeGreaterThan(2);
    expect(checks.failures).toContainEqual(expect.stringContaining('CUDA_ERROR_ILLEGAL_ADDRESS'));
    const golden = found.filter(({ part, what }) => part === 'golden' && what);
    expect(golden).toHaveLength(4);
    expect(golden.every(({ failed }) => typeof failed === 'string')).toBe(true);
    expect(found.filter(({ ended }) => ended === 'ok').map(({ part }) => part)).toEqual(['checks', 'golden']);
    expect(summary).toMatch(/## What failed\n\n- checks, self-test fp32: /);
  });

  test('reports which parts were skipped for lack of time or PyTorch', async () => {
    const { found, summary } = await prove({}, '--parts', 'peer');
    expect(found.filter(({ part, what }) => part === 'peer' && what)).toHaveLength(3);
    expect(summary).toMatch(/peer, autoresearch.*(it reported nothing|ended)/);
    const late = await prove({}, '--parts', 'golden', '--minutes', '0.01');
    expect(late.summary).toMatch(/golden: skipped, no time is left/);
  });

  /** A stand-in for Python with PyTorch: a shell script, which leaves its process's id in `pid`. */
  const standIn = (body: string): string => {
    const file = join(out, 'python3');
    writeFileSync(file, `#!/bin/sh\necho $$ >'${join(out, 'pid')}'\n${body}\n`, { mode: 0o755 });
    return file;
  };
  const isGone = async (name: string) => {
    const pid = Number(readFileSync(join(out, name), 'utf8'));
    while (isAlive(pid)) await setImmediate();
  };

  test('a peer counts whose own processes outlive it, and these are ended with the part', async () => {
    const python = standIn(`sleep 600 &\necho $! >'${join(out, 'worker')}'\necho '{"tokens_per_second":1}'`);
    const { found } = await prove({}, '--python', python, '--parts', 'peer');
    const peers = found.filter(({ part, what }) => part === 'peer' && what);
    expect(peers.map(({ reports }) => reports)).toEqual(Array(3).fill([{ tokens_per_second: 1 }]));
    expect(found.at(-1)).toMatchObject({ part: 'peer', ended: 'ok' });
    await isGone('worker');
  });

  test('a small GPU gets fewer rows at a time, and so does PyTorch', async () => {
    const rowsOn = async (gpu: string) => {
      const { found } = await prove(
        { FAKE_DEVICE: gpu },
        '--python',
        standIn('cat && echo'),
        '--parts',
        'peer',
      );
      const inputs = found.flatMap(
        ({ reports }) => (reports ?? []) as { batch: number; accumulation: number }[],
      );
      return inputs.map(({ batch, accumulation }) => [batch, accumulation]);
    };
    expect(await rowsOn('Large;8;0;4;166912;1000000000')).toEqual([
      [2, 1],
      [2, 2],
      [2, 1],
    ]);
    expect(await rowsOn('Small;8;0;4;166912;1000000')).toEqual([
      [1, 2],
      [1, 4],
      [1, 2],
    ]);
  });

  test("PyTorch's part takes the rows that ours has taken, whether or not our libraries work", () => {
    const finding = { part: 'speed', what: 'tinystories bf16', device_batch_size: 1 };
    writeFileSync(join(out, 'proof.jsonl'), `${JSON.stringify(finding)}\n`);
    const options = { out, tiny: true, data: out, python: standIn('cat && echo'), seconds: 60 };
    const env = { PATH: process.env.PATH, TINYGPT_CUDA_LIBRARIES: out };
    execFileSync(process.execPath, ['--no-warnings', PART, 'peer', JSON.stringify(options)], { env });
    const inputs = findingsIn(out).flatMap(({ reports }) => (reports ?? []) as { batch: number }[]);
    expect(inputs.map(({ batch }) => batch)).toEqual([2, 1, 2]);
  });

  test('a signal ends the part that is at work too, and what was found is summarized', async () => {
    const python = standIn("kill -TERM $(cut -d' ' -f4 /proc/$PPID/stat)\nexec sleep 600");
    await expect(prove({}, '--python', python, '--parts', 'golden,peer')).rejects.toMatchObject({
      code: 143,
    });
    await isGone('pid');
    expect(readFileSync(join(out, 'summary.md'), 'utf8')).toMatch(/golden: ok/);
  });

  test('the summary says which memory trials left behind, and why one failed', () => {
    const seen = { tensors: [0], bytes: [0, -512] };
    const finding = {
      part: 'trials',
      what: 'bf16',
      trials: 2,
      other: 1,
      flat: false,
      seen,
      errors: ['trial 1: no'],
    };
    writeFileSync(join(out, 'proof.jsonl'), `${JSON.stringify(finding)}\n`);
    const [, failed] = summarize(out).split('## ');
    expect(failed).toMatch('- trials, bf16: trial 1: no\n');
    expect(failed).toMatch(
      '- trials, bf16: trials left different memory behind: {"tensors":[0],"bytes":[0,-512]}',
    );
  });
});
