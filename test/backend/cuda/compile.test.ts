// The cache of compiled kernels, and copies to and from the device.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createCompiler, type KernelCompiler, targetFor } from '../../../src/backend/cuda/compile.js';
import { loadNvrtc, type NvrtcApi } from '../../../src/backend/cuda/library.js';
import { createModules } from '../../../src/backend/cuda/modules.js';
import { openSession } from '../../../src/backend/cuda/session.js';
import { randomStream } from '../../../src/base/random.js';
import { describeEmulated } from './present.js';

describe('the target', () => {
  const known = [75, 80, 90];
  test('is machine code where NVRTC knows the chip', () => {
    expect(targetFor(known, 80, '12.4')).toBe('sm_80');
  });
  test('is intermediate code of the latest older chip otherwise', () => {
    expect(targetFor(known, 89, '12.4')).toBe('compute_80');
    expect(targetFor(known, 120, '12.4')).toBe('compute_90');
  });
  test('is an error where NVRTC no longer supports the chip', () => {
    expect(() => targetFor([100, 120], 75, '20.0')).toThrow(
      /compiles for compute capability 10 and later.*has 7\.5/,
    );
  });
});

describeEmulated('the cache of compiled kernels', () => {
  let folder = '';
  let api: NvrtcApi;
  const sources = () => join(folder, 'kernels');
  const images = () => readdirSync(join(folder, 'cache'));
  const kernel = (body: string) => `extern "C" __global__ void k(float *x) { ${body} }\n`;
  let announced: string[] = [];

  const open = (chip = 80): KernelCompiler =>
    createCompiler(api, {
      chip,
      folder: join(folder, 'cache'),
      sources: sources(),
      onFirst: (target) => announced.push(target),
    });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tinygpt-compile-'));
    mkdirSync(join(sources(), 'cuda'), { recursive: true });
    writeFileSync(join(sources(), 'cuda', 'a.cu'), kernel('x[0] = VALUE;'));
    writeFileSync(join(sources(), 'cuda', 'a.h'), '// one\n');
    ({ api } = await loadNvrtc(12));
    announced = [];
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test('compiles and announces once, then loads from the cache', () => {
    const first = open();
    const image = first.image('cuda/a.cu', { VALUE: 1 });
    first.image('cuda/a.cu', { VALUE: 2 });
    expect(first.compilations()).toBe(2);
    expect(announced).toEqual(['sm_80']);
    const second = open();
    expect(Buffer.from(second.image('cuda/a.cu', { VALUE: 1 }))).toEqual(Buffer.from(image));
    expect(second.compilations()).toBe(0);
    expect(images()).toHaveLength(2);
  });

  test('a folder of precompiled kernels works with any NVRTC version, the cache only with its own', () => {
    const newer: NvrtcApi = {
      ...api,
      nvrtcVersion: (major, minor) => {
        (major as Int32Array)[0] = 13;
        (minor as Int32Array)[0] = 1;
      },
    };
    const compiledBy = (nvrtc: NvrtcApi, folderOfCache?: string) => {
      const own = folderOfCache === undefined ? {} : { folder: folderOfCache };
      const compiler = createCompiler(nvrtc, { chip: 80, sources: sources(), ...own });
      compiler.image('cuda/a.cu', { VALUE: 1 });
      return compiler.compilations();
    };
    process.env.TINYGPT_CUDA_KERNELS = join(folder, 'ahead');
    try {
      expect([compiledBy(api), compiledBy(newer)]).toEqual([1, 0]);
      expect(readdirSync(join(folder, 'ahead'))).toHaveLength(1);
    } finally {
      delete process.env.TINYGPT_CUDA_KERNELS;
    }
    expect([compiledBy(api, join(folder, 'cache')), compiledBy(newer, join(folder, 'cache'))]).toEqual([
      1, 1,
    ]);
  });

  test('a prepared kernel is compiled once and returned on request', async () => {
    const jobs = [1, 2, 1, 3].map((VALUE) => ({ source: 'cuda/a.cu', defines: { VALUE } }));
    const first = open();
    await first.prepare(jobs);
    expect(first.compilations()).toBe(3);
    expect(announced).toEqual(['sm_80']);
    expect(images()).toHaveLength(3);
    const image = Buffer.from(first.image('cuda/a.cu', { VALUE: 2 }));
    expect(first.compilations()).toBe(3);
    const second = open();
    await second.prepare(jobs);
    expect(Buffer.from(second.image('cuda/a.cu', { VALUE: 2 }))).toEqual(image);
    expect(second.compilations()).toBe(0);
    // The same bytes as one compiled when it is asked for.
    rmSync(join(folder, 'cache'), { recursive: true });
    expect(Buffer.from(open().image('cuda/a.cu', { VALUE: 2 }))).toEqual(image);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('%s still ends a process that has compiled', async (signal) => {
    const build = new URL('../../../src/backend/cuda/', import.meta.url);
    const program = `
      const { loadNvrtc } = await import('${new URL('library.js', build)}');
      const { createCompiler } = await import('${new URL('compile.js', build)}');
      const { api } = await loadNvrtc(12);
      const compiler = createCompiler(api, { chip: 80, folder: process.argv[1], sources: process.argv[2] });
      await compiler.prepare([{ source: 'cuda/a.cu', defines: { VALUE: 1 } }]);
      compiler.image('cuda/a.cu', { VALUE: 2 });
      setInterval(() => {}, 1000);
      process.stdout.write('ready');`;
    const words = ['--input-type=module', '-e', program, join(folder, 'cache'), sources()];
    const child = spawn(process.execPath, words, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, FAKE_NVRTC_SIGNALS: '1' },
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await ended).toEqual([null, signal]);
  });

  test('a kernel that cannot be prepared is an error when it is requested', async () => {
    writeFileSync(join(sources(), 'cuda', 'b.cu'), kernel('x[0] = nothing;'));
    const compiler = open();
    await compiler.prepare([{ source: 'cuda/b.cu' }, { source: 'cuda/a.cu', defines: { VALUE: 1 } }]);
    expect(compiler.compilations()).toBe(1);
    expect(() => compiler.image('cuda/b.cu', {})).toThrow(/NVRTC_ERROR_COMPILATION/);
  });

  test('a prepared kernel is compiled once even without a writable cache', async () => {
    writeFileSync(join(folder, 'cache'), 'a file');
    const compiler = open();
    await compiler.prepare([{ source: 'cuda/a.cu', defines: { VALUE: 1 } }]);
    compiler.image('cuda/a.cu', { VALUE: 1 });
    expect(compiler.compilations()).toBe(1);
  });

  test('another chip, macro, source or header gets its own kernel', () => {
    const count = () => {
      const compiler = open();
      compiler.image('cuda/a.cu', { VALUE: 1 });
      return compiler.compilations();
    };
    expect([count(), count()]).toEqual([1, 0]);
    writeFileSync(join(sources(), 'cuda', 'a.h'), '// two\n');
    expect(count()).toBe(1);
    writeFileSync(join(sources(), 'cuda', 'a.cu'), kernel('x[1] = VALUE;'));
    expect(count()).toBe(1);
    const other = open(90);
    other.image('cuda/a.cu', { VALUE: 1 });
    expect(other.compilations()).toBe(1);
  });

  test('a cache entry that another user could have written is recompiled', () => {
    open().image('cuda/a.cu', { VALUE: 1 });
    const file = join(folder, 'cache', images()[0]!);
    expect(statSync(file).mode & 0o077).toBe(0);
    chmodSync(file, 0o666);
    const compiler = open();
    compiler.image('cuda/a.cu', { VALUE: 1 });
    expect(compiler.compilations()).toBe(1);
    expect(statSync(file).mode & 0o077).toBe(0);
  });

  test('a damaged cache entry is recompiled', () => {
    const image = Buffer.from(open().image('cuda/a.cu', { VALUE: 1 }));
    const file = join(folder, 'cache', images()[0]!);
    const bytes = readFileSync(file);
    for (const damaged of [
      bytes.subarray(0, 100),
      Buffer.concat([bytes, Buffer.from('x')]),
      Buffer.alloc(0),
    ]) {
      writeFileSync(file, damaged);
      const compiler = open();
      expect(Buffer.from(compiler.image('cuda/a.cu', { VALUE: 1 }))).toEqual(image);
      expect(compiler.compilations()).toBe(1);
      expect(readFileSync(file)).toEqual(bytes);
    }
  });

  test('without a writable cache it compiles each time', () => {
    writeFileSync(join(folder, 'cache'), 'a file');
    const compiler = open();
    compiler.image('cuda/a.cu', { VALUE: 1 });
    expect(compiler.compilations()).toBe(1);
  });

  test('a compile error of the stand-in is reported with its line', () => {
    writeFileSync(join(sources(), 'cuda', 'b.cu'), kernel('x[0] = nothing;'));
    expect(() => open().image('cuda/b.cu', {})).toThrow(
      /nvrtcCompileProgram failed with NVRTC_ERROR_COMPILATION \(6\): cuda\/b\.cu: .*nothing/,
    );
  });
});

describeEmulated('a cached image', (device) => {
  test('that the driver refuses is compiled anew, once', async () => {
    const session = await openSession();
    const spec = {
      source: 'cuda/unary.cu',
      name: 'unary',
      defines: { TYPE: 'float', RESULT: 'float', EXPRESSION: 'v + 41' },
    };
    session.compiler.image(spec.source, spec.defines);
    const later = await openSession();
    device().controls.fake_fail('cuModuleLoadData', 1, 209);
    expect(later.kernel(spec).handle).toBeGreaterThan(0);
    expect(later.compiler.compilations()).toBe(1);
    // What was compiled just now and is refused has another cause.
    device().controls.fake_fail('cuModuleLoadData', 1, 209);
    const modules = createModules(later.driver, later.compiler);
    expect(() => modules(spec)).toThrow(/CUDA_ERROR_NO_BINARY_FOR_GPU/);
  });
});

describeEmulated('copies', (device) => {
  test('uploads of any size arrive, even through a smaller ring', async () => {
    const { allocator, transfer } = await openSession();
    const random = randomStream(1, 'copies');
    const sent: { values: Uint8Array; address: number }[] = [];
    for (const bytes of [1, 7, 4096, 3_000_000, 100, 2 ** 21, 20_000_001]) {
      const values = Uint8Array.from({ length: Math.min(bytes, 5000) }, () => random.int(256));
      const whole = new Uint8Array(bytes);
      for (let at = 0; at < bytes; at += values.length) whole.set(values.subarray(0, bytes - at), at);
      const { address } = allocator.allocate(bytes);
      const handed = whole.slice();
      transfer.upload(handed, address);
      handed.fill(0); // the caller's array is its own again
      sent.push({ values: whole, address });
    }
    for (const { values, address } of sent) {
      expect(Buffer.from(await transfer.read(address, values.length)).equals(values)).toBe(true);
      expect(Buffer.from(transfer.readSync(address, values.length)).equals(values)).toBe(true);
    }
    expect(transfer.statistics().uploaded).toBe(sent.reduce((sum, { values }) => sum + values.length, 0));
  });

  test('a read sees what was enqueued before it and nothing later, and lets the event loop run', async () => {
    const { allocator, transfer, driver, stream } = await openSession();
    const { address } = allocator.allocate(4096);
    driver.cuMemsetD32Async(address, 1, 1024, stream);
    const first = transfer.read(address, 4096);
    driver.cuMemsetD32Async(address, 2, 1024, stream);
    const second = transfer.read(address, 4096);
    let turns = 0;
    const ticking = setInterval(() => turns++, 0);
    const [one, two] = await Promise.all([first, second]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    clearInterval(ticking);
    expect(new Uint32Array(one).every((v) => v === 1)).toBe(true);
    expect(new Uint32Array(two).every((v) => v === 2)).toBe(true);
    expect(turns).toBeGreaterThan(0);
    expect(transfer.statistics().waits).toBe(0);
  });

  test('a long wait is left to other threads, each of which is given the context', async () => {
    const { allocator, transfer, driver, stream } = await openSession();
    const { address } = allocator.allocate(2 ** 20);
    device().controls.fake_reset();
    // libuv's threads take turns.
    for (let wait = 0; wait < 6; wait++) {
      for (let i = 0; i < 3000; i++) driver.cuMemsetD32Async(address, i, 2 ** 18, stream);
      await transfer.finished();
    }
    const log = device().controls.fake_log();
    expect(log).toMatch(/^cuEventSynchronize aside$/m);
    expect(log).not.toMatch(/^cuEventSynchronize $/m);
    expect(transfer.statistics().waits).toBe(0);
    device().controls.fake_fail('cuEventSynchronize', 1, 719);
    for (let i = 0; i < 3000; i++) driver.cuMemsetD32Async(address, i, 2 ** 18, stream);
    await expect(transfer.finished()).rejects.toThrow(
      /^cuEventSynchronize failed with CUDA_ERROR_LAUNCH_FAILED/,
    );
    transfer.synchronize();
  });
});
