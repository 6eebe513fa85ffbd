// The package as npm packs it, installed in an empty project: its contents, its types, and where it runs.
// Dependencies are linked from this checkout, and only those that package.json names, so no network is needed.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
let app: string;
let files: string[];

beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), 'tinygpt-package-'));
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', app];
  const [packed] = JSON.parse(execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' }));
  files = packed.files.map((file: { path: string }) => file.path);
  mkdirSync(join(app, 'node_modules'));
  execFileSync('tar', ['xzf', packed.filename], { cwd: app });
  execFileSync('mv', ['package', 'node_modules/tinygpt'], { cwd: app });
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), '@types/node', 'undici-types']) link(name);
  write('package.json', '{"type": "module"}');
  write('train.js', TRAIN);
});
afterAll(() => {
  rmSync(app, { recursive: true, force: true });
});

function link(name: string): void {
  mkdirSync(dirname(join(app, 'node_modules', name)), { recursive: true });
  symlinkSync(join(MODULES, name), join(app, 'node_modules', name));
}
const write = (name: string, text: string) => writeFileSync(join(app, name), text);
const node = (args: string[]) =>
  spawnSync(process.execPath, args, { cwd: app, encoding: 'utf8', timeout: 200_000 });

const TRAIN = `
import { prepareDataset, presetConfig, train, useBackend } from 'tinygpt';
const sizes = { depth: 1, width: 32, headDim: 16, seqLen: 16, vocabSize: 256 };
const config = { ...presetConfig('cpu'), ...sizes, totalBatchSize: 64, deviceBatchSize: 2, evalTokens: 64 };
export async function bpb(backend) {
  await useBackend(backend);
  const data = await prepareDataset({ bundled: 0.1, vocabSize: 256 });
  return (await train(config, { data, budget: { steps: 2 } })).valBpb;
}
`;

describe('what the package holds', () => {
  test('no tests, sources, maps, benchmarks or experiments', () => {
    const odd = files.filter(
      (path) =>
        /(^|\/)(test|tests|bench)\/|\.map$|\.test\.|^src\/|node_modules/.test(path) ||
        /(?<!\.d)\.ts$/.test(path),
    );
    expect(odd.filter((path) => !path.startsWith('examples/'))).toEqual([]);
  });

  test('every relative link of its README and docs leads to a file in it', () => {
    const held = (path: string) => files.some((file) => file === path || file.startsWith(`${path}/`));
    const documents = files.filter((path) => path === 'README.md' || /^docs\/.*\.md$/.test(path));
    const broken = documents.flatMap((document) => {
      const text = readFileSync(join(ROOT, document), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
      return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, target]) => target!.replace(/#.*/, ''))
        .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
        .filter((target) => !held(normalize(join(dirname(document), target)).replace(/\/$/, '')))
        .map((target) => `${document}: ${target}`);
    });
    expect(broken).toEqual([]);
  });

  test('commands that can be run as they were built', () => {
    const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const path of Object.values<string>(bin)) accessSync(join(ROOT, path), constants.X_OK);
  });

  test('every module that a command or an entry point imports', () => {
    const { status, stdout, stderr } = node([
      'node_modules/tinygpt/build/src/cli/main.js',
      'train',
      '--help',
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Usage: tinygpt train');
    const all = ['tinygpt', 'tinygpt/tune', 'tinygpt/ops'].map((name) => `await import('${name}');`);
    expect(node(['--input-type=module', '-e', all.join('')])).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('types', () => {
  const PROGRAM = `
    import { prepareDataset, presetConfig, train, useBackend } from 'tinygpt';
    import { categorical, createStudy, float, randomSampler } from 'tinygpt/tune';
    import { rmsNorm } from 'tinygpt/ops';
    const study = createStudy({
      space: { lr: float(0, 1), kind: categorical(['a', 'b']) },
      sampler: randomSampler(),
    });
    await study.optimize(({ params }) => {
      const lr: number = params.lr;
      const kind: 'a' | 'b' = params.kind;
      // @ts-expect-error no such parameter
      params.depth;
      return lr + kind.length;
    }, { trials: 2 });
    export async function run(): Promise<number> {
      await useBackend('auto');
      const data = await prepareDataset({ documents: ['a text', 'another'], vocabSize: 256 });
      const { valBpb, checkpoint } = await train(presetConfig('cpu'), { data, budget: { steps: 1 }, checkpoint: true });
      console.log(checkpoint.config.depth, typeof rmsNorm);
      return valBpb;
    }
  `;
  const compile = (options: object) => {
    const strict = { strict: true, module: 'nodenext', target: 'es2022', noEmit: true, ...options };
    write('program.ts', PROGRAM);
    write('tsconfig.json', JSON.stringify({ compilerOptions: strict, files: ['program.ts'] }));
    return node([join(MODULES, 'typescript', 'bin', 'tsc'), '-p', '.']).stdout;
  };

  test('a strict TypeScript project compiles against the type declarations', () => {
    const strictest = {
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: true,
    };
    expect(compile(strictest)).toBe('');
    expect(compile({ skipLibCheck: true, types: ['node'], lib: ['es2022'] })).toBe('');
  });

  test('the declarations have no errors and need no Node types', () => {
    // tfjs-core's own declarations do not pass without skipLibCheck, so errors elsewhere are left out.
    const ours = compile({ skipLibCheck: false }).split('\n');
    expect(ours.filter((line) => /^(program\.ts|node_modules\/tinygpt\/)/.test(line))).toEqual([]);
  });
});

describe('where it runs', () => {
  test('a process that has trained exits by itself', () => {
    write('main.js', "import { bpb } from './train.js'; console.log(await bpb('auto'));");
    const { status, stdout } = node(['main.js']);
    expect([status, Number(stdout) > 0]).toEqual([0, true]);
  });

  test.each(['auto', 'wasm'])('a worker thread trains on %s and gives the same bits', (backend) => {
    write(
      'worker.js',
      `import { isMainThread, parentPort, Worker } from 'node:worker_threads';
       import { bpb } from './train.js';
       const [backend] = process.argv.slice(2);
       if (isMainThread) {
         const worker = new Worker(new URL(import.meta.url), { argv: [backend] });
         worker.on('message', async (value) => console.log(value === (await bpb(backend))));
       } else parentPort.postMessage(await bpb(backend));`,
    );
    const { status, stdout, stderr } = node(['worker.js', backend]);
    expect({ status, stdout, stderr: status === 0 ? '' : stderr }).toEqual({
      status: 0,
      stdout: 'true\n',
      stderr: '',
    });
  });

  test('Jest with ES modules, and with CommonJS by import()', () => {
    write(
      'jest.config.js',
      "export default { testEnvironment: 'node', transform: {}, testTimeout: 120000, testMatch: ['**/*.spec.*'] };",
    );
    const body = "expect(await bpb('wasm')).toBeGreaterThan(0);";
    write('esm.spec.js', `import { bpb } from './train.js'; test('trains', async () => { ${body} });`);
    write(
      'commonjs.spec.cjs',
      `test('trains', async () => { const { bpb } = await import('./train.js'); ${body} });`,
    );
    const { status, stderr } = node([
      '--experimental-vm-modules',
      join(MODULES, 'jest', 'bin', 'jest.js'),
      '--rootDir',
      app,
    ]);
    expect(stderr).toMatch(/Tests: +2 passed, 2 total/);
    expect(status).toBe(0);
  });

  test('require() in CommonJS', () => {
    write(
      'main.cjs',
      `const { prepareDataset, presetConfig } = require('tinygpt');
       const { createStudy, float, randomSampler } = require('tinygpt/tune');
       import('./train.js').then(async ({ bpb }) => console.log((await bpb('auto')) > 0, typeof createStudy));`,
    );
    const { status, stdout, stderr } = node(['main.cjs']);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'true function\n', stderr: '' });
  });

  test('without koffi, or its library for this platform, on the backends that need none', () => {
    const koffi = join(app, 'node_modules', 'koffi');
    rmSync(koffi);
    mkdirSync(koffi);
    write('node_modules/koffi/package.json', '{"type": "module", "exports": "./index.js"}');
    write(
      'node_modules/koffi/index.js',
      "export default {}; throw new Error('Cannot find the native Koffi module');",
    );
    const { status, stdout, stderr } = node([
      'node_modules/tinygpt/build/src/cli/main.js',
      'doctor',
      '--json',
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { backends, chosen } = JSON.parse(stdout);
    expect(chosen).toBe('wasm');
    expect(backends.find(({ name }: { name: string }) => name === 'cuda')).toMatchObject({
      available: false,
      reason: 'Cannot find the native Koffi module',
      remedy: expect.stringContaining('npm install --include=optional'),
    });
  });
});
