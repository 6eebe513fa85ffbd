// CUDA's libraries around TensorFlow, which opens them by name when it first looks for a GPU and says nothing to
// programs when one is missing: loading pip's, the version in use, and which one is not found.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadForGood } from '../koffi.js';

/** Loads a library by path or name, visible to all; throws where it cannot. */
export type LoadLibrary = (library: string) => void;

const loadGlobally: LoadLibrary = (library) => {
  loadForGood(library, { global: true });
};

/** What TensorFlow opens by name. */
const OPENED =
  /^lib(cudart|cublas|cublasLt|cufft|curand|cusolver|cusparse|cudnn|nvJitLink|cupti|nccl|nvrtc)\.so\.\d+/;

/**
 * Loads CUDA's libraries out of `folders`, those first that others need: what TensorFlow then opens by name is found.
 * @returns paths that could not be loaded
 */
export function preloadCuda(folders: readonly string[], load: LoadLibrary = loadGlobally): string[] {
  let waiting = folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => ({ file, path: join(folder, file) })))
    .filter(({ file }) => OPENED.test(file))
    .map(({ path }) => path);
  for (;;) {
    const failed = waiting.filter((path) => !loads(path, load));
    if (failed.length === 0 || failed.length === waiting.length) return failed;
    waiting = failed;
  }
}

/** True where NVIDIA's driver is installed. */
export const hasDriver = (load: LoadLibrary = loadGlobally): boolean => loads('libcuda.so.1', load);

function loads(library: string, load: LoadLibrary): boolean {
  try {
    load(library);
    return true;
  } catch {
    return false;
  }
}

/** What each generation of TensorFlow wants: since 2.14 CUDA 12, since 2.17 cuDNN 9 (tensorflow.org/install/source#gpu). */
function neededLibraries(tensorflow: string): string[] {
  const [major = 0, minor = 0] = tensorflow.split('.').map(Number);
  const isBefore = (release: number) => major === 2 && minor < release;
  const versions = isBefore(14)
    ? { cudart: '11.0', cublas: 11, cufft: 10, cusolver: 11, cusparse: 11, cudnn: 8 }
    : { cudart: 12, cublas: 12, cufft: 11, cusolver: 11, cusparse: 12, cudnn: isBefore(17) ? 8 : 9 };
  return Object.entries(versions).map(([name, version]) => `lib${name}.so.${version}`);
}

/** The libraries that this TensorFlow opens for a GPU and that are not found. */
export const missingLibraries = (tensorflow: string, load: LoadLibrary = loadGlobally): string[] =>
  neededLibraries(tensorflow).filter((library) => !loads(library, load));

/** Version of the CUDA runtime that TensorFlow uses, e.g. `12.9`; undefined where it cannot be asked. */
export function cudaVersion(tensorflow: string): string | undefined {
  try {
    const runtime = loadForGood(neededLibraries(tensorflow)[0]!);
    const version = [0];
    const status = runtime.func('int cudaRuntimeGetVersion(_Out_ int *version)')(version) as number;
    return status === 0
      ? `${Math.floor(version[0]! / 1000)}.${Math.floor((version[0]! % 1000) / 10)}`
      : undefined;
  } catch {
    return undefined;
  }
}
