// Where libraries are searched, in a fake file system.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { candidates, companions, type LibraryName } from '../../../src/backend/cuda/find.js';

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tinygpt-find-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  return file;
}

/** Paths found, those of the loader left out. */
function found(library: LibraryName, env: NodeJS.ProcessEnv = {}): string[] {
  const system = {
    home: join(root, 'home'),
    usrLocal: join(root, 'usr/local'),
    driver: [join(root, 'usr/lib/wsl/lib')],
    python: [join(root, 'usr/lib/python3')],
    prepared: join(root, 'cache/cuda-libraries/current'),
  };
  return candidates(library, env, system)
    .map(({ path }) => path)
    .filter((path) => path.includes('/'))
    .map((path) => path.slice(root.length + 1));
}

describe('the finder of CUDA libraries', () => {
  test("asks the system's loader for every name, before toolkits and wheels", () => {
    put('cuda/lib64/libnvrtc.so.12');
    const all = candidates('libnvrtc', { CUDA_HOME: join(root, 'cuda') });
    expect(all.map(({ path, major }) => [path.replace(`${root}/`, ''), major]).slice(0, 3)).toEqual([
      ['libnvrtc.so.13', 13],
      ['libnvrtc.so.12', 12],
      ['cuda/lib64/libnvrtc.so.12', 12],
    ]);
  });

  test('cuDNN is looked for first where cuBLASLt was found, since a second one could not be loaded after it', () => {
    const cuda = put('cuda/lib64/libcudnn.so.9');
    const pip = put('venv/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9');
    const env = { CUDA_HOME: join(root, 'cuda'), VIRTUAL_ENV: join(root, 'venv') };
    const paths = (where?: string) =>
      candidates(
        'libcudnn',
        env,
        undefined,
        where ? { path: 'libcublasLt.so.13', major: 13, where } : undefined,
      )
        .map(({ path }) => path)
        .filter((path) => path.startsWith(root) || !path.includes('/'));
    expect(paths()).toEqual(['libcudnn.so.9', cuda, pip]);
    expect(paths('pip')).toEqual([pip, 'libcudnn.so.9', cuda]);
    expect(paths('CUDA_HOME')).toEqual([cuda, 'libcudnn.so.9', pip]);
    const named = put('named/libcudnn.so.9');
    Object.assign(env, { TINYGPT_CUDA_LIBRARIES: dirname(named) });
    expect(paths('pip')).toEqual([named, pip, 'libcudnn.so.9', cuda]);
  });

  test('TINYGPT_CUDA_LIBRARIES comes first, folder by folder', () => {
    const [a, b] = [put('a/libcuda.so.1'), put('b/libcuda.so.1')].map(dirname);
    const all = candidates('libcuda', { TINYGPT_CUDA_LIBRARIES: `${b}:${a}` });
    expect(all.slice(0, 3).map(({ path }) => path)).toEqual([
      `${b}/libcuda.so.1`,
      `${a}/libcuda.so.1`,
      'libcuda.so.1',
    ]);
  });

  test('what tinygpt setup cuda downloaded comes before libraries found elsewhere', () => {
    put('cache/cuda-libraries/current/libnvrtc.so.12');
    put('cuda/lib64/libnvrtc.so.13');
    expect(found('libnvrtc', { CUDA_HOME: join(root, 'cuda') })).toEqual([
      'cache/cuda-libraries/current/libnvrtc.so.12',
      'cuda/lib64/libnvrtc.so.13',
    ]);
  });

  test.each(['CUDA_HOME', 'CUDA_PATH', 'CONDA_PREFIX'])('%s: lib64, lib and targets', (variable) => {
    put('t/lib64/libcublasLt.so.12');
    put('t/lib/libcublasLt.so.13');
    put('t/targets/x86_64-linux/lib/libcublasLt.so.12');
    expect(found('libcublasLt', { [variable]: join(root, 't') })).toEqual([
      't/lib64/libcublasLt.so.12',
      't/lib/libcublasLt.so.13',
      't/targets/x86_64-linux/lib/libcublasLt.so.12',
    ]);
  });

  test("pip's wheels of a virtual environment, both layouts, Python not run", () => {
    put('venv/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12');
    put('venv/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13');
    expect(found('libnvrtc', { VIRTUAL_ENV: join(root, 'venv') })).toEqual([
      'venv/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13',
      'venv/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12',
    ]);
  });

  test("cuDNN of pip's wheels, as PyTorch installs it, whatever its CUDA; no earlier one than 9", () => {
    put('venv/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.8');
    put('venv/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9');
    const env = { VIRTUAL_ENV: join(root, 'venv') };
    expect(found('libcudnn', env)).toEqual([
      'venv/lib/python3.12/site-packages/nvidia/cudnn/lib/libcudnn.so.9',
    ]);
    expect(candidates('libcudnn', env)[0]).toMatchObject({ path: 'libcudnn.so.9', major: 0 });
  });

  test('wheels of the python3 in the path, of its own prefix and of what it links to', () => {
    put('opt/python/bin/python3.11');
    put('opt/python/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12');
    put('env/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12');
    mkdirSync(join(root, 'env/bin'));
    symlinkSync(join(root, 'opt/python/bin/python3.11'), join(root, 'env/bin/python3'));
    expect(found('libcublasLt', { PATH: `${root}/nowhere:${root}/env/bin` })).toEqual([
      'env/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12',
      'opt/python/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12',
    ]);
  });

  test('wheels of a virtual environment whose python3 is linked to by another link', () => {
    put('opt/python/bin/python3.11');
    put('env/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12');
    for (const folder of ['env/bin', 'shims']) mkdirSync(join(root, folder), { recursive: true });
    symlinkSync('../../opt/python/bin/python3.11', join(root, 'env/bin/python'));
    symlinkSync('python', join(root, 'env/bin/python3'));
    symlinkSync('../env/bin/python3', join(root, 'shims/python3'));
    expect(found('libcublasLt', { PATH: join(root, 'shims') })).toEqual([
      'env/lib/python3.11/site-packages/nvidia/cublas/lib/libcublasLt.so.12',
    ]);
  });

  test('a python3 that links to itself does not hang the search', () => {
    mkdirSync(join(root, 'loop'));
    symlinkSync('python3', join(root, 'loop/python3'));
    expect(found('libnvrtc', { PATH: join(root, 'loop') })).toEqual([]);
  });

  test("NVRTC's builtins beside it, those of its own CUDA, also where a link leads to them", () => {
    const path = put('wheel/libnvrtc.so.13');
    const builtins = put('wheel/libnvrtc-builtins.so.13.0');
    for (const other of ['libnvrtc-builtins.so.12.9', 'libnvrtc-builtins.alt.so.13.0', 'libnvrtc.alt.so.13'])
      put(`wheel/${other}`);
    const file = (at: string) => ({ path: at, major: 13, where: 'a test' });
    expect(companions(file(path))).toEqual([builtins]);
    mkdirSync(join(root, 'links'));
    symlinkSync('../wheel/libnvrtc.so.13', join(root, 'links/libnvrtc.so.13'));
    expect(companions(file(join(root, 'links/libnvrtc.so.13')))).toEqual([builtins]);
    expect(companions(file('libnvrtc.so.13'))).toEqual([]);
    expect(companions({ ...file(put('wheel/libcublasLt.so.13')) })).toEqual([]);
  });

  test("the user's own packages and the system's", () => {
    put('home/.local/lib/python3.10/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12');
    put('usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12');
    expect(found('libnvrtc')).toEqual([
      'home/.local/lib/python3.10/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12',
      'usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12',
    ]);
  });

  test('installed toolkits, the newest first', () => {
    put('usr/local/cuda-12.4/lib64/libnvrtc.so.12');
    put('usr/local/cuda-12.10/lib64/libnvrtc.so.12');
    put('usr/local/cudnn/lib64/libnvrtc.so.12');
    expect(found('libnvrtc')).toEqual([
      'usr/local/cuda-12.10/lib64/libnvrtc.so.12',
      'usr/local/cuda-12.4/lib64/libnvrtc.so.12',
    ]);
  });

  test('the driver: where WSL and containers put it; no toolkit has it', () => {
    put('usr/lib/wsl/lib/libcuda.so.1');
    put('usr/local/cuda-12.4/lib64/libcuda.so.1');
    expect(found('libcuda')).toEqual(['usr/lib/wsl/lib/libcuda.so.1']);
  });

  test('nothing anywhere leaves the names for the loader', () => {
    expect(found('libnvrtc', { CUDA_HOME: '/nowhere', PATH: '', VIRTUAL_ENV: '/nowhere' })).toEqual([]);
  });
});
