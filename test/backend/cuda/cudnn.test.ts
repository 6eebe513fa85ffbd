// Attention by cuDNN on the emulated device: what it computes, when it is chosen, and that everything that goes wrong leaves our
// kernels in charge.

import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createChoices } from '../../../src/backend/cuda/choices.js';
import { type AttentionCall, attentionWork } from '../../../src/backend/cuda/cudnn/attention.js';
import { type Cudnn, createCudnn, type Places } from '../../../src/backend/cuda/cudnn/cudnn.js';
import { loadCudnn } from '../../../src/backend/cuda/library.js';
import { openSession, type Session } from '../../../src/backend/cuda/session.js';
import { createStopwatch } from '../../../src/backend/cuda/timing.js';
import { cudnnControl } from '../../cuda/device/device.js';
import { describeEmulated } from './present.js';
import { type AttentionSizes, attention, expectClose, fromBf16, numbers, toBf16 } from './references.js';

let folder = '';
const before = { ...process.env };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tinygpt-cudnn-'));
  process.env.TINYGPT_CACHE = folder;
});
afterEach(() => {
  for (const name of ['TINYGPT_CACHE', 'TINYGPT_CUDA_CUDNN', 'TINYGPT_CUDA_MATMULS'])
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  rmSync(folder, { recursive: true });
});

const SMALL: AttentionSizes = { B: 2, T: 20, H: 2, G: 1, D: 16, window: 7 };

describeEmulated('attention by cuDNN', (device) => {
  let control: (name: string, value: number) => void = () => {};
  beforeEach(async () => {
    control = await cudnnControl(device().folder);
  });
  afterEach(() => {
    control('', 0);
    expect(device().controls.fake_errors()).toBe('');
    device().controls.fake_reset();
  });

  /** Tensors on the device where self-attention has them, and `own`, which stands in for our kernels: it writes the reference. */
  function prepare(session: Session, sizes: AttentionSizes, dyScale = 1) {
    const { allocator, transfer } = session;
    const { B, T, H, G, D } = sizes;
    const [N, row] = [B * T, (H + 2 * G) * D];
    const [qkv, dy] = [toBf16(numbers('qkv', N * row)), toBf16(numbers('dy', N * H * D, dyScale))];
    const columns = (x: Uint16Array, from: number, width: number) =>
      fromBf16(
        Uint16Array.from(
          { length: N * width },
          (_, i) => x[Math.floor(i / width) * row + from + (i % width)]!,
        ),
      );
    const parts = [
      [0, H * D],
      [H * D, G * D],
      [(H + G) * D, G * D],
    ] as const;
    const [q, k, v] = parts.map(([from, width]) => columns(qkv, from, width)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const reference = attention(sizes, { q, k, v, dy: fromBf16(dy) });
    const place = (bytes: number, values?: Uint16Array) => {
      const { address } = allocator.allocate(bytes);
      const filler = new Uint8Array(bytes).fill(0xff);
      transfer.upload(values ? new Uint8Array(values.buffer) : filler, address);
      return address;
    };
    const [given, made] = [place(2 * N * row, qkv), place(2 * N * row)];
    const at = {
      ...{ q: given, k: given + 2 * H * D, v: given + 2 * (H + G) * D },
      ...{ dq: made, dk: made + 2 * H * D, dv: made + 2 * (H + G) * D },
      ...{ y: place(2 * N * H * D), lse: place(4 * N * H), dy: place(2 * N * H * D, dy) },
    };
    const shape = { ...sizes, qStride: row, kvStride: row };
    const read = (address: number, bytes: number) => new Uint16Array(transfer.readSync(address, bytes));
    const results = {
      forward: () => ({
        y: fromBf16(read(at.y, 2 * N * H * D)),
        lse: new Float32Array(transfer.readSync(at.lse, 4 * N * H)),
      }),
      backward: () => {
        const all = read(made, 2 * N * row);
        const [dq, dk, dv] = parts.map(([from, width]) => columns(all, from, width));
        return { dq, dk, dv };
      },
    };
    const waste = { a: place(4), b: place(4), c: place(4) };
    let launches = 0;
    const write = (values: Uint16Array | Float32Array, address: number) =>
      transfer.upload(new Uint8Array(values.buffer as ArrayBuffer), address);
    const writeForward = () => {
      write(toBf16(Float32Array.from(reference.y)), at.y);
      write(Float32Array.from(reference.lse), at.lse);
    };
    const calls = (work: AttentionCall['work']) => {
      if (work === 'backward') writeForward();
      const own = (given: Places) => {
        launches++;
        // By the device's clock this takes 3 s (cublaslt.cpp).
        session.products.multiply({ m: 1, n: 1, k: 1, ...waste, operands: 'fp32' });
        if (work === 'forward') return writeForward();
        const all = new Float32Array(N * row);
        const ofY = () => attention(sizes, { q, k, v, dy: fromBf16(toBf16(Float32Array.from(reference.y))) });
        const { dq, dk, dv } = given.dy === at.dy ? reference : ofY();
        [dq, dk, dv].forEach((x, part) => {
          const [from, width] = parts[part]!;
          x.forEach((value, i) => {
            all[Math.floor(i / width) * row + from + (i % width)] = value;
          });
        });
        write(toBf16(all), made);
      };
      return { call: attentionWork({ work, shape, at }), own };
    };
    const check = (work: AttentionCall['work'], tolerance = 1e-2) => {
      for (const [name, values] of Object.entries(results[work]()))
        expectClose(values!, reference[name as keyof typeof reference], tolerance);
    };
    return { calls, check, launches: () => launches };
  }

  /** Attention as a session would make it, for every shape however small. */
  async function fused(session: Session, options: object = {}) {
    const notes: string[] = [];
    const { api, rescue } = await loadCudnn(12);
    rescue.makeRoom = () => session.allocator.trim() + 1;
    const { allocator, transfer, stream, driver } = session;
    const made = createCudnn({
      ...{ api, allocator, transfer, stream, leastFlops: 0, onNote: (line) => notes.push(line) },
      selection: {
        choices: createChoices({ device: 'emulated', library: 'cuDNN' }),
        stopwatch: createStopwatch(driver, stream)!,
      },
      ...options,
    });
    return { made, notes };
  }
  const pass = (made: Cudnn) => made.test('attention', async () => []);
  const executions = () =>
    [
      ...device()
        .controls.fake_log()
        .matchAll(/cudnnBackendExecute (\w+)/g),
    ].length;
  const nothing = () => {};

  test.each<[string, AttentionSizes, number]>([
    ['causal', { B: 2, T: 33, H: 2, G: 2, D: 16, window: 33 }, 2 ** 29],
    ['within a window', { B: 2, T: 33, H: 2, G: 2, D: 16, window: 10 }, 2 ** 29],
    ['of queries alone', { B: 1, T: 9, H: 1, G: 1, D: 32, window: 0 }, 2 ** 29],
    ['of grouped queries', { B: 3, T: 21, H: 4, G: 2, D: 16, window: 8 }, 2 ** 29],
    ['of some sequences at a time', { B: 6, T: 12, H: 2, G: 1, D: 16, window: 12 }, 140_000],
  ])('reads and writes our layout, %s', async (_, sizes, mostWorkspace) => {
    const session = await openSession();
    const { made, notes } = await fused(session, { always: true, mostWorkspace });
    const { calls, check, launches } = prepare(session, sizes);
    for (const work of ['forward', 'backward'] as const) {
      const { call, own } = calls(work);
      let after = 0;
      made.run(call, own, () => after++, false);
      check(work);
      expect(after).toBe(1);
    }
    expect(launches()).toBe(0);
    expect(executions()).toBe(mostWorkspace < 2 ** 20 ? 1 + 3 : 2);
    expect(notes).toEqual([]);
  });

  test('is measured once it has passed the self-test, and what was chosen is stored', async () => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    const { calls, check, launches } = prepare(session, SMALL);
    const { call, own } = calls('backward');
    expect(made.untested('attention')).toBe(true);
    made.run(call, own, nothing, false);
    expect([launches(), executions()]).toEqual([1, 0]);
    const second = await fused(session);
    await pass(second.made);
    expect(second.made.untested('attention')).toBe(false);
    second.made.run(call, own, nothing, false);
    check('backward');
    expect(executions()).toBeGreaterThan(3);
    expect([...second.made.used().values()]).toEqual(['cuDNN']);
    // The next process neither tests nor measures.
    const [ours, theirs] = [launches(), executions()];
    const third = await fused(session);
    expect(third.made.untested('attention')).toBe(false);
    third.made.run(call, own, nothing, false);
    check('backward');
    expect([launches(), executions()]).toEqual([ours, theirs + 1]);
    expect(third.made.used()).toEqual(second.made.used());
    expect([...notes, ...second.notes, ...third.notes]).toEqual([]);
  });

  test.each<[string, (control: (name: string, value: number) => void) => void, RegExp, number]>([
    ['is slower', (set) => set('ms', 1e6), /takes 1000\d+ ms, ours 3\d+ ms/, 1],
    ['computes something else', (set) => set('wrong', 0.5), /is off by/, 1],
    ['does not repeat to the bit', (set) => set('unsteady', 1e-2), /does not repeat to the bit/, 1],
    ['has no engine', (set) => set('refuse', 2), /has no engine for attention backward 2 20 2 1 16 7/, 0],
  ])('our kernels compute where cuDNN %s, which is said once', async (_, set, reason, uses) => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    await pass(made);
    set(control);
    const { calls, check } = prepare(session, SMALL);
    const { call, own } = calls('backward');
    made.run(call, own, nothing, false);
    const executed = executions();
    made.run(call, own, nothing, false);
    check('backward');
    expect(executions()).toBe(executed);
    expect(notes).toEqual([expect.stringMatching(reason)]);
    expect([...made.used().values()]).toEqual(uses ? ['own'] : []);
    // Another shape, as unlucky, says nothing more.
    const other = prepare(session, { ...SMALL, T: 12 }).calls('backward');
    made.run(other.call, other.own, nothing, false);
    expect(notes).toHaveLength(1);
  });

  test('a wrong gradient is found at a first step too, where the gradients that come in are zero', async () => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    await pass(made);
    control('wrong', 0.5);
    const { calls, check } = prepare(session, SMALL, 0);
    const { call, own } = calls('backward');
    made.run(call, own, nothing, false);
    check('backward');
    expect(notes).toEqual([expect.stringMatching(/is off by/)]);
  });

  test('our kernels compute from the first execution on that fails', async () => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    await pass(made);
    const { calls, check, launches } = prepare(session, SMALL);
    const { call, own } = calls('forward');
    made.run(call, own, nothing, false);
    device().controls.fake_fail('cudnnBackendExecute', 1, 5000);
    const [ours, theirs] = [launches(), executions()];
    made.run(call, own, nothing, false);
    made.run(call, own, nothing, false);
    check('forward');
    expect(launches()).toBe(ours + 2);
    expect(executions()).toBeLessThanOrEqual(theirs + 1);
    expect(notes).toEqual([expect.stringMatching(/CUDNN_STATUS_EXECUTION_FAILED/)]);
  });

  test('our kernels compute where cuDNN cannot start', async () => {
    const session = await openSession();
    const { made, notes } = await fused(session, { always: true });
    device().controls.fake_fail('cudnnCreate', 1, 1001);
    const { calls, launches } = prepare(session, SMALL);
    const { call, own } = calls('forward');
    made.run(call, own, nothing, false);
    expect(launches()).toBe(1);
    expect(notes).toEqual([expect.stringMatching(/CUDNN_STATUS_NOT_INITIALIZED/)]);
  });

  test('lack of memory is an OutOfMemoryError and not a reason to give cuDNN up', async () => {
    const session = await openSession();
    const { made, notes } = await fused(session, { always: true });
    const { calls, check } = prepare(session, SMALL);
    const { call, own } = calls('backward');
    made.run(call, own, nothing, false);
    device().controls.fake_fail('cudnnBackendExecute', 1, 4004);
    made.run(call, own, nothing, false); // tried again after memory was released
    check('backward');
    expect(notes).toEqual([]);
  });

  test('a failed self-test is remembered', async () => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    await made.test('attention', async () => ['attention: expected 1, got 2']);
    expect(notes).toEqual([expect.stringMatching(/fails the self-test \(attention: expected 1, got 2\)/)]);
    const next = await fused(session);
    expect(next.made.untested('attention')).toBe(false);
    const { calls, launches } = prepare(session, SMALL);
    const { call, own } = calls('forward');
    next.made.run(call, own, nothing, false);
    expect([launches(), executions()]).toEqual([1, 0]);
  });

  test.each([
    ['two other processes', [2 ** 30, 2 ** 30 + 1]],
    ['two of this id, as in containers', [process.pid, process.pid]],
  ])('a shape in whose measurement %s ended is not tried again', async (_, pids) => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    await pass(made);
    const { calls, launches } = prepare(session, SMALL);
    const { call, own } = calls('forward');
    const key = 'attention forward 2 20 2 1 16 7 64 64';
    const store = createChoices({ device: 'emulated', library: 'cuDNN' });
    store.keep(key, ['undecided'], { algorithm: 'undecided', milliseconds: pids });
    made.run(call, own, nothing, false);
    expect([launches(), executions()]).toEqual([1, 0]);
    expect(notes).toEqual([expect.stringMatching(/2 processes ended in the middle of attention forward/)]);
  });

  test.each([
    ['was interrupted', [2 ** 30]],
    ['that is alive is at it', [process.ppid, process.ppid]],
  ])('a shape and the self-test are tried again where one process %s', async (_, pids) => {
    const session = await openSession();
    const { made, notes } = await fused(session);
    const mark = { algorithm: 'undecided', milliseconds: pids };
    const store = createChoices({ device: 'emulated', library: 'cuDNN' });
    store.keep('attention, self-test', ['undecided'], mark);
    store.keep('attention forward 2 20 2 1 16 7 64 64', ['undecided'], mark);
    expect(made.untested('attention')).toBe(true);
    let during: (number | null)[] | undefined;
    await made.test('attention', async () => {
      during = store.find('attention, self-test', ['undecided'])?.milliseconds;
      return [];
    });
    expect(during).toEqual([...pids, process.pid]);
    const { calls } = prepare(session, SMALL);
    const { call, own } = calls('forward');
    made.run(call, own, nothing, false);
    expect([...made.used().values()]).toEqual(['cuDNN']);
    expect(notes).toEqual([]);
  });

  test('nothing is measured while work is recorded, nor for little work', async () => {
    const session = await openSession();
    const { made } = await fused(session);
    await pass(made);
    const { calls, launches } = prepare(session, SMALL);
    const { call, own } = calls('forward');
    made.run(call, own, nothing, true);
    const small = await fused(session, { leastFlops: 1e9 });
    small.made.run(call, own, nothing, false);
    expect([launches(), executions()]).toEqual([2, 0]);
    made.run(call, own, nothing, false);
    expect(executions()).toBeGreaterThan(0);
  });

  test.each([
    [
      'an old version',
      'version',
      90_900,
      /expected cuDNN 9\.10 or later for CUDA 12, got version 90900 for CUDA 12/,
    ],
    ['one for another CUDA', 'cuda', 13_000, /got version 92801 for CUDA 13/],
  ])('a session goes without %s', async (_, name, value, reason) => {
    control(name, value);
    const notes: string[] = [];
    const session = await openSession({ onNote: (line) => notes.push(line) });
    expect(session.cudnn).toBeUndefined();
    expect(session.files.libcudnn).toMatch(reason);
    expect(notes).toEqual([expect.stringMatching(reason)]);
  });

  test('a session goes without cuDNN where there is none, and says so only when asked', async () => {
    const without = mkdtempSync(join(tmpdir(), 'tinygpt-libraries-'));
    for (const name of readdirSync(device().folder))
      if (!name.includes('cudnn')) symlinkSync(join(device().folder, name), join(without, name));
    const notes: string[] = [];
    const env = { TINYGPT_CUDA_LIBRARIES: without, PATH: '' };
    const session = await openSession({ env, onNote: (line) => notes.push(line) });
    rmSync(without, { recursive: true });
    if (!session.files.libcudnn.startsWith('none')) return; // this machine has one of its own
    expect(session.cudnn).toBeUndefined();
    expect(notes).toEqual([]);
  });

  test('TINYGPT_CUDA_CUDNN turns it off, and is checked', async () => {
    expect((await openSession()).cudnn?.version).toBe('9.28.1');
    process.env.TINYGPT_CUDA_CUDNN = 'off';
    expect((await openSession()).cudnn).toBeUndefined();
    process.env.TINYGPT_CUDA_CUDNN = 'fast';
    await expect(openSession()).rejects.toThrow('Expected TINYGPT_CUDA_CUDNN to be off or always, got fast');
  });
});
