// The kernels for every instruction set that this machine can compile for and run: each compared with its definition in
// double precision (kernels/native/test/values.c), and some under the sanitizers. AMX runs on an emulation, arm64 under qemu.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { FLAGS, findCompiler, SOURCES, TARGETS } from '../../../src/backend/native/compile.js';

const scratch = mkdtempSync(join(tmpdir(), 'tinygpt-instruction-sets-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const kernels = readdirSync(SOURCES)
  .filter((name) => name.endsWith('.c'))
  .map((name) => join(SOURCES, name));
const LIBRARIES = ['-lm', '-lpthread', ...(process.platform === 'linux' ? ['-ldl'] : [])];
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const ENV = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };

const compiler = findCompiler();
const features = new Set(
  process.platform === 'linux' && process.arch === 'x64'
    ? (/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '').trim().split(' ')
    : [],
);

const PROBE = join(scratch, 'probe');

function compiles(command: string | undefined, flags: string[]): boolean {
  if (command === undefined) return false;
  writeFileSync(`${PROBE}.c`, '#include <math.h>\nint main(void) { return 0; }\n');
  return spawnSync(command, [...flags, `${PROBE}.c`, '-o', PROBE]).status === 0;
}

/** Whether a program can be compiled with these flags and run here. */
function works(command: string | undefined, flags: string[], runner: string[] = []): boolean {
  const [first, ...rest] = [...runner, PROBE];
  return compiles(command, flags) && spawnSync(first!, rest, { env: ENV }).status === 0;
}

const sanitizers = works(compiler, SANITIZERS) ? SANITIZERS : [];

interface Way {
  flags: string[];
  /** On one thread then: what sanitizers put between multiplies and adds keeps some from being fused. */
  sanitized?: boolean;
  threads?: number;
  runner?: string[];
}

/** Builds the kernels with values.c, whose arrays are of exactly the size that a kernel may touch. @returns its output */
function check(command: string, { flags, sanitized = false, threads = 1, runner = [] }: Way): string {
  const program = join(mkdtempSync(join(scratch, 'level-')), 'values');
  const options = [...FLAGS.filter((flag) => flag !== '-O3'), '-Wall', '-Wextra', '-Werror', ...flags];
  if (sanitized) options.push('-g', ...sanitizers);
  const sources = [...kernels, join(SOURCES, 'test/values.c')];
  execFileSync(command, [...options, ...sources, '-o', program, ...LIBRARIES], { stdio: 'pipe' });
  const [first, ...rest] = [...runner, program, String(threads)];
  const { status, stdout, stderr } = spawnSync(first!, rest, { env: ENV, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** A test that is skipped by name, with the reason, where it cannot run. */
function testWhere(title: string, missing: string | undefined, body: () => void): void {
  if (missing === undefined) test(title, body, 300_000);
  else test.skip(`${title} (${missing})`, () => {});
}

const lacks = (...wanted: string[]): string | undefined => {
  if (compiler === undefined) return 'no compiler';
  const absent = wanted.filter((feature) => !features.has(feature));
  return absent.length > 0 ? `this processor lacks ${absent.join(', ')}` : undefined;
};

describe('the kernels are correct and stay within their buffers', () => {
  const haswell = ['avx2', 'fma', 'bmi1', 'bmi2', 'abm', 'movbe', 'f16c'];
  const skylake = [...haswell, 'avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl', 'adx', 'clwb'];

  testWhere('in 128-bit vectors', lacks(), () => {
    const plain = process.arch === 'x64' ? ['-march=x86-64'] : [];
    const printed = check(compiler!, { flags: ['-O1', ...plain], sanitized: true });
    expect(printed).toMatch(/^bf16 by rounding\n\d+ comparisons$/m);
  });

  testWhere('in AVX2', lacks(...haswell), () => {
    const printed = check(compiler!, { flags: ['-O1', '-march=haswell'], sanitized: true });
    expect(printed).toMatch(/^bf16 by rounding\n\d+ comparisons$/m);
  });

  testWhere('in AVX-512 without bfloat16', lacks(...skylake), () => {
    const printed = check(compiler!, { flags: ['-O1', '-march=skylake-avx512'] });
    expect(printed).toMatch(/^bf16 by rounding\n\d+ comparisons$/m);
  });

  testWhere('for this processor, the same bits on one thread and more', lacks(), () => {
    const target = TARGETS.find((flags) => works(compiler, [...flags]))!;
    const printed = check(compiler!, { flags: ['-O2', ...target], threads: 3 });
    expect(printed).toMatch(
      features.has('avx512_bf16') ? /^bf16 by (pairs|tiles)\n\d+ comparisons$/m : /^\d+ comparisons$/m,
    );
  });

  testWhere(
    'by AMX, emulated, and without it where the system refuses the tiles',
    lacks('avx512_bf16'),
    () => {
      const flags = ['-O1', '-march=native', '-DTINYGPT_EMULATED_AMX'];
      const printed = check(compiler!, { flags, sanitized: true });
      expect(printed).toMatch(/^bf16 by pairs, 0 products of tiles$/m);
      expect(Number(/^bf16 by tiles, (\d+) products of tiles$/m.exec(printed)?.[1])).toBeGreaterThan(10_000);
      expect(check(compiler!, { flags, threads: 3 })).toMatch(/^bf16 by tiles/m);
    },
  );

  const sapphireRapids = '-march=sapphirerapids';
  testWhere(
    'AMX’s source becomes AMX’s instructions',
    compiles(compiler, [sapphireRapids]) ? undefined : `no compiler that knows ${sapphireRapids}`,
    () => {
      const assembly = join(scratch, 'gemm.s');
      execFileSync(compiler!, [...FLAGS, sapphireRapids, '-S', join(SOURCES, 'amx.c'), '-o', assembly]);
      const text = readFileSync(assembly, 'utf8');
      const expected = ['ldtilecfg', 'tileloadd', 'tdpbf16ps', 'tilestored'];
      expect(expected.filter((name) => !text.includes(name))).toEqual([]);
    },
  );

  const cross = findCompiler({ PATH: process.env.PATH, CC: 'aarch64-linux-gnu-gcc' });
  const qemu = ['qemu-aarch64'];
  testWhere(
    'in NEON, under qemu',
    works(cross, ['-static'], qemu) ? undefined : 'no aarch64-linux-gnu-gcc with qemu-aarch64',
    () => {
      const printed = check(cross!, { flags: ['-O1', '-static'], runner: qemu });
      expect(printed).toMatch(/^bf16 by rounding\n\d+ comparisons$/m);
    },
  );
});
