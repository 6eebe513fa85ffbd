// NVRTC itself for the kernels' tests: $TINYGPT_NVRTC (its files, separated by colons), else where the backend looks.

import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { candidates } from '../../../src/backend/cuda/find.js';
import { isStandIn } from '../../cuda/device/device.js';

export const KERNELS = fileURLToPath(new URL('../../../../kernels/', import.meta.url));

export type Nvrtc = Awaited<ReturnType<typeof openNvrtc>>;

async function openNvrtc(path: string) {
  const { default: koffi } = await import('../../../src/backend/koffi.js');
  const library = koffi.load(path);
  if (isStandIn(library)) throw new Error(`${path} is a stand-in`);
  const bind = (name: string, ...types: string[]) => library.func(name, 'int', types);
  const create = bind('nvrtcCreateProgram', 'void *', 'str', 'str', 'int', 'void *', 'void *');
  const compileProgram = bind('nvrtcCompileProgram', 'uintptr_t', 'int', 'const char **');
  const logSize = bind('nvrtcGetProgramLogSize', 'uintptr_t', 'void *');
  const getLog = bind('nvrtcGetProgramLog', 'uintptr_t', 'void *');
  const imageSize = bind('nvrtcGetCUBINSize', 'uintptr_t', 'void *');
  const getImage = bind('nvrtcGetCUBIN', 'uintptr_t', 'void *');
  const destroy = bind('nvrtcDestroyProgram', 'void *');
  const countChips = bind('nvrtcGetNumSupportedArchs', 'void *');
  const listChips = bind('nvrtcGetSupportedArchs', 'void *');
  const count = new Int32Array(1);
  countChips(count);
  const chips = new Int32Array(count[0]!);
  listChips(chips);
  const bytes = (sizeOf: typeof logSize, get: typeof getLog, program: bigint) => {
    const size = new BigUint64Array(1);
    sizeOf(program, size);
    const buffer = Buffer.alloc(Number(size[0]));
    get(program, buffer);
    return buffer;
  };
  return {
    chips: [...chips],
    /** Compiles off the main thread, with ptxas's report in the log; no image where the compiler fails. */
    async build(source: string, defines: string[], chip: number): Promise<{ image?: Buffer; log: string }> {
      const program = new BigUint64Array(1);
      create(program, readFileSync(join(KERNELS, 'cuda', source), 'utf8'), source, 0, null, null);
      const options = [
        `--gpu-architecture=sm_${chip}`,
        '--std=c++17',
        '--extra-device-vectorization',
        '--ptxas-options=-v',
        ...['cuda', 'rows'].map((folder) => `--include-path=${join(KERNELS, folder)}`),
        ...defines.map((each) => `--define-macro=${each}`),
      ];
      const code = await new Promise<number>((resolve, reject) => {
        compileProgram.async(program[0], options.length, options, (error: Error | null, result: number) =>
          error ? reject(error) : resolve(result),
        );
      });
      const log = bytes(logSize, getLog, program[0]!).toString();
      const image = code === 0 ? bytes(imageSize, getImage, program[0]!) : undefined;
      destroy(program);
      return image ? { image, log } : { log: `${code} ${log}` };
    },
  };
}

/** The files to try: named ones, else the first of each major version that can be loaded. */
export async function findNvrtc(): Promise<Map<string, Nvrtc>> {
  const named = process.env.TINYGPT_NVRTC?.split(delimiter).filter(Boolean);
  const found = new Map<string, Nvrtc>();
  const majors = new Set<number>();
  for (const { path, major } of named?.map((path, i) => ({ path, major: -i })) ?? candidates('libnvrtc')) {
    if (majors.has(major)) continue;
    try {
      found.set(path, await openNvrtc(path));
      majors.add(major);
    } catch (error) {
      if (named) throw error;
    }
  }
  return found;
}
