// NVRTC compiles every CUDA source for every chip, where it is available (nvrtc.ts). Nothing is run, so no GPU is needed.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { findNvrtc, KERNELS, type Nvrtc } from './nvrtc.js';

const CHIPS = [75, 80, 86, 89, 90, 100, 120];

/** Macros that each source is compiled with. */
const VARIANTS: Record<string, string[][]> = {
  'adamw.cu': [['TEAM=256', 'VL=4']],
  'attention.cu': [['D=32'], ['D=128'], ['D=256']],
  'attention_mma.cu': [['D=128'], ['D=32'], ['D=64'], ['D=96'], ['D=112'], ['D=256']],
  'binary.cu': [['TYPE=float', 'RESULT=byte', 'EXPRESSION=u > v']],
  'cross_entropy.cu': [
    ['TEAM=256', 'VL=8', 'ACT_BF16', 'HELD=4'],
    ['TEAM=256', 'VL=4'],
    ['TEAM=1024'],
    ['TEAM=256', 'VL=8', 'ACT_BF16', 'HELD=8'],
    ['VL=8', 'ACT_BF16'],
  ],
  'elementwise.cu': [['TEAM=256', 'VL=8', 'ACT_BF16']],
  'embedding.cu': [['VL=4']],
  'moves.cu': [[]],
  'muon.cu': [['TEAM=256', 'VL=4', 'ACT_BF16']],
  'norm.cu': [
    ['TEAM=32', 'VL=4'],
    ['VL=8', 'ACT_BF16'],
  ],
  'reduce.cu': [[]],
  'rotary.cu': [
    ['TEAM=16', 'VL=4'],
    ['TEAM=8', 'VL=8', 'ACT_BF16'],
  ],
  'unary.cu': [['TYPE=float', 'RESULT=float', 'EXPRESSION=expf(v)']],
  'value_embedding.cu': [
    ['TEAM=32', 'VL=4'],
    ['TEAM=16', 'VL=8', 'ACT_BF16'],
  ],
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

/** The compiler's messages where it fails, or what a kernel has too much of. */
async function faultsOf({ build }: Nvrtc, source: string, defines: string[], chip: number): Promise<string> {
  const { image, log } = await build(source, defines, chip);
  const faults = image ? excessOf(log) : [log];
  return faults.length === 0 ? '' : `${source} ${defines} sm_${chip}: ${faults.join('; ')}`;
}

const compilers = await findNvrtc();

test('every CUDA source has its macros here', () => {
  const sources = readdirSync(join(KERNELS, 'cuda')).filter((name) => name.endsWith('.cu'));
  expect(sources.sort()).toEqual(Object.keys(VARIANTS));
});

if (compilers.size === 0) test.skip('NVRTC compiles every CUDA source (libnvrtc was not found)', () => {});
for (const [path, nvrtc] of compilers)
  describe(`${path.replace(/.*\//, '')} compiles every CUDA source`, () => {
    for (const chip of CHIPS) {
      if (!nvrtc.chips.includes(chip)) {
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
            failures.push(await faultsOf(nvrtc, job.source, job.defines, chip));
        };
        await Promise.all([work(), work()]);
        expect(failures.filter(Boolean)).toEqual([]);
      });
    }
  });
