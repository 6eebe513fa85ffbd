import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { float, int } from '../../../src/tune/distributions.js';
import { medianPruner } from '../../../src/tune/pruners/index.js';
import { randomSampler } from '../../../src/tune/samplers/random.js';
import { fillIn, splitCommand } from '../../../src/tune/script/commandLine.js';
import {
  type CommandOptions,
  commandObjective,
  memoryKills,
} from '../../../src/tune/script/commandObjective.js';
import { metricReader, stepReader } from '../../../src/tune/script/metric.js';
import { lineSplitter, openBoundedLog } from '../../../src/tune/script/output.js';
import { processStatus } from '../../../src/tune/storage/worker.js';
import { createStudy } from '../../../src/tune/study.js';
import type { SearchSpace, Trial } from '../../../src/tune/types.js';

const node = process.execPath;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-command-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs trials of a JavaScript program; the default configuration first. */
async function runScript(
  code: string,
  more: Partial<CommandOptions> & { trials?: number; signal?: AbortSignal; space?: SearchSpace } = {},
): Promise<readonly Trial[]> {
  const at = mkdtempSync(join(folder, 'run-'));
  const { trials = 1, signal, space = { x: float(0, 1) }, ...options } = more;
  const study = createStudy({ space, sampler: randomSampler(), pruner: medianPruner({ startupTrials: 1 }) });
  const objective = commandObjective({
    command: [node, '-e', code, '{x}'],
    metric: 'loss',
    parameters: Object.keys(space),
    folder: join(at, 'trials'),
    cwd: at,
    ...options,
  });
  await study.optimize(objective, { trials, catch: true, ...(signal && { signal }) });
  return study.trials;
}

describe('a command line', () => {
  test.each([
    ['python train.py  --lr {lr}', ['python', 'train.py', '--lr', '{lr}']],
    [`a "b c" 'd "e' f\\ g "" "x\\"y"`, ['a', 'b c', 'd "e', 'f g', '', 'x"y']],
    [`sh -c 'a | b > "$1"' _ {x}`, ['sh', '-c', 'a | b > "$1"', '_', '{x}']],
  ])("%j is split by a shell's quoting", (command, words) => {
    expect(splitCommand(command)).toEqual(words);
  });

  test.each([
    'a | b',
    'a; b',
    'a && b',
    'a > f',
    'a $HOME',
    'a `b`',
    '~/a',
    'a "b',
    "a 'b",
    '',
    '  ',
    'LR=1 python',
  ])('%j is refused', (command) => {
    expect(() => splitCommand(command)).toThrow(/^Expected/);
  });

  test('placeholders are filled in after splitting, each within its word', () => {
    const values = { lr: 0.1, s: "'; rm -rf / #\n$(x)", 'B[0]': 2, n: null };
    expect(
      splitCommand('p --lr={lr} {s} {{lr}} {"a":{lr}} {B[0]}{n}').map((word) => fillIn(word, values)),
    ).toEqual(['p', '--lr=0.1', values.s, '{lr}', '{a:0.1}', '2']);
  });

  test('a parameter that does not reach the command, and an unknown placeholder, are refused', () => {
    const base = { metric: 'loss', parameters: ['lr', 'log2_size'], folder };
    expect(() => commandObjective({ ...base, command: 'p {lr}' })).toThrow(
      'Parameter log2_size does not reach',
    );
    expect(() => commandObjective({ ...base, command: 'p {lr} {size} {sise}' })).toThrow(
      'Unknown placeholder {sise}',
    );
    for (const command of ['p {lr} {size}', 'p {lr} {log2_size}', 'p {params}'])
      commandObjective({ ...base, command });
    commandObjective({ ...base, command: 'p', env: { LR: '{lr}', SIZE: '{size}' } });
  });
});

describe('a seed in the space is refused before a trial runs', () => {
  const base = { metric: 'loss', command: 'p {params}' };
  test.each([
    'SEED',
    'seed',
    'RANDOM_SEED',
    'torch_seed',
    'trainSeed',
    'config.seed',
    'SEEDS[0]',
    'log2_SEED',
  ])('named %s', (name) => {
    const refused = `Expected hyperparameters to search, got ${name}, which is a seed`;
    expect(() => commandObjective({ ...base, parameters: ['lr', name], folder })).toThrow(refused);
    expect(() => commandObjective({ ...base, parameters: [], fixed: { [name]: 1 }, folder })).toThrow(
      refused,
    );
  });

  test('or written to one', () => {
    const parameters = ['x'];
    for (const command of ['p --seed {x}', 'p --seed={x}', 'p --torch-seed {x}', 'p train.seed={x}'])
      expect(() => commandObjective({ ...base, command, parameters, folder })).toThrow(
        'got x, which is a seed',
      );
    expect(() =>
      commandObjective({ ...base, command: 'p', env: { TINYGPT_SEED: '{x}' }, parameters, folder }),
    ).toThrow('got x, which is a seed');
  });

  test('other names and the seed of the study are not', () => {
    const parameters = ['x', 'birdseed', 'seed_points', 'SEEDLING'];
    commandObjective({ ...base, command: 'p seed {x} --seed {seed} {params}', parameters, folder });
  });
});

describe('a metric', () => {
  test.each([
    ['loss', '{"loss": 0.5}', 0.5],
    ['loss', '  {"loss": null}', Number.NaN],
    ['loss', '{"loss": NaN, "a": Infinity}', Number.NaN],
    ['eval.loss', '{"eval": {"loss": 2}}', 2],
    ['val_bpb', 'val_bpb:          0.997900', 0.9979],
    ['val_bpb', 'best_val_bpb: 1', null],
    ['recall@5', 'recall@5: 0.83', 0.83],
    ['mAP@0.5', '{"mAP@0.5": 0.7}', 0.7],
    ['val loss', 'val loss = 0.5', 0.5],
    ['loss ...', 'loss 0.5', 0.5],
    ['loss', 'loss = -inf', -Infinity],
    ['loss', 'loss: low', 'low'],
    ['loss', 'loss 0.5', 0.5],
    ['loss', 'loss\tnan', Number.NaN],
    ['loss', 'loss function', null],
    ['loss', 'loss 0.5 after 3', null],
    ['loss', 'losses 0.5', null],
    ['loss', '{"loss": "0.25"}', 0.25],
    ['loss', '{"loss": true}', 'true'],
    ['loss', JSON.stringify({ loss: 0.5, curve: Array(20_000).fill(0.125) }), 0.5],
    ['loss=([\\d.]+)', 'step 3 loss=0.25 done', 0.25],
    ['(?P<value>\\S+) bpb', 'is nan bpb', Number.NaN],
    ['bpb: [\\d.e-]+', 'step 9 bpb: 1.5e-3', 1.5e-3],
    ['bpb \\w+', 'bpb bad', 'bpb bad'],
    ['bpb=(\\S+)', 'bpb=3 bpb=2', 2],
    ['bpb=(\\S*)', 'bpb=3 bpb=', ''],
    ['[\\d.]*', 'bpb 1.5 of 9.5', 9.5],
  ])('%j reads %j as %d', (metric, line, value) => {
    expect(metricReader(metric)(line)).toBe(value);
  });

  test('an invalid expression is refused, naming the option', () => {
    expect(() => metricReader('(')).toThrow(
      /^Expected --metric to be a name or a regular expression, got \(/,
    );
  });

  test('intermediate values have the steps that all trials share', () => {
    const read = stepReader('step (\\d+).*loss ([\\d.]+)');
    expect(['step 7 loss 2', 'step 120 loss 1', 'step 123 loss 1', 'eval'].map(read)).toEqual([
      { step: 7, value: 2 },
      { step: 120, value: 1 },
      null,
      null,
    ]);
    const count = stepReader('(?<value>[\\d.]+) nats');
    expect(['1 nats', '2 nats'].map(count)).toEqual([
      { step: 0, value: 1 },
      { step: 1, value: 2 },
    ]);
  });
});

describe('output', () => {
  test('is split into lines at \\n, \\r\\n and \\r, across chunks, without colors', () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    for (const chunk of [
      'a\r',
      '\nb\rc',
      '\x1b[32md\x1b]8;;http://x\x07\x1b(B\x1b[m\n',
      Buffer.from([0xc3]),
      Buffer.from([0xa9, 0xff, 10]),
    ])
      splitter.write(Buffer.from(chunk));
    splitter.write(Buffer.from('end'));
    splitter.end();
    expect(lines).toEqual(['a', 'b', 'cd', 'é\ufffd', 'end']);
  });

  test('a line of hundreds of KiB is whole, in however many chunks it comes', () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    for (const chunk of ['a'.repeat(3e5), 'b'.repeat(3e5), '\r', 'c\r', '\nd'])
      splitter.write(Buffer.from(chunk));
    splitter.end();
    expect(lines).toEqual(['a'.repeat(3e5) + 'b'.repeat(3e5), 'c', 'd']);
  });

  test('a log keeps its beginning and its end', () => {
    const path = join(folder, 'big.log');
    const log = openBoundedLog(path);
    log.write(Buffer.from('begin'));
    for (let i = 0; i < 40; i++) log.write(Buffer.alloc(2 ** 20, 'x'));
    log.write(Buffer.from('end'));
    log.close();
    const text = readFileSync(path, 'latin1');
    expect(text.startsWith('begin')).toBe(true);
    expect(text.endsWith('end')).toBe(true);
    expect(text.length).toBeLessThan(10 * 2 ** 20);
    expect(text).toMatch(/\[\d+ bytes are left out here\]/);
  });
});

describe('a trial of a command', () => {
  test('gets parameters, seed and environment, and returns the last metric', async () => {
    const code = `console.log('{"loss": 9}'); console.log(JSON.stringify({ loss: Number(process.argv[1]), env: process.env.X, seed: process.env.TINYGPT_SEED, gpu: process.env.CUDA_VISIBLE_DEVICES, worker: process.env.TINYGPT_TUNE_WORKER }))`;
    process.env.TINYGPT_TUNE_WORKER = '1';
    try {
      const trials = await runScript(code, { env: { X: '<{x}>' }, seed: 1001, gpu: '3' });
      expect(trials[0]).toMatchObject({ state: 'complete', value: 0.5 });
      const log = readFileSync(trials[0]!.userAttrs.log as string, 'utf8');
      // A command that is tinygpt again is no worker of this study.
      expect(log).toContain('"env":"<0.5>","seed":"1001","gpu":"3"}');
    } finally {
      delete process.env.TINYGPT_TUNE_WORKER;
    }
  });

  test.each([
    ['process.exit(3)', 'exit_code', /^Exit code 3; it printed nothing/],
    [
      "console.error('Traceback'); console.error('ValueError: x'); process.exit(1)",
      'exit_code',
      /ValueError: x$/,
    ],
    [
      "console.error('torch.OutOfMemoryError: CUDA out of memory. Tried'); process.exit(1)",
      'out_of_memory',
      /^torch/,
    ],
    ...[
      'Out of GPU memory: 100.0 MiB requested with 3.0 GiB in use', // ours
      'RESOURCE_EXHAUSTED: Out of memory while trying to allocate 123 bytes.', // JAX
      'INTERNAL: Failed to allocate 3221225472 bytes for new constant', // JAX
      'OOM when allocating tensor with shape[1,2]', // TensorFlow
      'memory allocation of 4096 bytes failed', // Rust
      "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes", // PyTorch
    ].map((said): [string, string, RegExp] => [
      `console.error(${JSON.stringify(said)}); process.exit(1)`,
      'out_of_memory',
      /alloc|memory/,
    ]),
    [
      `console.error('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 11.91 GiB of which 1.03 GiB is free. Including non-PyTorch memory, this process has 10.87 GiB memory in use. Of the allocated memory 9.87 GiB is allocated by PyTorch, and 746.04 MiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See documentation for Memory Management  (https://pytorch.org/docs/stable/notes/cuda.html#environment-variables)'); process.exit(1)`,
      'out_of_memory',
      /^torch.OutOfMemoryError/,
    ],
    [
      "console.error('RESOURCE_EXHAUSTED: Out of memory'); for (let i = 0; i < 120; i++) console.error('Size: 1.50GiB'); process.exit(1)",
      'out_of_memory',
      /^RESOURCE_EXHAUSTED/,
    ],
    ["console.error('failed to allocate a port'); process.exit(1)", 'exit_code', /port$/],
    ["process.kill(process.pid, 'SIGSEGV')", 'signal', /^Ended by SIGSEGV/],
    ['console.log(\'{"loss": NaN}\')', 'nan', /NaN/],
    ["console.log('hello')", 'metric_missing', /^No line has the metric loss \(.*\); it last printed: hello/],
    ["console.log('loss: low')", 'metric_missing', /no number but low/],
    ["console.log('loss: 1'); process.exit(1)", 'exit_code', /^Exit code 1/],
    ['setTimeout(() => {}, 1e6)', 'timeout', /time limit of 0.5 s/],
  ])('%j fails as %s', async (code, reason, message) => {
    const [trial] = await runScript(code, reason === 'timeout' ? { timeLimit: 0.5 } : {});
    expect(trial!.state).toBe('fail');
    expect(trial!.userAttrs.fail_reason).toBe(reason);
    expect(trial!.userAttrs.fail_message).toMatch(message);
  });

  test('whose log cannot be written goes on to its value', async () => {
    const trials = join(mkdtempSync(join(folder, 'full-')), 'trials');
    mkdirSync(trials);
    symlinkSync('/dev/full', join(trials, '0.log'));
    const code = "console.log('step 1'); setTimeout(() => console.log('loss: 2'), 50)";
    const [trial] = await runScript(code, { folder: trials });
    expect(trial).toMatchObject({ state: 'complete', value: 2 });
    expect(trial!.userAttrs.log_error).toMatch(/ENOSPC/);
  });

  test('has the value that it printed before the time limit, even if what it leaves behind is ended after it', async () => {
    const command = ['sh', '-c', '(trap "" TERM; exec sleep 1000) & echo loss: 2 {x}; echo loss: 2'];
    const [trial] = await runScript('', { command, timeLimit: 3 });
    expect(trial).toMatchObject({ state: 'complete', value: 2 });
  });

  test('may have a time limit that is longer than a timer can wait', async () => {
    const [trial] = await runScript("console.log('loss: 2')", { timeLimit: 1e8 });
    expect(trial).toMatchObject({ state: 'complete', value: 2 });
  });

  test.each([
    ['a container', ['low 0\noom 4\noom_kill 3\n', 'oom_kill 7\n'], 3],
    ['a machine', ['nr_free_pages 5\n', 'pgfault 1\noom_kill 7\n'], 7],
    ['an old system', ['nr_free_pages 5\n'], 0],
  ])('kills for want of memory are counted on %s', (_, texts, count) => {
    const at = mkdtempSync(join(folder, 'kernel-'));
    const files = texts.map((text, i) => {
      writeFileSync(join(at, `${i}`), text);
      return join(at, `${i}`);
    });
    expect(memoryKills([join(at, 'none'), ...files])).toBe(count);
  });

  test('of a program that does not exist fails with an error', async () => {
    const [trial] = await runScript('', { command: ['/nowhere/program', '{x}'] });
    expect(trial!.userAttrs).toMatchObject({ fail_reason: 'exception' });
    expect(trial!.userAttrs.fail_message).toBe('Cannot run /nowhere/program: there is no such program');
  });

  test('ends children that ignore SIGTERM or leave the process group', async () => {
    const child = `process.on('SIGTERM', () => {}); process.send('ready'); setTimeout(() => {}, 1e6)`;
    const code = `const { spawn } = require('child_process');
      const stdio = ['inherit', 'inherit', 'inherit', 'ipc'];
      let ready = 0;
      for (const detached of [false, true]) {
        const child = spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached, stdio });
        console.log('pid', child.pid);
        child.on('message', () => { if (++ready === 2) { console.log('loss: 1'); process.exit(0); } });
      }`;
    const [trial] = await runScript(code);
    expect(trial).toMatchObject({ state: 'complete', value: 1 });
    const log = readFileSync(trial!.userAttrs.log as string, 'utf8');
    const pids = [...log.matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid));
    expect(pids).toHaveLength(2);
    expect(pids.filter((pid) => processStatus(pid).alive)).toEqual([]);
  });

  test('is ended, and recorded as interrupted, when the study is stopped', async () => {
    const controller = new AbortController();
    const code = "console.log('ready'); setTimeout(() => {}, 1e6)";
    const onLine = () => controller.abort();
    const [trial] = await runScript(code, { signal: controller.signal, onLine });
    expect(trial!.userAttrs.fail_reason).toBe('interrupted');
  });

  const python = ['python3', 'python'].find((name) => spawnSync(name, ['--version']).status === 0);
  (python ? test : test.skip)('is heard while it runs, also if it is Python', async () => {
    const controller = new AbortController();
    const command = [python!, '-c', "print('ready')\nimport time\ntime.sleep(1000)", '{x}'];
    const onLine = (line: string) => line === 'ready' && controller.abort();
    const options = { command, signal: controller.signal, onLine, timeLimit: 10 };
    const before = process.env.PYTHONUNBUFFERED;
    delete process.env.PYTHONUNBUFFERED;
    const [trial] = await runScript('', options);
    if (before !== undefined) process.env.PYTHONUNBUFFERED = before;
    expect(trial!.userAttrs.fail_reason).toBe('interrupted');
  });

  test('is pruned by what it prints on the way', async () => {
    const code =
      "const x = Number(process.argv[1]); for (let i = 0; i < 5; i++) console.log('step', i, 'loss', x + 1 / (i + 1)); if (x < 0.7) console.log('loss: ' + x); else setTimeout(() => {}, 1e6)";
    const space = { x: float(0, 1) };
    const trials = await runScript(code, { trials: 8, intermediate: 'step (\\d+) loss (\\S+)', space });
    expect(trials[0]!.intermediate.size).toBe(5);
    expect(trials.filter(({ params }) => (params.x as number) >= 0.7).map(({ state }) => state)).toContain(
      'pruned',
    );
  });

  test('prints as much as it likes, binary or without a line end', async () => {
    const code =
      'process.stdout.write(Buffer.alloc(3e7, 0xfe)); process.stdout.write(\'\\n{"loss": 2}\\n\'); process.stderr.write(Buffer.from([0, 1, 255, 27]))';
    const [trial] = await runScript(code);
    expect(trial).toMatchObject({ state: 'complete', value: 2 });
  });
});

describe('a patched script', () => {
  const project = () => {
    const at = mkdtempSync(join(folder, 'project-'));
    writeFileSync(
      join(at, 'config.mjs'),
      'export const LR = 0.1; // rate\nexport const SIZE = 2 ** 4;\nexport const SEED = 42;\n',
    );
    mkdirSync(join(at, 'lib'));
    writeFileSync(join(at, 'lib', 'model.mjs'), "export * from '../config.mjs';\n");
    writeFileSync(
      join(at, 'train.mjs'),
      `import { writeFileSync, readFileSync } from 'node:fs';
       import { LR, SIZE, SEED } from './lib/model.mjs';
       writeFileSync('run.log', 'mine'); writeFileSync('out/model.bin', 'x');
       console.log(readFileSync('data/big/0.txt', 'utf8'));
       console.log(JSON.stringify({ loss: LR + SIZE, SEED }));`,
    );
    writeFileSync(join(at, 'run.log'), 'theirs');
    mkdirSync(join(at, 'out'));
    mkdirSync(join(at, 'data', 'big'), { recursive: true });
    for (let i = 0; i < 300; i++) writeFileSync(join(at, 'data', 'big', `${i}.txt`), 'data');
    mkdirSync(join(at, 'node_modules', 'x'), { recursive: true });
    mkdirSync(join(at, '__pycache__'));
    symlinkSync(join(at, 'data'), join(at, 'link'));
    return at;
  };

  test('runs in a private copy with its constants replaced, and leaves the project as it was', async () => {
    const cwd = project();
    const space = { LR: float(0.01, 1, { log: true }), log2_SIZE: int(2, 6) };
    const folders = { cwd, folder: join(cwd, 'studies', 'a', 'trials'), patch: join(cwd, 'config.mjs') };
    const before = readdirSync(cwd).sort();
    for (const command of [
      [node, 'train.mjs'],
      [node, join(cwd, 'train.mjs')],
    ]) {
      const trials = await runScript('', { ...folders, command, space, trials: 2, seed: 1001 });
      for (const { number, params, value, userAttrs } of trials) {
        expect([value, userAttrs.fail_message]).toEqual([
          (params.LR as number) + 2 ** (params.log2_SIZE as number),
          undefined,
        ]);
        expect(readFileSync(userAttrs.log as string, 'utf8')).toContain('"SEED":1001');
        const copy = join(folders.folder, `${number}`);
        expect(readFileSync(join(copy, 'config.mjs'), 'utf8')).toContain(`const LR = ${params.LR}; // rate`);
        expect(readdirSync(copy).sort()).toEqual(['config.mjs', 'out', 'run.log']);
        rmSync(copy, { recursive: true });
      }
    }
    expect(readFileSync(join(cwd, 'run.log'), 'utf8')).toBe('theirs');
    expect(existsSync(join(cwd, 'out', 'model.bin'))).toBe(false);
    expect(readdirSync(cwd).sort()).toEqual([...before, 'studies'].sort());
    expect(readFileSync(join(cwd, 'config.mjs'), 'utf8')).toContain('LR = 0.1;');
  });

  test.each([
    ['a link', 'original.json', 'linked.json'],
    ['in a hidden folder', '.hidden/c.json', '.hidden/c.json'],
    ['behind a linked folder', 'folder/c.json', 'linked/c.json'],
  ])('that is %s is copied, and the original stays as it was', async (_, original, patch) => {
    const cwd = mkdtempSync(join(folder, 'linked-'));
    mkdirSync(dirname(join(cwd, original)), { recursive: true });
    writeFileSync(join(cwd, original), '{"x": 0.125}');
    if (patch.startsWith('linked')) symlinkSync(original.split('/')[0]!, join(cwd, patch.split('/')[0]!));
    const code = `console.log('loss: ' + JSON.parse(require('fs').readFileSync('${patch}')).x)`;
    const options = { cwd, folder: join(cwd, 'out'), patch: join(cwd, patch), command: [node, '-e', code] };
    const trials = await runScript('', { ...options, trials: 2 });
    expect(trials.map(({ value }) => value)).toEqual(trials.map(({ params }) => params.x));
    expect(readFileSync(join(cwd, original), 'utf8')).toBe('{"x": 0.125}');
  });

  test('is found in its copy by every path that leads to it', async () => {
    const at = mkdtempSync(join(folder, 'paths-'));
    const root = join(at, 'my project');
    mkdirSync(join(root, 'lib'), { recursive: true });
    mkdirSync(join(at, 'other'));
    writeFileSync(join(at, 'data.txt'), 'data');
    writeFileSync(join(root, 'lib', 'rate.js'), 'const x = 0.125;\nmodule.exports = { x };\n');
    writeFileSync(
      join(root, 'train.js'),
      "require('fs').readFileSync(process.argv[2] ?? __filename); console.log('loss: ' + require('./lib/rate.js').x)",
    );
    symlinkSync(root, join(at, 'link'));
    const [other, link] = [join(at, 'other'), join(at, 'link')];
    const cases: [cwd: string, command: string[], env?: Record<string, string>][] = [
      [root, [node, 'train.js', '../data.txt']],
      [root, [node, join(link, 'train.js'), join(at, 'data.txt')]],
      [link, [node, join(root, 'train.js')]],
      [at, [node, './my project/train.js']],
      [at, ['sh', '-c', `cd ${link} && "${node}" train.js`]],
      [at, ['sh', '-c', `"${node}" '${root}/train.js'`]],
      [at, ['sh', '-c', `"${node}" "$TRAIN"`], { TRAIN: join(link, 'train.js') }],
      [
        at,
        [node, '-e', "console.log('loss: ' + require('rate.js').x)"],
        { NODE_PATH: `/nowhere:${root}/lib` },
      ],
    ];
    for (const [cwd, command, env = {}] of cases) {
      const options = { cwd, folder: join(other, 'trials'), patch: join(root, 'lib', 'rate.js') };
      const trials = await runScript('', { ...options, command, env, trials: 2 });
      expect([command, trials.map(({ value }) => value)]).toEqual([
        command,
        trials.map(({ params }) => params.x),
      ]);
    }
    // From a folder beside it.
    const options = { cwd: other, folder: join(other, 'trials'), patch: join(root, 'lib', 'rate.js') };
    const [trial] = await runScript('', { ...options, command: [node, '../my project/lib/rate.js'] });
    expect(trial!.userAttrs.fail_reason).toBe('metric_missing');
  });

  test('a constant that it does not define is refused before a trial runs', () => {
    const cwd = project();
    const options = { command: [node, 'train.mjs'], metric: 'loss', cwd, folder: join(cwd, 'studies') };
    expect(() =>
      commandObjective({ ...options, parameters: ['RATE'], patch: join(cwd, 'config.mjs') }),
    ).toThrow(/to define RATE at module level/);
  });
});
