// Every way in which an installed tfjs-node can fail is reported, with the command that fixes it.

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { hasGpuTensorflow } from '../../../src/backend/index.js';
import { diagnose } from '../../../src/backend/tensorflow/diagnose.js';
import { type Candidate, findPackages, inspect } from '../../../src/backend/tensorflow/find.js';
import type { SetupRecord } from '../../../src/backend/tensorflow/prepared.js';
import { sha256 } from '../../../src/base/files.js';

const GPU = '@tensorflow/tfjs-node-gpu';
const CPU = '@tensorflow/tfjs-node';
const { TINYGPT_TFJS: variable, TINYGPT_CACHE: cache } = process.env;
let project = '';

beforeEach(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), 'tinygpt-tfjs-')));
  delete process.env.TINYGPT_TFJS;
  process.env.TINYGPT_CACHE = join(project, 'cache');
});

afterEach(() => {
  rmSync(project, { recursive: true });
  delete process.env.TINYGPT_TFJS;
  delete process.env.TINYGPT_CACHE;
  if (variable !== undefined) process.env.TINYGPT_TFJS = variable;
  if (cache !== undefined) process.env.TINYGPT_CACHE = cache;
});

function install(name: string, { version = '4.22.0', addon = true } = {}): string {
  const folder = join(project, 'node_modules', name);
  mkdirSync(join(folder, 'lib', 'napi-v8'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }));
  if (addon) writeFileSync(join(folder, 'lib', 'napi-v8', 'tfjs_binding.node'), 'not a library');
  return folder;
}

/** What `tinygpt setup tensorflow` leaves. */
function prepare(variant: 'cpu' | 'gpu'): string {
  const name = variant === 'gpu' ? GPU : CPU;
  const folder = join(project, 'cache', 'tensorflow', variant);
  const inside = join(folder, 'node_modules', name);
  mkdirSync(join(inside, 'lib', 'napi-v8'), { recursive: true });
  writeFileSync(join(inside, 'package.json'), JSON.stringify({ name, version: '4.22.0' }));
  writeFileSync(join(inside, 'lib', 'napi-v8', 'tfjs_binding.node'), 'not a library');
  writeFileSync(join(folder, 'setup.json'), JSON.stringify({ format: 1, package: name, cuda: [] }));
  return inside;
}

function found(): Candidate[] {
  return findPackages(join(project, 'any.js')).candidates;
}

describe('findPackages', () => {
  test('finds nothing where nothing is installed', () => {
    expect(found()).toEqual([]);
  });

  test('prefers the GPU package', () => {
    install(CPU);
    install(GPU);
    expect(found().map(({ name, version }) => `${name} ${version}`)).toEqual([
      `${GPU} 4.22.0`,
      `${CPU} 4.22.0`,
    ]);
  });

  test('prefers the package that setup prepared to one that npm installed', () => {
    install(GPU);
    const folders = [prepare('cpu'), prepare('gpu')].reverse();
    const candidates = found();
    expect(candidates.slice(0, 2).map(({ folder }) => folder)).toEqual(folders);
    expect(candidates.map(({ prepared }) => prepared?.record.package)).toEqual([GPU, CPU, undefined]);
  });

  test('TINYGPT_TFJS may name the package or the project that holds it, and excludes all others', () => {
    const folder = install(CPU);
    for (const value of [folder, project]) {
      process.env.TINYGPT_TFJS = value;
      expect(findPackages('/nowhere/any.js').candidates.map((c) => c.folder)).toEqual([folder]);
    }
  });

  test('workers are given GPUs by the build that would be used', async () => {
    for (const [name, isGpu] of [
      [CPU, false],
      [GPU, true],
    ] as const) {
      process.env.TINYGPT_TFJS = install(name);
      expect(await hasGpuTensorflow()).toBe(isGpu);
    }
    process.env.TINYGPT_TFJS = join(project, 'nowhere');
    expect(await hasGpuTensorflow()).toBe(false);
  });

  test('a TINYGPT_TFJS folder without a package is an error that names it', () => {
    process.env.TINYGPT_TFJS = project;
    const { candidates, fault } = findPackages(join(project, 'any.js'));
    expect(candidates).toEqual([]);
    expect(fault?.reason).toContain(project);
    expect(fault?.remedy).toContain('unset');
    expect(fault?.broken).toBe(true);
  });
});

describe('inspect', () => {
  test('accepts a complete package', () => {
    install(CPU);
    expect(inspect(found()[0]!)).toBeUndefined();
  });

  test.each([
    ['npm did not run its install script', []],
    ['its install script could not download libtensorflow', ['deps']],
    ['libtensorflow was downloaded, but the addon could neither be downloaded nor built', ['deps/lib']],
  ])('names a missing addon and its cause: %s', (cause, made) => {
    const folder = install(GPU, { addon: false });
    for (const path of made) mkdirSync(join(folder, path), { recursive: true });
    const fault = inspect(found()[0]!)!;
    expect(fault.reason).toMatch(/tfjs-node-gpu is installed without its native addon .*tfjs_binding\.node/);
    expect(fault.reason).toContain(cause);
    expect(fault.remedy).toBe('npx tinygpt setup tensorflow --gpu');
    expect(fault.broken).toBe(false);
  });

  test('refuses an addon that another user could have changed, unless TINYGPT_TFJS names it', () => {
    const folder = install(CPU);
    const { addon } = found()[0]!;
    chmodSync(addon, 0o666);
    const fault = inspect(found()[0]!)!;
    expect(fault.reason).toBe(
      `${CPU} is not loaded, as another user could have changed it: ${addon} can be written by others (mode 666)`,
    );
    expect(fault.broken).toBe(true);
    process.env.TINYGPT_TFJS = folder;
    expect(inspect(found()[0]!)).toBeUndefined();
  });

  test('refuses an addon that is not as setup built it', () => {
    install(CPU);
    const candidate = found()[0]!;
    const record = { addonHash: sha256(readFileSync(candidate.addon)) } as SetupRecord;
    const prepared = { ...candidate, prepared: { folder: project, record } };
    expect(inspect(prepared)).toBeUndefined();
    writeFileSync(candidate.addon, 'cut short');
    expect(inspect(prepared)).toMatchObject({
      reason: `the native addon of ${CPU} is not as it was built (${candidate.addon})`,
      remedy: 'npx tinygpt setup tensorflow',
    });
  });

  test('refuses another major version', () => {
    install(CPU, { version: '3.21.1' });
    const fault = inspect(found()[0]!)!;
    expect(fault.reason).toContain('3.21.1');
    expect(fault.remedy).toBe(`npm install ${CPU}@4.22.0`);
  });
});

describe('diagnose', () => {
  const fault = (message: string, name = GPU) => diagnose(new Error(message), { name });

  test('names a missing CUDA library', () => {
    const { reason, remedy } = fault(
      'libcudart.so.11.0: cannot open shared object file: No such file or directory',
    );
    expect(reason).toBe(`${GPU} needs the shared library libcudart.so.11.0, which is not found`);
    expect(remedy).toMatch(/^npx tinygpt setup tensorflow --gpu.*LD_LIBRARY_PATH/);
  });

  test('recommends setup for a missing libtensorflow', () => {
    const { reason, remedy } = fault(
      'libtensorflow_cc.so.2: cannot open shared object file: No such file or directory',
      CPU,
    );
    expect(reason).toContain('libtensorflow_cc.so.2');
    expect(remedy).toBe('npx tinygpt setup tensorflow');
  });

  test('names any other missing library', () => {
    const { reason, remedy } = fault(
      'libfoo.so.1: cannot open shared object file: No such file or directory',
    );
    expect(reason).toContain('libfoo.so.1');
    expect(remedy).toMatch(/install what holds libfoo\.so\.1/);
  });

  test('names both module versions of an addon for another Node.js', () => {
    const { reason } = fault(
      "The module 'tfjs_binding.node' was compiled against a different Node.js version using\nNODE_MODULE_VERSION 93. This version",
    );
    expect(reason).toContain(`(NODE_MODULE_VERSION 93, this one has ${process.versions.modules})`);
    expect(reason).not.toContain('\n');
  });

  test.each([
    [
      'GLIBC_2.38',
      'glibc',
      "/lib/libc.so.6: version `GLIBC_2.38' not found (required by libtensorflow_cc.so.2)",
    ],
    [
      'GLIBCXX_3.4.32',
      'libstdc++',
      "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by x)",
    ],
  ])('tells a system that is too old: %s', (version, library, message) => {
    const { reason, remedy } = fault(message);
    expect(reason).toContain(version);
    expect(reason).toContain(library);
    expect(remedy).toContain('--release');
  });

  test.each([
    '/x/tfjs_binding.node: undefined symbol: TFE_NewContext',
    '/x/tfjs_binding.node: wrong ELF class: ELFCLASS32',
  ])('tells a build for another system: %s', (message) => {
    const { reason, remedy } = fault(message);
    expect(reason).toContain('built for another system or TensorFlow');
    expect(remedy).toBe('npx tinygpt setup tensorflow --gpu');
  });

  test('understands a real loader error', () => {
    install(CPU);
    const [candidate] = found();
    let error: unknown;
    try {
      createRequire(join(project, 'any.js'))(candidate!.addon);
    } catch (e) {
      error = e;
    }
    const { reason, remedy, broken } = diagnose(error, candidate!);
    expect(reason).toMatch(/tfjs-node (does not load|was built for another system)|built for another system/);
    expect(remedy).toBe('npx tinygpt setup tensorflow');
    expect(broken).toBe(true);
  });
});
