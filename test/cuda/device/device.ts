// The emulated device: stand-ins for libcuda.so.1, libnvrtc.so.12, libcublasLt.so.12 and libcudnn.so.9 compiled by this machine's
// C++ compiler (test/cuda/device/*.cpp say what they do). Their sonames differ from NVIDIA's: the loader would otherwise
// return a loaded stand-in for the bare name `libcuda.so.1`, to the tests and to NVRTC.

import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sha256 } from '../../../src/base/files.js';

const SOURCES = fileURLToPath(new URL('../../../../test/cuda/device/', import.meta.url));
const FILES = {
  cuda: 'libcuda.so.1',
  nvrtc: 'libnvrtc.so.12',
  cublaslt: 'libcublasLt.so.12',
  cudnn: 'libcudnn.so.9',
} as const;

/** Why there can be no emulated device here, or undefined. */
export function whyNoEmulatedDevice(): string | undefined {
  if (process.platform !== 'linux') return `it is made for Linux, not ${process.platform}`;
  return compilerPath() ? undefined : 'no C++ compiler (CXX, g++ or clang++)';
}

/** The C++ compiler; undefined where there is none. */
export function compilerPath(): string | undefined {
  const { CXX, PATH } = process.env;
  for (const name of CXX ? [CXX] : ['g++', 'clang++'])
    for (const folder of name.includes('/') ? [''] : (PATH ?? '').split(delimiter)) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {}
    }
  return undefined;
}

/**
 * Compiles the stand-ins unless they are there and returns their folder: one in the system's temporary folder, named by a
 * hash of the sources, so that test files share it. `PTX_LIBRARIES` names the folder of other stand-ins to use instead.
 */
export function emulatedLibraries(): string {
  if (process.env.PTX_LIBRARIES) return process.env.PTX_LIBRARIES;
  const compiler = compilerPath()!;
  const texts = ['emulation.h', 'blocks.h', ...Object.keys(FILES).map((name) => `${name}.cpp`)].map((name) =>
    readFileSync(join(SOURCES, name), 'utf8'),
  );
  const key = sha256(compiler, SOURCES, ...texts).slice(0, 16);
  const folder = join(tmpdir(), `tinygpt-emulated-${process.getuid?.() ?? 0}-${key}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, file] of Object.entries(FILES)) {
    if (existsSync(join(folder, file))) continue;
    const temporary = join(folder, `${file}.${process.pid}`);
    execFileSync(compiler, [
      ...['-std=c++17', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', `-Wl,-soname,emulated-${file}`],
      ...[`-DCXX="${compiler}"`, `-DEMULATION_H="${join(SOURCES, 'emulation.h')}"`],
      ...[join(SOURCES, `${name}.cpp`), '-o', temporary],
      // The stand-ins for cuBLASLt and cuDNN queue their work in libcuda's, which the loader finds beside them.
      ...(name === 'cublaslt' || name === 'cudnn' ? [join(folder, FILES.cuda), '-Wl,-rpath,$ORIGIN'] : []),
      ...['-ldl', '-lpthread'],
    ]);
    renameSync(temporary, join(folder, file));
  }
  // Names that a build links against, and the sonames.
  for (const file of Object.values(FILES))
    for (const name of [file.replace(/\.so\..*/, '.so'), `emulated-${file}`]) {
      try {
        symlinkSync(file, join(folder, name));
      } catch {}
    }
  return folder;
}

/** Whether a library that koffi has loaded is a stand-in, for the driver or for NVRTC. */
export const isStandIn = (library: {
  func(name: string, result: string, types: string[]): unknown;
}): boolean =>
  ['fake_reset', 'nvrtcStandIn'].some((name) => {
    try {
      library.func(name, 'int', []);
      return true;
    } catch {
      return false;
    }
  });

/** What tests tell the stand-in for libcuda; cuda.cpp says what each does. */
export interface Controls {
  fake_log(): string;
  fake_errors(): string;
  fake_reset(): void;
  fake_fail(call: string, nth: number, code: number): void;
  fake_set_memory(bytes: number): void;
  fake_set_device(
    devices: number,
    major: number,
    minor: number,
    multiprocessors: number,
    sharedOptIn: number,
  ): void;
  fake_set_order(seed: number): void;
  fake_set_eager(on: number): void;
  fake_set_tight(on: number): void;
  fake_set_late_events(on: number): void;
  fake_set_algorithms(n: number): void;
  fake_allocated(): number;
}

const CONTROLS: Record<keyof Controls, [string, string[]]> = {
  fake_log: ['str', []],
  fake_errors: ['str', []],
  fake_reset: ['void', []],
  fake_fail: ['void', ['str', 'long', 'int']],
  fake_set_memory: ['void', ['double']],
  fake_set_device: ['void', ['int', 'int', 'int', 'int', 'int']],
  fake_set_order: ['void', ['double']],
  fake_set_eager: ['void', ['int']],
  fake_set_tight: ['void', ['int']],
  fake_set_late_events: ['void', ['int']],
  fake_set_algorithms: ['void', ['int']],
  fake_allocated: ['double', []],
};

/** Sets how the stand-in for cuDNN behaves (cudnn.cpp); an empty name undoes all settings. */
export async function cudnnControl(folder: string): Promise<(name: string, value: number) => void> {
  const { default: koffi } = await import('../../../src/backend/koffi.js');
  return koffi.load(join(folder, FILES.cudnn)).func('fake_cudnn', 'void', ['str', 'double']);
}

const unavailable = (name: string) => () => {
  throw new Error(`Expected stand-ins with ${name}`);
};

/** The controls of the stand-in for libcuda in `folder`. */
export async function controlsOf(folder: string): Promise<Controls> {
  const { default: koffi } = await import('../../../src/backend/koffi.js');
  const library = koffi.load(join(folder, FILES.cuda));
  const functions = Object.entries(CONTROLS).map(([name, [result, types]]) => {
    try {
      return [name, library.func(name, result, types)];
    } catch {
      // Other stand-ins have fewer.
      return [name, unavailable(name)];
    }
  });
  return Object.fromEntries(functions) as Controls;
}
