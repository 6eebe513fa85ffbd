// Checks that studies can be shared with Optuna: both read the same journals alike, work on them at the same time and
// make the same pruning decisions, and optuna-dashboard shows them. Needs a Python with optuna and optuna-dashboard.
//
//   npm run build && node build/experiments/optuna-interop/interop.js --python PATH [--write] [--golden] [--only TEXT]
//
// --write records the result in experiments/results/optuna-interop.md; --golden first rewrites the golden logs
// of test/golden/journal; --only runs the checks whose names contain a text.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { counted } from '../../src/base/format.js';
import { formatJson, parseJson } from '../../src/base/json.js';
import { readJournal } from '../../src/tune/storage/index.js';
import { createStudy } from '../../src/tune/study.js';
import { TrialPruned } from '../../src/tune/trial.js';
import { describeStudies } from './describe.js';
import { continueGoals, sameConditions, sameGoals, writeConditional, writeGoals } from './goals.js';
import { ourGoldenLines } from './ourGolden.js';
import { space, uniform } from './problem.js';
import { play, randomScenarios } from './scenarios.js';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    write: { type: 'boolean', default: false },
    golden: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const root = fileURLToPath(new URL('../../../', import.meta.url));
const here = join(root, 'experiments/optuna-interop');
const golden = join(root, 'test/golden/journal');
const scratch = mkdtempSync(join(tmpdir(), 'tinygpt-interop-'));

function python(args: string[], input = ''): string {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
  const run = spawnSync(flags.python, args, { cwd: here, input, encoding: 'utf8', maxBuffer: 1 << 28, env });
  if (run.status !== 0) throw new Error(`${args.join(' ')} failed:\n${run.stderr || run.error}`);
  return run.stdout;
}

/** Optuna reads the journal as we do. */
function sameReading(path: string): string {
  const theirs = parseJson(python(['describe.py', path])) as { trials: unknown[] }[];
  const ours = describeStudies(readJournal(path));
  if (!isDeepStrictEqual(ours, theirs)) {
    writeFileSync(join(tmpdir(), 'ours.json'), formatJson(ours));
    writeFileSync(join(tmpdir(), 'theirs.json'), formatJson(theirs));
    throw new Error(`${path} reads differently; compare ours.json and theirs.json in ${tmpdir()}`);
  }
  const trials = theirs.reduce((sum, study) => sum + study.trials.length, 0);
  return `${counted(theirs.length, 'study', 'studies')}, ${counted(trials, 'trial')}`;
}

/** Starts workers together and waits for them. */
async function runTogether(workers: ChildProcess[]): Promise<void> {
  await Promise.all(workers.map((worker) => once(worker.stdout!, 'data')));
  for (const worker of workers) worker.stdin!.write('go\n');
  const codes = await Promise.all(workers.map(async (worker) => (await once(worker, 'exit'))[0] as number));
  if (codes.some((code) => code !== 0)) throw new Error(`Workers ended with ${codes}`);
}

const stdio = ['pipe', 'pipe', 'inherit'] as const;
const pythonWorker = (path: string, count: number, ...more: string[]) =>
  spawn(flags.python, ['worker.py', path, 'shared', String(count), ...more], {
    cwd: here,
    stdio: [...stdio],
  });
const ourWorker = (path: string, count: number) =>
  spawn(
    process.execPath,
    [fileURLToPath(new URL('worker.js', import.meta.url)), path, 'shared', String(count)],
    {
      stdio: [...stdio],
    },
  );

function checkShared(path: string, counts: Record<string, number>): string {
  const [study] = readJournal(path);
  for (const [who, count] of Object.entries(counts)) {
    const done = study!.trials.filter((t) => t.state === 'complete' && t.userAttrs.by === who);
    if (done.length !== count) throw new Error(`Expected ${count} trials by ${who}, got ${done.length}`);
  }
  if (study!.trials.some((trial) => trial.state !== 'complete')) throw new Error('A trial did not complete');
  if (study!.trials.some((trial) => Object.keys(trial.params).length !== 4))
    throw new Error('A parameter is missing');
  return `${study!.trials.length} trials, numbered without gaps; ${sameReading(path)} alike in both`;
}

const results: [string, string][] = [];
async function step(name: string, work: () => string | Promise<string>): Promise<void> {
  if (!name.includes(flags.only)) return;
  const detail = await work();
  results.push([name, detail]);
  console.log(`ok  ${name}: ${detail}`);
}

/** A study of ours with every state, attributes, NaN and infinities. */
async function writeOurs(path: string): Promise<void> {
  const study = createStudy({
    name: 'ours "é"',
    storage: path,
    space,
    sampler: uniform,
    metricName: 'val_bpb',
    objective: { trial_seconds: 60 },
    check: ({ depth }) => (depth === 12 ? { reason: 'memory', detail: '13 GB of 12 GB' } : null),
  });
  study.enqueue({ kind: 'b' });
  await study.optimize(
    (trial) => {
      trial.setUserAttr('config', { lr: trial.params.lr, note: 'ü', list: [1, null, Number.NaN] });
      trial.report(0, trial.number === 3 ? Number.NaN : 4);
      trial.report(50, trial.number === 4 ? Number.POSITIVE_INFINITY : 3);
      if (trial.number === 5) throw new TrialPruned();
      if (trial.number === 6) throw new Error('out of memory\nsecond line');
      if (trial.number === 7) return Number.NaN;
      if (trial.number === 8) return Number.NEGATIVE_INFINITY;
      return (trial.params.x as number) ** 2;
    },
    { trials: 14, catch: true },
  );
  study.ask(); // stays running
  study.enqueue({ x: 1 }); // stays waiting
  const second = createStudy({
    name: 'second',
    direction: 'maximize',
    storage: path,
    space,
    sampler: uniform,
  });
  second.tell(second.ask(), 2.5);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** Starts the dashboard, asks for its studies and one of them, and stops it. */
async function dashboard(path: string): Promise<string> {
  const port = await freePort();
  const command = join(dirname(flags.python), 'optuna-dashboard');
  const args = [path, '--host', '127.0.0.1', '--port', String(port)];
  const server = spawn(flags.python.includes('/') ? command : 'optuna-dashboard', args, { stdio: 'ignore' });
  try {
    const get = async (route: string) => {
      for (let tries = 0; ; tries++) {
        try {
          const response = await fetch(`http://127.0.0.1:${port}${route}`);
          if (!response.ok) throw new Error(`${route} answered ${response.status}`);
          return (await response.json()) as Record<string, unknown>; // strict JSON, as a browser's
        } catch (error) {
          if (tries === 150) throw error;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      }
    };
    const { study_summaries: list } = (await get('/api/studies')) as {
      study_summaries: { study_name: string }[];
    };
    const { trials } = (await get('/api/studies/0')) as { trials: unknown[] };
    return `/api/studies lists ${list.map((s) => s.study_name).join(', ')}; /api/studies/0 has ${trials.length} trials`;
  } finally {
    server.kill();
    await once(server, 'exit');
  }
}

const versions = python([
  '-c',
  'import optuna, optuna_dashboard, sys; print(sys.version.split()[0], optuna.__version__, optuna_dashboard.__version__)',
])
  .trim()
  .split(' ');

try {
  if (flags.golden) {
    python(['golden.py', golden]);
    writeFileSync(join(golden, 'tinygpt.log'), `${ourGoldenLines().join('\n')}\n`);
    const scenarios = randomScenarios(60, 7);
    const decisions = parseJson(python(['pruners.py'], formatJson(scenarios))) as unknown[];
    const lines = scenarios.map((scenario, i) => formatJson({ ...scenario, decisions: decisions[i] }));
    writeFileSync(join(golden, 'pruners.json'), `[\n${lines.join(',\n')}\n]\n`);
  }
  const ours = join(scratch, 'ours.log');
  await writeOurs(ours);
  await step('Optuna loads our study', () => sameReading(ours));
  await step('Optuna loads our golden log', () => sameReading(join(golden, 'tinygpt.log')));
  await step('We load what Optuna writes', () => sameReading(join(golden, 'optuna.log')));
  await step('optuna-dashboard shows our study', () => dashboard(ours));
  await step('A Python worker and two of ours at once, on our study', async () => {
    const path = join(scratch, 'shared.log');
    createStudy({ name: 'shared', storage: path, space, sampler: uniform, runDefaults: false });
    await runTogether([pythonWorker(path, 20), ourWorker(path, 20), ourWorker(path, 20)]);
    return checkShared(path, { python: 20, tinygpt: 40 });
  });
  await step('A queue of 30 served by Python and ours: each trial runs once', async () => {
    const path = join(scratch, 'queue.log');
    const study = createStudy({ name: 'shared', storage: path, space, sampler: uniform, runDefaults: false });
    for (let i = 0; i < 30; i++) study.enqueue({ x: i / 10 });
    await runTogether([pythonWorker(path, 15), ourWorker(path, 15)]);
    const claims = readFileSync(path, 'utf8').match(/"op_code":6,[^\n]*"state":0/g)?.length ?? 0;
    study.refresh();
    if (study.trials.length !== 30) throw new Error(`Expected 30 trials, got ${study.trials.length}`);
    return `${checkShared(path, { python: 15, tinygpt: 15 })}; ${claims} claims recorded`;
  });
  await step('We continue a study that Python created', async () => {
    const path = join(scratch, 'python.log');
    await runTogether([pythonWorker(path, 10, 'create')]);
    await runTogether([ourWorker(path, 10)]);
    await runTogether([pythonWorker(path, 5)]);
    return checkShared(path, { python: 15, tinygpt: 10 });
  });
  await step('Pruners decide as Optuna does', () => {
    const scenarios = randomScenarios(400, 11);
    const theirs = parseJson(python(['pruners.py'], formatJson(scenarios))) as (number | null)[][];
    const pruned = theirs.flat().filter((at) => at !== null).length;
    scenarios.forEach((scenario, i) => {
      const decisions = play(scenario);
      if (!isDeepStrictEqual(decisions, theirs[i]))
        throw new Error(
          `${formatJson({ ...scenario, trials: 0 })}\n${formatJson(decisions)}\n${formatJson(theirs[i])}`,
        );
    });
    return `${scenarios.length} random studies of 5 pruners, ${theirs.flat().length} trials, ${pruned} pruned, all at the same step`;
  });
  const goals = join(scratch, 'goals.log');
  await step('Optuna sees our constraints and fronts', async () => {
    await writeGoals(goals);
    return sameGoals(python, goals);
  });
  await step('optuna-dashboard shows a study with constraints and two objectives', () => dashboard(goals));
  await step('Parameters with a condition are absent where they do not apply', async () => {
    const path = join(scratch, 'conditional.log');
    await writeConditional(path);
    python(['goals.py', 'continue', path, 'conditional', 'tpe']);
    python(['goals.py', 'continue', path, 'conditional', 'gp']);
    return `${sameConditions(python, path)}, 10 of Optuna's TPE and GP samplers; ${sameReading(path)} alike in both`;
  });
  await step("We open and continue Optuna's constraints, fronts and conditions", async () => {
    const path = join(scratch, 'theirs.log');
    python(['goals.py', 'write', path]);
    const before = sameGoals(python, path);
    await continueGoals(path);
    sameGoals(python, path);
    return `${before}; after five more trials each still so; ${sameConditions(python, path)}`;
  });
  if (flags.write) {
    const table = results.map(([name, detail]) => `| ${name} | ${detail} |`).join('\n');
    writeFileSync(
      join(root, 'experiments/results/optuna-interop.md'),
      `# Sharing studies with Optuna\n\nCommand: \`node build/experiments/optuna-interop/interop.js --python PATH --write\`\n\n` +
        `Node ${process.versions.node}, Python ${versions[0]}, optuna ${versions[1]}, optuna-dashboard ${versions[2]}, ` +
        `${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}.\n\n| checked | result |\n|---|---|\n${table}\n`,
    );
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
