// Kernels from CUDA C++ source: compiled by NVRTC for the chip at hand and kept in the cache folder under a name that
// changes with the sources, the options, the GPU and the compiler. Processes that start at the same time each write
// their own file and rename it; a damaged entry is recompiled.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../../base/errors.js';
import { defaultCacheFolder, removeLeftovers, sha256, writeFileAtomic } from '../../base/files.js';
import { whyUntrusted } from '../../base/trust.js';
import { deepStacks } from '../koffi.js';
import { type NvrtcApi, receivedInt } from './library.js';
import { compileProgram, compileProgramAside, type ProgramText } from './program.js';

/** kernels/ of the package; sources are named relative to it. */
export const KERNELS = fileURLToPath(new URL('../../../../kernels/', import.meta.url));

/** Folders whose headers a source may include. */
const INCLUDED = ['cuda', 'rows'];

/** Threads of libuv's pool unless the environment says otherwise. */
const POOL_THREADS = 4;

/** Values of macros, by name. */
export type Defines = Readonly<Record<string, number | string>>;

/** NVRTC made ready for one chip. */
export interface KernelCompiler {
  /** Version of NVRTC, e.g. 12.4. */
  readonly version: string;
  /** What it compiles for, e.g. `sm_90`, or `compute_90` where it is older than the chip. */
  readonly target: string;
  /** Start of the hash of all sources. */
  readonly fingerprint: string;
  /** The text of a source. */
  text(source: string): string;
  /**
   * The compiled image of a source, from the cache where it is there.
   * @param source e.g. `cuda/attention.cu`
   * @throws EnvironmentError with the compiler's complaint
   */
  image(source: string, defines: Defines): Uint8Array;
  /**
   * Compiles several at a time what of these is not in the cache: as many as there are processors, at most the threads of
   * libuv's pool, where koffi's asynchronous calls run (4, or $UV_THREADPOOL_SIZE). What does not compile is left to `image`,
   * which throws the compiler's message.
   */
  prepare(kernels: readonly { source: string; defines?: Defines }[]): Promise<void>;
  /** Forgets a cached image that the driver refuses; false when it was compiled just now. */
  discard(source: string, defines: Defines): boolean;
  /** Compilations so far, cached ones not counted. */
  compilations(): number;
}

/** See `KernelCompiler`. */
export function createCompiler(
  api: NvrtcApi,
  options: {
    /** Compute capability, e.g. 90. */
    chip: number;
    /**
     * Where images are kept: the cache folder, or $TINYGPT_CUDA_KERNELS, where images of other machines serve too, by whatever
     * version of NVRTC they were compiled.
     */
    folder?: string;
    /** Root of the sources. */
    sources?: string;
    /** Called before the first compilation. */
    onFirst?: (target: string) => void;
  },
): KernelCompiler {
  const ahead = options.folder === undefined ? process.env.TINYGPT_CUDA_KERNELS : undefined;
  const { chip, folder = ahead || join(defaultCacheFolder(), 'cuda'), sources = KERNELS, onFirst } = options;
  const version = versionOf(api).join('.');
  /** Precompiled images work with any NVRTC version. */
  const compiler = ahead ? 'any' : version;
  const target = targetFor(supportedChips(api), chip, version);
  const flags = [
    `--gpu-architecture=${target}`,
    '--std=c++17',
    '--extra-device-vectorization',
    ...INCLUDED.map((name) => `-I${join(sources, name)}`),
  ];
  const headers = textsOf(sources, /\.(h|cuh)$/);
  const fresh = new Set<string>();
  /** Precompiled images, by file, until they are requested. */
  const prepared = new Map<string, Uint8Array>();
  let compilations = 0;
  removeLeftovers(folder);

  const text = (source: string): string => readFileSync(join(sources, source), 'utf8');

  const fileOf = (source: string, defines: Defines): string => {
    const key = sha256(
      text(source),
      ...headers,
      compiler,
      target,
      flags.slice(1, 3).join(' '),
      JSON.stringify(defines),
    );
    return join(folder, `${source.replace(/[/.]/g, '-')}-${target}-${key.slice(0, 24)}.bin`);
  };

  const programOf = (source: string, defines: Defines): ProgramText => ({
    name: source,
    text: text(source),
    flags: [...flags, ...Object.entries(defines).map(([name, value]) => `-D${name}=${value}`)],
    machineCode: target.startsWith('sm_'),
  });

  const keep = (file: string, image: Uint8Array): void => {
    fresh.add(file);
    try {
      writeFileAtomic(file, Buffer.concat([Buffer.from(sha256(image), 'hex'), image]), { owned: true });
    } catch {
      // Without a writable cache the kernels are compiled each time.
    }
  };

  return {
    version,
    target,
    fingerprint: sha256(...headers, ...textsOf(sources, /\.cu$/)).slice(0, 8),
    text,
    image(source, defines) {
      const file = fileOf(source, defines);
      const cached = prepared.get(file) ?? readImage(file);
      prepared.delete(file);
      if (cached) return cached;
      if (compilations++ === 0) onFirst?.(target);
      const image = compileProgram(api, programOf(source, defines));
      keep(file, image);
      return image;
    },
    async prepare(kernels) {
      const missing = new Map<string, ProgramText>();
      for (const { source, defines = {} } of kernels) {
        const file = fileOf(source, defines);
        if (!missing.has(file) && !prepared.has(file) && !readImage(file))
          missing.set(file, programOf(source, defines));
      }
      if (missing.size === 0 || !deepStacks()) return;
      if (compilations === 0) onFirst?.(target);
      const queue = [...missing];
      const work = async () => {
        for (let next = queue.shift(); next; next = queue.shift()) {
          const [file, program] = next;
          try {
            const image = await compileProgramAside(api, program);
            compilations++;
            keep(file, image);
            prepared.set(file, image);
          } catch {
            // `image` meets the same complaint.
          }
        }
      };
      const threads = Math.min(
        availableParallelism(),
        Number(process.env.UV_THREADPOOL_SIZE) || POOL_THREADS,
      );
      await Promise.all(Array.from({ length: Math.min(threads, queue.length) }, work));
    },
    discard(source, defines) {
      const file = fileOf(source, defines);
      if (fresh.has(file)) return false;
      rmSync(file, { force: true });
      return true;
    },
    compilations: () => compilations,
  };
}

/** NVRTC's version: [major, minor]. */
export function versionOf(api: NvrtcApi): [number, number] {
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  api.nvrtcVersion(major, minor);
  return [major[0]!, minor[0]!];
}

function supportedChips(api: NvrtcApi): number[] {
  const chips = new Int32Array(receivedInt((place) => api.nvrtcGetNumSupportedArchs(place)));
  api.nvrtcGetSupportedArchs(chips);
  return [...chips];
}

/**
 * Machine code for a chip that NVRTC knows; else intermediate code for the latest older one, which the driver
 * translates when it loads it.
 * @throws EnvironmentError when NVRTC knows later chips only
 */
export function targetFor(known: readonly number[], chip: number, version: string): string {
  if (known.includes(chip)) return `sm_${chip}`;
  const older = known.filter((each) => each < chip);
  if (older.length === 0)
    throw new EnvironmentError(
      `NVRTC ${version} compiles for compute capability ${Math.min(...known) / 10} and later, the GPU has ${chip / 10}; ` +
        'install NVRTC of an older CUDA (npx tinygpt setup cuda --release 12)',
    );
  return `compute_${Math.max(...older)}`;
}

/** Names and texts of the files whose names match. */
function textsOf(sources: string, pattern: RegExp): string[] {
  return INCLUDED.filter((name) => existsSync(join(sources, name))).flatMap((name) =>
    readdirSync(join(sources, name))
      .filter((file) => pattern.test(file))
      .sort()
      .flatMap((file) => [file, readFileSync(join(sources, name, file), 'utf8')]),
  );
}

/**
 * An entry of the cache: its hash, then the image. Undefined when it is not there or damaged, or when another user could
 * have written it.
 */
function readImage(file: string): Uint8Array | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
    if (whyUntrusted(file)) return undefined;
  } catch {
    return undefined;
  }
  const image = bytes.subarray(32);
  return bytes.subarray(0, 32).toString('hex') === sha256(image) ? image : undefined;
}
