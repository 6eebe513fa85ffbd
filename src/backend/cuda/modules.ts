// Kernels by source and name, specialized by macros: compiled, loaded and looked up once.

import { kernelsOf, type ParameterType } from '../prototypes.js';
import type { Defines, KernelCompiler } from './compile.js';
import type { ArgumentType, KernelFunction } from './launch.js';
import { type DriverApi, received } from './library.js';
import { cudaErrorOf } from './status.js';

/** CUresults that say that an image is damaged or made for something else. */
const REFUSED = [200, 209, 218, 222];

const MAX_DYNAMIC_SHARED = 8;
/** More than this a kernel must ask for before it is launched. */
const SHARED_WITHOUT_ASKING = 48 * 1024;

/** Types of parameters as `pack` takes them. */
const LETTERS: Record<ParameterType, ArgumentType> = { pointer: 'p', int: 'i', long: 'l', float: 'f' };

/** A kernel to be found: `source` relative to kernels/, and its name there. */
export interface KernelSpec {
  source: string;
  name: string;
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

  /** From the prototype in the source, which is the only place where a kernel's arguments are written down. */
  const typesOf = (source: string, name: string, defines: Defines): string => {
    const prototype = kernelsOf(compiler.text(source), defines).get(name);
    if (!prototype) throw new Error(`Expected a kernel ${name} in kernels/${source}, found none`);
    return prototype.parameters.map(({ type }) => LETTERS[type]).join('');
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

  return ({ source, name, defines = {}, shared = 0 }) => {
    let moduleKey = source;
    for (const macro in defines) moduleKey += ` ${macro}=${defines[macro]}`;
    const key = `${moduleKey} ${name} ${shared}`;
    const known = functions.get(key);
    if (known) return known;
    const module = moduleOf(source, defines, moduleKey);
    const handle = received((place) => api.cuModuleGetFunction(place, module, name));
    if (shared > SHARED_WITHOUT_ASKING) api.cuFuncSetAttribute(handle, MAX_DYNAMIC_SHARED, shared);
    const found = { handle, name, types: typesOf(source, name, defines) };
    functions.set(key, found);
    return found;
  };
}
