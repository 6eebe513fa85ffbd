// Compiles one CUDA source with NVRTC, on this thread or on another.

import { type NvrtcApi, received } from './library.js';
import { restoreSignals } from './signals.js';
import { failure } from './status.js';

const CODE = { compilation: 6 };

/** What is to be compiled. */
export interface ProgramText {
  /** For messages, e.g. `cuda/attention.cu`. */
  name: string;
  text: string;
  flags: readonly string[];
  /** Machine code, else intermediate code. */
  machineCode: boolean;
}

/** Compiles and waits. @throws CudaError with the compiler's first complaint */
export function compileProgram(api: NvrtcApi, program: ProgramText): Uint8Array {
  const handle = create(api, program);
  try {
    const code = api.nvrtcCompileProgram(handle, program.flags.length, program.flags);
    return imageOf(api, handle, program, code);
  } finally {
    destroy(api, handle);
  }
}

/**
 * Compiles on a thread of its own: NVRTC takes calls about different programs at once (NVRTC documentation, "Thread safety").
 * @throws CudaError as above
 */
export async function compileProgramAside(api: NvrtcApi, program: ProgramText): Promise<Uint8Array> {
  const handle = create(api, program);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      api.nvrtcCompileProgram.async(handle, program.flags.length, program.flags, (error, result) =>
        error ? reject(error) : resolve(result),
      );
    });
    return imageOf(api, handle, program, code);
  } finally {
    destroy(api, handle);
  }
}

const create = (api: NvrtcApi, { name, text }: ProgramText): number =>
  received((place) => api.nvrtcCreateProgram(place, text, name, 0, [], []));

function destroy(api: NvrtcApi, handle: number): void {
  restoreSignals();
  api.nvrtcDestroyProgram(new BigUint64Array([BigInt(handle)]));
}

function imageOf(
  api: NvrtcApi,
  handle: number,
  { name, machineCode }: ProgramText,
  code: number,
): Uint8Array {
  if (code === CODE.compilation)
    throw failure('nvrtc', 'nvrtcCompileProgram', code, `${name}: ${firstError(logOf(api, handle))}`);
  if (code !== 0) throw failure('nvrtc', 'nvrtcCompileProgram', code);
  const [size, get] = machineCode
    ? ([api.nvrtcGetCUBINSize, api.nvrtcGetCUBIN] as const)
    : ([api.nvrtcGetPTXSize, api.nvrtcGetPTX] as const);
  const image = new Uint8Array(received((place) => size(handle, place)));
  get(handle, image);
  return image;
}

function logOf(api: NvrtcApi, program: number): string {
  const log = new Uint8Array(received((place) => api.nvrtcGetProgramLogSize(program, place)));
  api.nvrtcGetProgramLog(program, log);
  return Buffer.from(log).toString('utf8').replace(/\0.*$/s, '');
}

const firstError = (log: string): string => {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => /error/i.test(line)) ?? lines[0] ?? 'no message').trim();
};
