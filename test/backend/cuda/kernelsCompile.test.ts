import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { candidates } from '../../../src/backend/cuda/find.js';
import { isStandIn } from '../../cuda/device/device.js';

// NVRTC itself, where it is at hand ($TINYGPT_NVRTC: its files, separated by colons; else where the backend looks).
// Nothing is run, so no GPU is needed.

const KERNELS = fileURLToPath(new URL('../../../../kernels/', import.meta.url));
const CHIPS = [75, 80, 86, 89, 90, 100, 120];

/** Macros that each source is compiled with. */
const VARIANTS: Record<string, string[][]> = {
  'adamw.cu': [['TEAM=256', 'VL=4']],
  'attention.cu': [['D=32'], ['D=128'], ['D=256']],
  'attention_mma.cu': [['D=32', 'ACT_BF16'], ['D=64'], ['D=96', 'ACT_BF16'], ['D=128'], ['D=256']],
  'binary.cu': [['TYPE=float', 'RESULT=byte', 'EXPRESSION=u > v']],
  'cross_entropy.cu': [['TEAM=256', 'VL=4'], ['ACT_BF16']],
  'elementwise.cu': [['TEAM=256', 'VL=4', 'ACT_BF16']],
  'embedding.cu': [['VL=4']],
  'moves.cu': [[]],
  'muon.cu': [['TEAM=256', 'VL=4', 'ACT_BF16']],
  'norm.cu': [['TEAM=32', 'VL=4'], ['ACT_BF16']],
  'reduce.cu': [[]],
  'rotary.cu': [['TEAM=16', 'VL=4']],
  'unary.cu': [['TYPE=float', 'RESULT=float', 'EXPRESSION=expf(v)']],
  'value_embedding.cu': [['TEAM=32', 'VL=4']],
};

/** What a block may have without asking, and what ptxas may keep outside of registers, bytes. */
const STATIC_SHARED = 48 * 1024;
const SPILLED = 16;

/** What is wrong with the resources of a source's kernels, by ptxas's report. */
function excessOf(report: string): string[] {
  const kernels = report.split('Compiling entry function').slice(1);
  if (kernels.length === 0) return ['no report of ptxas'];
  return kernels.flatMap((text) => {
    const bytes = (pattern: RegExp) => Number(text.match(pattern)?.[1] ?? 0);
    const [spilled, shared] = [bytes(/(\d+) bytes spill stores/), bytes(/(\d+) bytes smem/)];
    const name = text.match(/'(\w+)'/)?.[1];
    return spilled > SPILLED || shared > STATIC_SHARED
      ? [`${name}: ${spilled} bytes spilled, ${shared} bytes of shared memory`]
      : [];
  });
}

/** The first variant on every chip, the others on one: attention's take seconds each. Tensor cores take bfloat16 from 8.0. */
const isWanted = (source: string, variant: number, chip: number) =>
  (source !== 'attention_mma.cu' || chip >= 80) && (variant === 0 || chip === 90);

async function openNvrtc(path: string) {
  const { default: koffi } = await import('koffi');
  const library = koffi.load(path);
  if (isStandIn(library)) throw new Error(`${path} is a stand-in`);
  const bind = (name: string, ...types: string[]) => library.func(name, 'int', types);
  const create = bind('nvrtcCreateProgram', 'void *', 'str', 'str', 'int', 'void *', 'void *');
  const compileProgram = bind('nvrtcCompileProgram', 'uintptr_t', 'int', 'const char **');
  const logSize = bind('nvrtcGetProgramLogSize', 'uintptr_t', 'void *');
  const getLog = bind('nvrtcGetProgramLog', 'uintptr_t', 'void *');
  const destroy = bind('nvrtcDestroyProgram', 'void *');
  const countChips = bind('nvrtcGetNumSupportedArchs', 'void *');
  const listChips = bind('nvrtcGetSupportedArchs', 'void *');
  const count = new Int32Array(1);
  countChips(count);
  const chips = new Int32Array(count[0]!);
  listChips(chips);
  return {
    chips: [...chips],
    /** Compiles off the main thread; returns the compiler's messages where it fails, or what a kernel has too much of. */
    async compile(source: string, defines: string[], chip: number): Promise<string> {
      const program = new BigUint64Array(1);
      create(program, readFileSync(join(KERNELS, 'cuda', source), 'utf8'), source, 0, null, null);
      const options = [
        `--gpu-architecture=sm_${chip}`,
        '--std=c++17',
        '--ptxas-options=-v',
        ...['cuda', 'rows'].map((folder) => `--include-path=${join(KERNELS, folder)}`),
        ...defines.map((each) => `--define-macro=${each}`),
      ];
      const code = await new Promise<number>((resolve, reject) => {
        compileProgram.async(program[0], options.length, options, (error: Error | null, result: number) =>
          error ? reject(error) : resolve(result),
        );
      });
      const size = new BigUint64Array(1);
      logSize(program[0], size);
      const log = Buffer.alloc(Number(size[0]));
      getLog(program[0], log);
      destroy(program);
      const report = log.toString();
      const faults = code === 0 ? excessOf(report) : [`${code} ${report}`];
      return faults.length === 0 ? '' : `${source} ${defines} sm_${chip}: ${faults.join('; ')}`;
    },
  };
}

/** The files to try: named ones, else the first of each major version that can be loaded. */
async function findNvrtc() {
  const named = process.env.TINYGPT_NVRTC?.split(delimiter).filter(Boolean);
  const found = new Map<string, Awaited<ReturnType<typeof openNvrtc>>>();
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

const compilers = await findNvrtc();

test('every CUDA source has its macros here', () => {
  const sources = readdirSync(join(KERNELS, 'cuda')).filter((name) => name.endsWith('.cu'));
  expect(sources.sort()).toEqual(Object.keys(VARIANTS));
});

if (compilers.size === 0) test.skip('NVRTC compiles every CUDA source (libnvrtc was not found)', () => {});
for (const [path, { chips, compile }] of compilers)
  describe(`${path.replace(/.*\//, '')} compiles every CUDA source`, () => {
    for (const chip of CHIPS) {
      if (!chips.includes(chip)) {
        test.skip(`for sm_${chip} (this version does not know it)`, () => {});
        continue;
      }
      test(`for sm_${chip}`, async () => {
        const jobs = Object.entries(VARIANTS).flatMap(([source, variants]) =>
          variants.flatMap((defines, i) => (isWanted(source, i, chip) ? [{ source, defines }] : [])),
        );
        const failures: string[] = [];
        const work = async () => {
          for (let job = jobs.pop(); job; job = jobs.pop())
            failures.push(await compile(job.source, job.defines, chip));
        };
        await Promise.all([work(), work()]);
        expect(failures.filter(Boolean)).toEqual([]);
      });
    }
  });
