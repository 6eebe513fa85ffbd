// `tinygpt setup tensorflow` from beginning to end, on small stand-ins for TensorFlow and tfjs-node.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { preparedFolder, preparedRoot, readSetup } from '../../../src/backend/tensorflow/prepared.js';
import { temporaryName } from '../../../src/base/files.js';
import {
  carryOut,
  existingSetup,
  planSetup,
  type SetupOptions,
  undoSetup,
} from '../../../src/setup/tensorflow/setup.js';
import {
  hasCompiler,
  installPackage,
  loadedVersion,
  type Manners,
  makeLibraries,
  makeWheel,
  serveIndex,
} from './fixture.js';

const { TINYGPT_CACHE, PIP_INDEX_URL } = process.env;
const home = process.cwd();
/** Has the form of a wheel's name, below other folders. */
const ELSEWHERE = '../../../evil-9.9-py3-none-any.whl';
let shared = '';
let project = '';
let wheels: string[] = [];
const manners: Manners = {};
let index: Awaited<ReturnType<typeof serveIndex>>;

const linux = process.platform === 'linux' && hasCompiler ? describe : describe.skip;

linux('setup', () => {
  beforeAll(async () => {
    shared = realpathSync(mkdtempSync(join(tmpdir(), 'tinygpt-setup-')));
    const old = makeLibraries(join(shared, 'old'), '2.20.0');
    const libraries = makeLibraries(join(shared, 'new'), '2.21.0');
    wheels = [
      makeWheel(join(shared, 'wheels'), old, { version: '2.20.0' }),
      makeWheel(join(shared, 'wheels'), libraries),
      makeWheel(join(shared, 'wheels'), undefined, { version: '2.22.0rc1' }),
    ];
    index = await serveIndex(() => wheels, manners);
  });
  afterAll(() => {
    index.close();
    rmSync(shared, { recursive: true });
  });
  beforeEach(() => {
    project = realpathSync(mkdtempSync(join(tmpdir(), 'tinygpt-project-')));
    writeFileSync(join(project, 'package.json'), '{}');
    process.env.TINYGPT_CACHE = join(project, 'cache');
    process.env.PIP_INDEX_URL = index.url;
    process.chdir(project);
    installPackage(project);
  });
  afterEach(() => {
    process.chdir(home);
    rmSync(project, { recursive: true });
    for (const key of Object.keys(manners)) delete manners[key as keyof Manners];
    for (const [name, value] of Object.entries({ TINYGPT_CACHE, PIP_INDEX_URL }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });

  const notes: string[] = [];
  const options = (more: Partial<SetupOptions> = {}): SetupOptions => ({
    variant: 'cpu',
    progress: { note: (line) => notes.push(line), advance: () => {} },
    check: loadedVersion,
    http: { wait: async () => {} },
    ...more,
  });
  const setUp = async (more: Partial<SetupOptions> = {}) =>
    carryOut(await planSetup(options(more)), options(more));
  /** What is in the cache's folder of setups, temporary folders included. */
  const left = () => (existsSync(preparedRoot()) ? readdirSync(preparedRoot()) : []);

  test('uses the newest release of the index, and does not change the installed package', async () => {
    const before = readdirSync(join(project, 'node_modules', '@tensorflow', 'tfjs-node'), {
      recursive: true,
    });
    expect(await setUp()).toBe('2.21.0');
    expect(left()).toEqual(['cpu']);
    expect(readSetup(preparedFolder('cpu'))).toMatchObject({
      tensorflow: '2.21.0',
      source: index.url,
      cuda: [],
    });
    expect(await loadedVersion(preparedFolder('cpu'))).toBe('2.21.0');
    expect(
      readdirSync(join(project, 'node_modules', '@tensorflow', 'tfjs-node'), { recursive: true }),
    ).toEqual(before);
    // Only what is needed stays: no headers, no wheel, nothing of what the package had built.
    expect(readdirSync(join(preparedFolder('cpu'), 'site-packages', 'tensorflow')).sort()).toEqual([
      'libtensorflow_cc.so.2',
      'libtensorflow_framework.so.2',
    ]);
    expect(existsSync(join(preparedFolder('cpu'), 'node_modules', '@tensorflow', 'tfjs-node', 'deps'))).toBe(
      false,
    );
  });

  test('planning changes nothing', async () => {
    const plan = await planSetup(options());
    expect(plan.source).toMatchObject({ kind: 'wheels', version: '2.21.0' });
    expect(plan.downloadBytes).toBeGreaterThan(1000);
    expect(plan.installed).toBe(join(project, 'node_modules', '@tensorflow', 'tfjs-node'));
    expect(left()).toEqual([]);
  });

  test('an index that answers in HTML, and a given release', async () => {
    manners.html = true;
    expect(await setUp({ release: '2.20.0' })).toBe('2.20.0');
  });

  test('a wheel, a folder of wheels or a Python environment can be used', async () => {
    expect(await setUp({ from: wheels[0] })).toBe('2.20.0');
    expect(await setUp({ from: join(shared, 'wheels-only') }).catch((error) => error.message)).toMatch(
      /does not exist/,
    );
    const folder = join(project, 'wheels');
    makeWheel(folder, join(shared, 'new'));
    expect(await setUp({ from: folder })).toBe('2.21.0');
    const site = join(project, 'venv', 'lib', 'python3.12', 'site-packages');
    makeLibraries(join(site, 'tensorflow'), '2.19.0');
    mkdirSync(join(site, 'tensorflow', 'include', 'tensorflow', 'c'), { recursive: true });
    mkdirSync(join(site, 'tensorflow_cpu-2.19.0.dist-info'));
    writeFileSync(
      join(site, 'tensorflow', 'include', 'tensorflow', 'c', 'c_api.h'),
      'extern "C" const char* TF_Version();',
    );
    expect(await setUp({ from: join(project, 'venv') })).toBe('2.19.0');
    expect(readSetup(preparedFolder('cpu'))).toMatchObject({
      tensorflow: '2.19.0',
      libraries: join(site, 'tensorflow'),
    });
    expect(left()).toEqual(['cpu']);
  });

  test('a working setup is found again; a broken one is not', async () => {
    expect(await existingSetup('cpu', loadedVersion)).toBeUndefined();
    await setUp();
    expect(await existingSetup('cpu', loadedVersion)).toMatchObject({ description: '2.21.0' });
    rmSync(join(preparedFolder('cpu'), 'site-packages'), { recursive: true });
    expect(await existingSetup('cpu', loadedVersion)).toBeUndefined();
    expect(await setUp()).toBe('2.21.0');
  });

  test('undo removes it, and returns whether there was one', async () => {
    await setUp();
    expect(undoSetup('cpu')).toBe(true);
    expect(left()).toEqual([]);
    expect(undoSetup('cpu')).toBe(false);
  });

  test.each([
    [
      'a refused download',
      () => ({ refuse: 403 }),
      /127\.0\.0\.1:\d+\/files\/.* the server answered 403; .*PIP_INDEX_URL.*--from/,
    ],
    ['a checksum that differs', () => ({ wrongHash: true }), /the content has SHA-256 .* expected 0000/],
    ['a file without a checksum', () => ({ noHash: true }), /give a SHA-256 for .*\.whl, got none/],
    ['a file name that leads elsewhere', () => ({ filename: ELSEWHERE }), /has no tensorflow-cpu/],
    ['a path in HTML', () => ({ html: true, filename: ELSEWHERE }), /has no tensorflow-cpu/],
    ['a sign-in page', () => ({ listing: '<html>' }), /to list files .*PIP_INDEX_URL/],
    ['a list of something else', () => ({ listing: '{"files": [{"url": 5}, null]}' }), /to list files/],
    ['a list without files', () => ({ listing: 'null' }), /to list files/],
  ])('%s changes nothing', async (_title, how, message) => {
    await setUp({ release: '2.20.0' });
    Object.assign(manners, how());
    await expect(setUp()).rejects.toThrow(message);
    expect(left()).toEqual(['cpu']);
    expect(readdirSync(project).sort()).toEqual(['cache', 'node_modules', 'package.json']);
    expect(await loadedVersion(preparedFolder('cpu'))).toBe('2.20.0');
  });

  test('a dropped connection is resumed', async () => {
    manners.breakOff = 2000;
    index.requests.length = 0;
    expect(await setUp()).toBe('2.21.0');
    expect(index.requests.filter((path) => path.startsWith('/files/')).length).toBe(2);
  });

  test('an unreachable index is named, without its password', async () => {
    const closed = await serveIndex(() => [], {});
    closed.close();
    process.env.PIP_INDEX_URL = closed.url.replace('//', '//user:secret@');
    const message = await planSetup(options()).catch((error) => error.message);
    expect(message).toMatch(/127\.0\.0\.1:\d+\/simple\/tensorflow-cpu\/: .*ECONNREFUSED.*PIP_INDEX_URL/);
    expect(message).not.toContain('secret');
  });

  test('an error about a missing release names the newest', async () => {
    await expect(planSetup(options({ release: '9.9.9' }))).rejects.toThrow(
      /no tensorflow-cpu ==9\.9\.9; the newest is 2\.21\.0/,
    );
  });

  test('a wheel without the libraries is refused', async () => {
    const path = makeWheel(join(project, 'bad'), undefined, { version: '2.9.0' });
    await expect(setUp({ from: path })).rejects.toThrow(
      /contains no libtensorflow_cc\.so\.2.*2\.13 or newer/,
    );
    expect(left()).toEqual([]);
  });

  test('sources that do not compile leave the compiler’s first error and nothing else', async () => {
    writeFileSync(
      join(project, 'node_modules', '@tensorflow', 'tfjs-node', 'binding', 'tfjs_backend.cc'),
      'int x = y;',
    );
    await expect(setUp()).rejects.toThrow(/does not compile with g\+\+: .*error: .*'?y'?/);
    expect(left()).toEqual([]);
  });

  test('a missing compiler is named with the commands that install one', async () => {
    const { PATH, CXX } = process.env;
    process.env.PATH = project;
    delete process.env.CXX;
    try {
      await expect(planSetup(options())).rejects.toThrow(
        /No C\+\+ compiler.*apt-get install g\+\+.*dnf install gcc-c\+\+/,
      );
      process.env.CXX = join(project, 'no-such-compiler');
      await expect(planSetup(options())).rejects.toThrow(/CXX names .*no-such-compiler, which cannot be run/);
    } finally {
      process.env.PATH = PATH;
      if (CXX === undefined) delete process.env.CXX;
      else process.env.CXX = CXX;
    }
  });

  test('a build that fails to load is not installed', async () => {
    const check = async () => {
      throw new Error('it does not load');
    };
    await expect(setUp({ check })).rejects.toThrow('it does not load');
    expect(left()).toEqual([]);
  });

  test('an interruption leaves nothing behind', async () => {
    const controller = new AbortController();
    const progress = { note: () => {}, advance: () => controller.abort() };
    await expect(setUp({ signal: controller.signal, progress })).rejects.toThrow();
    expect(left()).toEqual([]);
  });

  test('two setups at once both succeed', async () => {
    expect(await Promise.all([setUp(), setUp({ release: '2.20.0' })])).toEqual(['2.21.0', '2.20.0']);
    expect(left()).toEqual(['cpu']);
    expect(['2.20.0', '2.21.0']).toContain(await loadedVersion(preparedFolder('cpu')));
  });

  test('leftovers of a killed setup are removed by the next, those of a running one are not', async () => {
    const running = temporaryName(preparedFolder('gpu'));
    mkdirSync(running, { recursive: true });
    mkdirSync(running.replace(`.${process.pid}.`, '.999999999.'));
    await setUp();
    expect(left().sort()).toEqual(['cpu', basename(running)]);
  });

  test('for a GPU the wheels of the extra are installed too', async () => {
    installPackage(project, '@tensorflow/tfjs-node-gpu');
    const folder = join(project, 'gpu-wheels');
    const metadata = 'Requires-Dist: nvidia-cuda-runtime-cu12<13.0,>=12.5; extra == "and-cuda"\n';
    makeWheel(folder, join(shared, 'new'), { name: 'tensorflow', metadata });
    await expect(planSetup(options({ variant: 'gpu', from: folder }))).rejects.toThrow(
      /nvidia-cuda-runtime-cu12 .*pip download/,
    );
    const { writeZip } = await import('../wheels/zipFile.js');
    writeZip(join(folder, 'nvidia_cuda_runtime_cu12-12.9.79-py3-none-manylinux_2_17_x86_64.whl'), {
      'nvidia/cuda_runtime/lib/libcudart.so.12': 'library',
      'nvidia/cuda_runtime/include/cuda.h': 'header',
      'nvidia/cuda_runtime/bin/tool': 'tool',
    });
    const check = (path: string) => loadedVersion(path, '@tensorflow/tfjs-node-gpu');
    expect(await setUp({ variant: 'gpu', from: folder, check })).toBe('2.21.0');
    const made = preparedFolder('gpu');
    expect(readSetup(made)!.cuda).toEqual(['site-packages/nvidia/cuda_runtime/lib']);
    const runtime = join(made, 'site-packages', 'nvidia', 'cuda_runtime');
    expect(readdirSync(runtime).sort()).toEqual(['bin', 'lib']);
    expect(readFileSync(join(runtime, 'lib', 'libcudart.so.12'), 'utf8')).toBe('library');
  });

  test('a wheel without CUDA is refused for a GPU', async () => {
    await expect(planSetup(options({ variant: 'gpu', from: wheels[1] }))).rejects.toThrow(
      /wheel with CUDA for --gpu/,
    );
  });
});
