// The proof of the cuda backend (experiments/gpu) on the emulated device: a GPU that computes wrongly, or is lost
// midway, does not end it, and findings are written to disk part by part.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { summarize } from '../../experiments/gpu/summary.js';
import { describeEmulated } from '../backend/cuda/present.js';

const PROOF = fileURLToPath(new URL('../../experiments/gpu/proof.js', import.meta.url));

describeEmulated('the proof on a GPU', (device) => {
  let out = '';
  beforeAll(() => {
    out = mkdtempSync(join(tmpdir(), 'tinygpt-proof-'));
  });
  afterAll(() => rmSync(out, { recursive: true }));

  async function prove(env: NodeJS.ProcessEnv, ...words: string[]) {
    const all = ['--no-warnings', PROOF, '--tiny', '--out', out, '--python', '/nowhere/python3', ...words];
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
