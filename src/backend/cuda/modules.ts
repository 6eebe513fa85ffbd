// Kernels by source and name, specialised by macros: compiled, loaded and looked up once.

import type { Defines, KernelCompiler } from './compile.js';
import type { KernelFunction } from './launch.js';
import { type DriverApi, received } from './library.js';
import { cudaErrorOf } from './status.js';

/** CUresults that say that an image is damaged or made for something else. */
const REFUSED = [200, 209, 218, 222];

const MAX_DYNAMIC_SHARED = 8;
/** More than this a kernel must ask for before it is launched. */
const SHARED_WITHOUT_ASKING = 48 * 1024;

/** A kernel to be found: `source` relative to kernels/, its name there, and its arguments' types (launch.ts). */
export interface KernelSpec {
  source: string;
  name: string;
  types: string;
  defines?: Defines;
  /** Dynamic shared memory, bytes, where that is more than 48 KiB. */
  shared?: number;
}

/** Finds kernels. */
export type FindKernel = (spec: KernelSpec) => KernelFunction;

/** See `FindKernel`. Modules stay loaded until the process ends. */
export function createModules(api: DriverApi, compiler: KernelCompiler): FindKernel {
  const modules = new Map<string, number>();
  const functions = new Map<string, KernelFunction>();

  const moduleOf = (source: string, defines: Defines, key: string): number => {
    let handle = modules.get(key);
    if (handle === undefined) {
      handle = load(source, defines);
      modules.set(key, handle);
    }
    return handle;
  };

  const load = (source: string, defines: Defines): number => {
    const open = () => {
      const image = compiler.image(source, defines);
      return received((place) => api.cuModuleLoadData(place, image));
    };
    try {
      return open();
    } catch (error) {
      const refused = REFUSED.includes(cudaErrorOf(error)?.code ?? 0);
      if (refused && compiler.discard(source, defines)) return open();
      throw error;
    }
  };

  return ({ source, name, types, defines = {}, shared = 0 }) => {
    let moduleKey = source;
    for (const macro in defines) moduleKey += ` ${macro}=${defines[macro]}`;
    const key = `${moduleKey} ${name} ${shared}`;
    const known = functions.get(key);
    if (known) return known;
    const module = moduleOf(source, defines, moduleKey);
    const handle = received((place) => api.cuModuleGetFunction(place, module, name));
    if (shared > SHARED_WITHOUT_ASKING) api.cuFuncSetAttribute(handle, MAX_DYNAMIC_SHARED, shared);
    const found = { handle, name, types };
    functions.set(key, found);
    return found;
  };
}
