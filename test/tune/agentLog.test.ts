import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { agentEntries, readAgentLog } from '../../src/tune/agentLog.js';
import { float } from '../../src/tune/distributions.js';
import { loadStudy, randomSampler } from '../../src/tune/index.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { err, out, run } from '../cli/capture.js';

const LOG = `commit\tval_bpb\tmemory_gb\tstatus\tdescription
a1b2c3d\t0.997900\t44.0\tkeep\tbaseline
b2c3d4e\t0.993200\t44.2\tkeep\tincrease LR to 0.04
c3d4e5f\t1.005000\t44.0\tdiscard\tswitch to GeLU activation
d4e5f6a\t0.000000\t0.0\tcrash\tdouble model width (OOM)
`;
const git = spawnSync('git', ['--version']).status === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-import-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe("an agent's log", () => {
  test('is read as the reference writes it', () => {
    const { metric, runs } = readAgentLog(LOG);
    expect(metric).toBe('val_bpb');
    expect(runs.map(({ value }) => value)).toEqual([0.9979, 0.9932, 1.005, null]);
    expect(runs[1]).toEqual({
      value: 0.9932,
      commit: 'b2c3d4e',
      status: 'keep',
      description: 'increase LR to 0.04',
      more: { memory_gb: 44.2 },
    });
  });

  test.each([
    ['line ends, a byte order mark and blank lines', `\uFEFF${LOG.replaceAll('\n', '\r\n')}\r\n`],
    ['tabs in the last column', LOG.replace('baseline', 'base\tline')],
    ['other columns', LOG.replace('memory_gb', 'gap').replaceAll('discard', 'rejected')],
    ['a baseline without a commit', LOG.replace('a1b2c3d', 'baseline')],
  ])('%s do not matter', (_, text) => {
    expect(readAgentLog(text).runs.map(({ value }) => value)).toEqual([0.9979, 0.9932, 1.005, null]);
  });

  test.each([
    ['', /^Expected a first line with the columns commit, val_bpb/],
    [LOG.replaceAll('\t', ','), /separated by tabs/],
    [LOG.replace('0.993200', 'good'), /^Expected a number for val_bpb in line 3, got "good"/],
    [LOG.split('\n')[0]!, /^Expected experiments below the first line/],
  ])('%j is refused', (text, message) => {
    expect(() => readAgentLog(text)).toThrow(message);
  });

  test('constants beyond 2^53 are floats of its space', () => {
    const runs = [1, 2].map((value) => ({ value, commit: null, status: 'keep', description: 'x', more: {} }));
    const scripts = ['CLIP = 1e20\n', 'CLIP = 2e20\n'];
    const names = { name: 'agent', metric: 'loss', direction: 'minimize', sampler: 'agent' } as const;
    const entries = agentEntries({ ...names, runs, scripts, language: 'python', begin: 0, source: {} });
    expect(entries).toContainEqual(
      expect.objectContaining({ user_attr: { space: { CLIP: float(1e20, 2e20) } } }),
    );
  });

  test('another column can be the value', () => {
    expect(readAgentLog(LOG, 'memory_gb').runs[0]!.value).toBe(44);
    expect(() => readAgentLog(LOG, 'loss')).toThrow('Expected a column loss, got commit, val_bpb');
  });
});

describe('tinygpt import', () => {
  test('makes a study that Optuna and the samplers can read, with cost and hours', async () => {
    writeFileSync(join(folder, 'results.tsv'), LOG);
    const at = join(folder, 'agent');
    expect(
      await run('import', join(folder, 'results.tsv'), '--out', at, '--cost', '27', '--hours', '8'),
    ).toBe(0);
    expect(out).toContain('4 trials: 3 complete, 0 pruned, 1 failed (1 out_of_memory)');
    expect(out).not.toContain('parameter'); // a log has none, and a table of none is left out
    const [study] = readJournal(join(at, 'journal.log'));
    expect(study!.userAttrs).toMatchObject({ sampler: 'agent', cost_usd: 27, hours: 8 });
    const [first, , , last] = study!.trials;
    expect(first).toMatchObject({ state: 'complete', value: 0.9979, userAttrs: { commit: 'a1b2c3d' } });
    expect(last).toMatchObject({ state: 'fail', value: null });
    expect(last!.end! - first!.start!).toBe(8 * 3600e3);
    expect(await run('import', join(folder, 'results.tsv'), '--out', at)).toBe(2);
    expect(err).toContain('which exists');
  });

  (git ? test : test.skip)('reads the hyperparameters of each commit that git still has', async () => {
    const repository = join(folder, 'repository');
    mkdirSync(repository);
    const call = (...words: string[]) => {
      const identity = ['-c', 'user.name=a', '-c', 'user.email=a@b.c', '-c', 'commit.gpgsign=false'];
      const { status, stdout } = spawnSync('git', ['-C', repository, ...identity, ...words], {
        encoding: 'utf8',
      });
      expect(status).toBe(0);
      return stdout.trim();
    };
    call('init', '-q');
    const commit = (rate: number, depth: number) => {
      writeFileSync(
        join(repository, 'train.py'),
        // A seed that changes is no parameter.
        `MATRIX_LR = ${rate}\nDEPTH = ${depth}\nTIME_BUDGET = 300\nSEED = ${depth}\ntorch_seed = ${1000 * rate}\n`,
      );
      call('add', '.');
      call('commit', '-q', '-m', 'change');
      return call('rev-parse', '--short', 'HEAD');
    };
    commit(0.04, 8);
    const [second, third] = [commit(0.05, 8), commit(0.05, 9)];
    const log = LOG.replace('a1b2c3d', 'baseline').replace('b2c3d4e', second).replace('c3d4e5f', third);
    writeFileSync(join(folder, 'git.tsv'), log);
    const at = join(folder, 'history');
    expect(await run('import', join(folder, 'git.tsv'), '--out', at, '--git', repository)).toBe(0);
    expect(out).toContain('4 experiments from');
    expect(out).toContain('3 with hyperparameters from git');
    const study = loadStudy({ storage: join(at, 'journal.log'), sampler: randomSampler() });
    expect(study.trials.map(({ params }) => params)).toEqual([
      { MATRIX_LR: 0.04, DEPTH: 8 },
      { MATRIX_LR: 0.05, DEPTH: 8 },
      { MATRIX_LR: 0.05, DEPTH: 9 },
      {},
    ]);
    expect(await run('import', join(folder, 'git.tsv'), '--out', join(folder, 'x'), '--git', folder)).toBe(2);
    expect(err).toContain('Expected a git repository');
  });

  test('puts a contestant into the folder of a contest', async () => {
    const contest = join(folder, 'contest');
    expect(await run('import', join(folder, 'results.tsv'), '--contest', contest, '--name', 'claude')).toBe(
      0,
    );
    expect(readJournal(join(contest, 'claude-1', 'journal.log'))[0]!.name).toBe('claude-1');
    expect(await run('import', join(folder, 'results.tsv'), '--contest', contest, '--name', 'claude')).toBe(
      2,
    );
    expect(err).toContain('choose another with --name');
    const other = ['--contest', contest, '--name', 'other', '--direction', 'maximize'];
    expect(await run('import', join(folder, 'results.tsv'), ...other)).toBe(2);
    expect(err).toContain('Expected --direction minimize, as in the contest in');
    expect(await run('import', join(folder, 'results.tsv'), '--name', '../x')).toBe(2);
  });
});
