// Prototypes of functions read from their C or CUDA source, so that each signature is written once. Supports what the
// sources under kernels/ use: scalars, pointers, and the macros that a CUDA source is compiled with as types.

/** A parameter: an address, or a scalar by its C type. */
export type ParameterType = 'pointer' | 'int' | 'long' | 'float';

export interface Prototype {
  /** The returned type, e.g. `int` or `void`. */
  result: string;
  parameters: { name: string; type: ParameterType }[];
}

/** Definitions of functions that are called from outside of C: those that begin with `tg_`. */
const EXPORTED = /^(?<result>\w+)\s+(?<name>tg_\w+)\s*\((?<list>[^)]*)\)\s*\{/gm;

/** Kernels of CUDA, KERNEL being the macro of rows/rows.h; perhaps with launch bounds. */
const KERNEL =
  /^(?:KERNEL|extern\s+"C"\s+__global__\s+void)\s+(?:__launch_bounds__\([^)]*\)\s+)?(?<name>\w+)\s*\((?<list>[^)]*)\)/gm;

/** The functions of a C source that are called from outside, by name. @throws Error on a parameter it cannot read */
export const functionsOf = (source: string): Map<string, Prototype> => prototypesOf(source, EXPORTED, {});

/**
 * The kernels of a CUDA source, by name.
 * @param macros those that the source is compiled with
 * @throws Error on a parameter it cannot read
 */
export const kernelsOf = (
  source: string,
  macros: Readonly<Record<string, number | string>> = {},
): Map<string, Prototype> => prototypesOf(source, KERNEL, macros);

function prototypesOf(
  source: string,
  pattern: RegExp,
  macros: Readonly<Record<string, number | string>>,
): Map<string, Prototype> {
  const text = source.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, ' ');
  const found = new Map<string, Prototype>();
  for (const { groups } of text.matchAll(pattern)) {
    const { result = 'void', name = '', list = '' } = groups!;
    const parts = /^\s*(void)?\s*$/.test(list) ? [] : list.split(',');
    found.set(name, { result, parameters: parts.map((part) => parameter(part, name, macros)) });
  }
  return found;
}

const SCALARS: Readonly<Record<string, ParameterType>> = { int: 'int', long: 'long', float: 'float' };

function parameter(
  text: string,
  owner: string,
  macros: Readonly<Record<string, number | string>>,
): Prototype['parameters'][number] {
  const [, type, stars, name] = /^\s*(?:const\s+)?(\w+)\s*(\**)\s*(\w+)\s*$/.exec(text) ?? [];
  const scalar = SCALARS[String(macros[type!] ?? type)];
  if (!name || !(stars || scalar))
    throw new Error(`Expected a pointer, int, long or float as a parameter of ${owner}, got ${text.trim()}`);
  return { name, type: stars ? 'pointer' : scalar! };
}
