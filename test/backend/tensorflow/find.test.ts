// Every way in which an installed tfjs-node can fail is named, with the command that mends it.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Candidate, diagnose, findPackages, inspect } from '../../../src/backend/tensorflow/find.js';

const GPU = '@tensorflow/tfjs-node-gpu';
const CPU = '@tensorflow/tfjs-node';
const variable = process.env.TINYGPT_TFJS;
let project = '';

beforeEach(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), 'tinygpt-tfjs-')));
  delete process.env.TINYGPT_TFJS;
});

afterEach(() => {
  rmSync(project, { recursive: true });
  delete process.env.TINYGPT_TFJS;
  if (variable !== undefined) process.env.TINYGPT_TFJS = variable;
});

function install(name: string, { version = '4.22.0', addon = true } = {}): string {
  const folder = join(project, 'node_modules', name);
  mkdirSync(join(folder, 'lib', 'napi-v8'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version }));
  if (addon) writeFileSync(join(folder, 'lib', 'napi-v8', 'tfjs_binding.node'), 'not a library');
  return folder;
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

  test('TINYGPT_TFJS may name the package or the project that holds it, and hides all others', () => {
    const folder = install(CPU);
    for (const value of [folder, project]) {
      process.env.TINYGPT_TFJS = value;
      expect(findPackages('/nowhere/any.js').candidates.map((c) => c.folder)).toEqual([folder]);
    }
  });

  test('a TINYGPT_TFJS that holds no package is a fault that names it', () => {
    process.env.TINYGPT_TFJS = project;
    const { candidates, fault } = findPackages(join(project, 'any.js'));
    expect(candidates).toEqual([]);
    expect(fault?.reason).toContain(project);
    expect(fault?.remedy).toContain('unset');
    expect(fault?.broken).toBe(true);
  });
});

describe('inspect', () => {
  test('is content with a complete package', () => {
    install(CPU);
    expect(inspect(found()[0]!)).toBeUndefined();
  });

  test('names a missing addon, its likely causes and the command that builds it', () => {
    install(GPU, { addon: false });
    const fault = inspect(found()[0]!)!;
    expect(fault.reason).toMatch(/tfjs-node-gpu is installed without its native addon .*tfjs_binding\.node/);
    expect(fault.reason).toMatch(/blocked.*download failed/);
    expect(fault.remedy).toBe(
      `cd ${project} && npm rebuild ${GPU} --ignore-scripts=false --foreground-scripts`,
    );
    expect(fault.broken).toBe(false);
  });

  test('refuses another major version', () => {
    install(CPU, { version: '3.21.1' });
    const fault = inspect(found()[0]!)!;
    expect(fault.reason).toContain('3.21.1');
    expect(fault.remedy).toBe(`npm install ${CPU}@4.22.0`);
  });
});

describe('diagnose', () => {
  function fault(message: string) {
    install(GPU);
    return diagnose(new Error(message), found()[0]!);
  }

  test('names a missing CUDA library', () => {
    const { reason, remedy } = fault(
      'libcudart.so.11.0: cannot open shared object file: No such file or directory',
    );
    expect(reason).toBe(`${GPU} needs the shared library libcudart.so.11.0, which is not found`);
    expect(remedy).toMatch(/libcudart\.so\.11\.0 .*LD_LIBRARY_PATH/);
  });

  test('sends a missing libtensorflow to the install script', () => {
    const { reason, remedy } = fault(
      'libtensorflow.so.2: cannot open shared object file: No such file or directory',
    );
    expect(reason).toContain('libtensorflow.so.2');
    expect(remedy).toContain(`npm rebuild ${GPU}`);
  });

  test.each([
    "The module 'tfjs_binding.node' was compiled against a different Node.js version using\nNODE_MODULE_VERSION 93.",
    '/x/tfjs_binding.node: undefined symbol: TFE_NewContext',
    "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by libtensorflow.so.2)",
    '/x/tfjs_binding.node: wrong ELF class: ELFCLASS32',
  ])('tells a build for another system: %s', (message) => {
    const { reason, remedy } = fault(message);
    expect(reason).toContain('built for another system or Node.js');
    expect(reason).not.toContain('\n');
    expect(remedy).toContain('--build-addon-from-source');
  });

  test('reads the error of a real loader', () => {
    install(CPU);
    const [candidate] = found();
    let error: unknown;
    try {
      createRequire(join(project, 'any.js'))(candidate!.addon);
    } catch (e) {
      error = e;
    }
    const { reason, remedy, broken } = diagnose(error, candidate!);
    expect(reason).toMatch(/tfjs-node (does not load|was built for another system)/);
    expect(remedy).toContain(`npm rebuild ${CPU}`);
    expect(broken).toBe(true);
  });
});
