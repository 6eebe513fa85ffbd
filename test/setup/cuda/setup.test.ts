// tinygpt setup cuda with a local package index of small wheels and the emulated device's driver.

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
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { candidates } from '../../../src/backend/cuda/find.js';
import { useBackend } from '../../../src/backend/index.js';
import {
  carryOutCuda,
  existingCudaSetup,
  planCudaSetup,
  undoCudaSetup,
} from '../../../src/setup/cuda/setup.js';
import { describeEmulated } from '../../backend/cuda/present.js';
import { err, out, run } from '../../cli/capture.js';
import { type Manners, serveIndex } from '../tensorflow/fixture.js';
import { writeZip } from '../wheels/zipFile.js';

const { TINYGPT_CACHE, PIP_INDEX_URL } = process.env;
const TAGS = 'py3-none-manylinux_2_17_x86_64.manylinux_2_17_aarch64.whl';
const progress = { note: () => {}, advance: () => {} };
const check = (folder: string) => Promise.resolve(readdirSync(folder).sort().join(' '));
const INSTALLED =
  'libcublasLt.so.12 libnvrtc-builtins.so.12.9 libnvrtc.so.12 nvidia-cublas-cu12-License.txt nvidia-cuda-nvrtc-cu12-License.txt setup.json';

describeEmulated('tinygpt setup cuda', (device) => {
  let root = '';
  let index: Awaited<ReturnType<typeof serveIndex>>;
  const manners: Manners = {};
  const wheels = () => readdirSync(join(root, 'wheels')).map((name) => join(root, 'wheels', name));
  const current = () => join(root, 'cache', 'cuda-libraries', 'current');

  function makeWheel(name: string, version: string, members: string[]): void {
    const text = (member: string) => `${name} ${version} ${member}`.repeat(200);
    const contents = Object.fromEntries(members.map((member) => [member, text(member)]));
    writeZip(join(root, 'wheels', `${name}-${version}-${TAGS}`), contents);
  }

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'tinygpt-setup-cuda-'));
    mkdirSync(join(root, 'wheels'));
    const nvrtc = (cuda: string) => [
      ...['', '.alt'].flatMap((alt) => [
        `nvidia/cuda_nvrtc/lib/libnvrtc${alt}.so.12`,
        `nvidia/cuda_nvrtc/lib/libnvrtc-builtins${alt}.so.${cuda}`,
      ]),
      'nvidia/cuda_nvrtc/include/nvrtc.h',
      `nvidia_cuda_nvrtc_cu12-${cuda}.86.dist-info/License.txt`,
    ];
    for (const cuda of ['12.4', '12.9', '12.10'])
      makeWheel('nvidia_cuda_nvrtc_cu12', `${cuda}.86`, nvrtc(cuda));
    makeWheel('nvidia_cublas_cu12', '12.10.1', [
      ...['nvidia/cublas/lib/libcublasLt.so.12', 'nvidia/cublas/lib/libcublas.so.12'],
      'nvidia_cublas_cu12-12.10.1.dist-info/License.txt',
    ]);
    makeWheel('nvidia_cuda_nvrtc', '13.0.88', ['nvidia/cu13/lib/libnvrtc.so.13']);
    makeWheel('nvidia_cublas', '13.1.0', ['nvidia/cu13/lib/libcublasLt.so.13']);
  });

  beforeEach(async () => {
    for (const key of Object.keys(manners)) delete manners[key as keyof Manners];
    index = await serveIndex(wheels, manners);
    process.env.PIP_INDEX_URL = index.url;
    process.env.TINYGPT_CACHE = join(root, 'cache');
  });
  afterEach(() => {
    index.close();
    rmSync(join(root, 'cache'), { recursive: true, force: true });
    process.env.TINYGPT_CUDA_LIBRARIES = device().folder;
    for (const [name, value] of Object.entries({ TINYGPT_CACHE, PIP_INDEX_URL }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const setUp = async (options = {}) => {
    const all = { progress, check, ...options };
    return carryOutCuda(await planCudaSetup(all), all);
  };

  test("takes NVRTC of the driver's CUDA and the newest cuBLAS of its major version; libraries and licences only", async () => {
    const plan = await planCudaSetup({ progress });
    expect(plan.cuda).toBe('12.9');
    expect(plan.wheels.map(({ file }) => file)).toEqual([
      `nvidia_cuda_nvrtc_cu12-12.9.86-${TAGS}`,
      `nvidia_cublas_cu12-12.10.1-${TAGS}`,
    ]);
    expect(await setUp()).toBe(INSTALLED);
    expect(await check(current())).toBe(INSTALLED);
    expect(readFileSync(join(current(), 'libnvrtc.so.12'), 'utf8')).toMatch(
      /^nvidia_cuda_nvrtc_cu12 12\.9\.86 /,
    );
    expect(readdirSync(join(root, 'cache', 'cuda-libraries'))).toEqual(['current']);
    expect(await existingCudaSetup(plan, check)).toBe(INSTALLED);
    const broken = () => Promise.reject(new Error('does not load'));
    expect(await existingCudaSetup(plan, broken)).toBeUndefined();
  });

  test('what it installed is where the backend looks first, after TINYGPT_CUDA_LIBRARIES', async () => {
    await setUp();
    const [first, second] = candidates('libnvrtc');
    expect(first!.path).toBe(join(device().folder, 'libnvrtc.so.12'));
    expect(second!.path).toBe(join(current(), 'libnvrtc.so.12'));
  });

  test('--release chooses CUDA, without a driver too', async () => {
    process.env.TINYGPT_CUDA_LIBRARIES = join(root, 'nowhere');
    for (const [release, file] of [
      ['13', 'nvidia_cuda_nvrtc-13.0.88'],
      ['12.4', 'nvidia_cuda_nvrtc_cu12-12.4.86'],
      ['12.7', 'nvidia_cuda_nvrtc_cu12-12.4.86'],
      ['12.3', 'nvidia_cuda_nvrtc_cu12-12.10.86'],
    ])
      expect((await planCudaSetup({ progress, release })).wheels[0]!.file).toContain(file);
    for (const bad of ['11', '14', 'new', '12.x'])
      await expect(planCudaSetup({ progress, release: bad })).rejects.toThrow(
        /Expected --release to be a CUDA version/,
      );
  });

  test('a download that is interrupted is resumed by the next call', async () => {
    manners.breakOff = 1000;
    await expect(setUp({ http: { attempts: 1 } })).rejects.toThrow();
    expect(existsSync(current())).toBe(false);
    const parts = readdirSync(join(root, 'cache', 'cuda-libraries', 'downloads'));
    expect(parts.some((name) => name.endsWith('.part'))).toBe(true);
    expect(await setUp()).toBe(INSTALLED);
    expect(readdirSync(join(root, 'cache', 'cuda-libraries'))).toEqual(['current']);
  });

  test.each([
    ['a wrong hash', { wrongHash: true }, /SHA-256/],
    ['no hash', { noHash: true }, /Expected the index to give a SHA-256/],
    ['a refusal', { refuse: 403 }, /403/],
  ] as const)('%s leaves what was set up before', async (_, behaviour, message) => {
    await setUp();
    Object.assign(manners, behaviour);
    await expect(setUp({ release: '12.4', http: { attempts: 1 } })).rejects.toThrow(message);
    expect(await check(current())).toBe(INSTALLED);
  });

  test('libraries that do not load leave what was set up before', async () => {
    await setUp();
    const broken = { check: () => Promise.reject(new Error('does not load')) };
    await expect(setUp({ release: '12.4', ...broken })).rejects.toThrow('does not load');
    expect(await check(current())).toBe(INSTALLED);
    // These wheels hold text, which the loader refuses.
    process.env.TINYGPT_CUDA_LIBRARIES = join(root, 'nowhere');
    expect(await run('setup', 'cuda', '--release', '12.4')).toBe(1);
    expect(err).toMatch(/The downloaded libraries do not load: .*libnvrtc/);
    expect(await check(current())).toBe(INSTALLED);
  });

  test('--from takes wheels of a folder, and says which are missing', async () => {
    expect(await setUp({ from: join(root, 'wheels') })).toBe(INSTALLED);
    expect(index.requests).toEqual([]);
    mkdirSync(join(root, 'empty'), { recursive: true });
    await expect(setUp({ from: join(root, 'empty') })).rejects.toThrow(
      /Expected a wheel of nvidia-cuda-nvrtc-cu12 >=12,<13 in .*pip download/,
    );
  });

  test('the command line shows a plan, and undoes', async () => {
    expect(await run('setup', 'cuda', '--dry-run')).toBe(0);
    expect(out).toMatch(/^CUDA 12\.9 libraries from http.*\ndownload .*nvidia_cuda_nvrtc_cu12-12\.9\.86/);
    expect(await run('setup', 'cuda', '--gpu')).toBe(2);
    await setUp();
    expect(await run('setup', 'cuda', '--undo')).toBe(0);
    expect(out).toBe('Removed\n');
    expect(existsSync(current())).toBe(false);
    expect(undoCudaSetup()).toBe(false);
  });

  test('a driver without libraries is reported in one line by whatever chooses a backend', async () => {
    const driverOnly = join(root, 'driver');
    mkdirSync(driverOnly);
    symlinkSync(join(device().folder, 'libcuda.so.1'), join(driverOnly, 'libcuda.so.1'));
    process.env.TINYGPT_CUDA_LIBRARIES = driverOnly;
    const line =
      /^cuda is installed but unusable: an NVIDIA driver was found, but .*; to fix: npx tinygpt setup cuda \(.*$/m;
    const notes: string[] = [];
    await useBackend('auto', { onNote: (note) => notes.push(note) });
    expect(notes.filter((note) => line.test(note))).toHaveLength(1);
    writeFileSync(join(root, 'none.safetensors'), '');
    await run('verify', join(root, 'none.safetensors'));
    expect(err).toMatch(line);
  });
});
