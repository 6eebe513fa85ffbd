// Attention by cuDNN in the place of our kernels, where that is better: in bf16, for shapes that cuDNN takes, once it has passed
// the self-test on this GPU, and where it is faster in a measurement at a shape's first use that also finds its results
// equal to ours within rounding and to themselves to the bit. Choices are stored as those of matmuls are (choices.ts). Whatever
// fails leaves our kernels in charge, which is said once.

import { DeviceLostError, messageOf } from '../../../base/errors.js';
import { isAlive } from '../../../base/files.js';
import koffi from '../../koffi.js';
import { noteScratch } from '../../memory.js';
import type { Allocator } from '../allocator.js';
import type { Choice } from '../choices.js';
import { MAX_SCORE_BYTES, sdpaWorkspace } from '../footprint.js';
import { type CudnnApi, received } from '../library.js';
import { type Selection, versionText } from '../products.js';
import { CudaError } from '../status.js';
import { fastest } from '../timing.js';
import type { Transfer } from '../transfer.js';
import { execute, type Plan } from './graph.js';
import { backwardGraph, forwardGraph, type SdpaShape, type SdpaTensor } from './sdpa.js';

/** Fewer FLOPs than this take less time than is spent on plans (a second each) in the steps of a short run. */
const LEAST_FLOPS = 5e9;
/** Of the largest number; bfloat16 has 8 bits. */
const TOLERANCE = 4e-2;
/** Rows at either end of a result that are compared. */
const COMPARED_ROWS = 256;
/** Of workspace, besides what `sdpaWorkspace` counts. */
const SLACK_BYTES = 4096;

/** What is decided, the choice without cuDNN first. */
const TEST = 'attention, self-test';
const VERDICTS = ['failed', 'passed'] as const;
const WAYS = ['own', 'cuDNN'] as const;
/** Stored while it is being decided, with the process's id: if that ends meanwhile, it is not tried again. */
const UNDECIDED = 'undecided';

/** One attention: addresses of the tensors that its graph has in memory, `delta` apart. */
export interface AttentionCall {
  work: 'forward' | 'backward';
  shape: SdpaShape;
  at: Partial<Record<SdpaTensor, number>>;
}

/** Enqueues an attention's kernels on tensors at these places. */
export type Compute = (at: AttentionCall['at']) => void;

/** See the head of this file. */
export interface FusedAttention {
  /** E.g. 9.28.1. */
  readonly version: string;
  /**
   * Enqueues an attention by cuDNN, with `after` behind it, where that is chosen, else by `own`.
   * @param fixed whether nothing may be measured, as the work is being recorded
   * @throws OutOfMemoryError, DeviceLostError
   */
  run(call: AttentionCall, own: Compute, after: () => void, fixed: boolean): void;
  /** Whether cuDNN still has to be tested before anything is measured. */
  untested(): boolean;
  /** Runs `checks`, in which cuDNN computes every attention, and stores whether there were no failures. */
  test(checks: () => Promise<string[]>): Promise<void>;
  /** Shapes that cuDNN could compute and who does. */
  used(): ReadonlyMap<string, string>;
}

/** A plan for `batches` sequences at a time, and what it is executed with. */
interface Engine {
  plan: Plan;
  batches: number;
  /** Uids of tensors, and pointers of scalars. */
  uids: [SdpaTensor, number][];
  scalars: [uid: number, pointer: number][];
}

interface Options {
  api: CudnnApi;
  allocator: Allocator;
  stream: number;
  transfer: Transfer;
  /** How to choose; without it cuDNN is used only where `always` says so. */
  selection?: Selection | undefined;
  /** Wherever cuDNN can. */
  always?: boolean;
  leastFlops?: number;
  /** Bytes of workspace; where all sequences at once would take more, some are computed at a time. */
  mostWorkspace?: number;
  onNote?: (line: string) => void;
}

/** See `FusedAttention`. The context must be current. */
export function createFusedAttention(options: Options): FusedAttention {
  const { api, allocator, stream, transfer, selection, always = false } = options;
  const { leastFlops = LEAST_FLOPS, mostWorkspace = MAX_SCORE_BYTES } = options;
  const version = versionText(api.cudnnGetVersion());
  const engines = new Map<string, Engine | null>();
  const used = new Map<string, string>();
  let [testing, noted, failed, handle] = [false, false, false, 0];

  const note = (reason: string) => {
    if (!noted) options.onNote?.(`Attention by our kernels instead of cuDNN ${version}: ${reason}`);
    noted = true;
  };
  /** A stored decision, undefined where there is none. */
  const stored = (subject: string, options: readonly string[]): string | undefined => {
    const choice = selection?.choices.find(subject, [...options, UNDECIDED]);
    if (choice?.algorithm !== UNDECIDED) return choice?.algorithm;
    if (isAlive(choice.milliseconds[0]!)) return undefined;
    note(`a process ended in the middle of ${subject}`);
    return options[0];
  };
  let verdict = stored(TEST, VERDICTS);
  /** Says in the store that something is being decided. */
  const begin = (subject: string, options: readonly string[]) =>
    selection?.choices.keep(subject, [...options, UNDECIDED], {
      ...{ algorithm: UNDECIDED, milliseconds: [process.pid] },
    });

  /** Made when first needed, as it takes memory. */
  const open = () => {
    if (handle === 0) {
      handle = received((place) => api.cudnnCreate(place));
      api.cudnnSetStream(handle, stream);
    }
    return handle;
  };

  const run = ({ plan, batches, uids, scalars }: Engine, { shape, at }: AttentionCall) => {
    const { B, T, H } = shape;
    const workspaceBytes = Math.ceil(plan.workspaceBytes / 256) * 256;
    const block = allocator.allocate(workspaceBytes + 4 * batches * T * H);
    noteScratch(block.bytes);
    try {
      for (let first = 0; first < B; first += batches) {
        const tensors = uids.map(([name, uid]) => {
          const offset = first * T * rowBytes(name, shape);
          return [uid, name === 'delta' ? block.address + workspaceBytes : at[name]! + offset] as const;
        });
        execute(api, handle, plan, [...tensors, ...scalars], block.address);
      }
    } finally {
      noteScratch(-block.bytes);
      allocator.free(block);
    }
  };

  /** An engine for a shape; undefined where cuDNN has none that repeats and fits. */
  const engineFor = ({ work, shape }: AttentionCall): Engine | undefined => {
    const { B, T, H, G, D } = shape;
    const fits = (batches: number) =>
      B % batches === 0 && (work === 'forward' || sdpaWorkspace(batches, T, H, G, D) <= mostWorkspace);
    let batches = B;
    while (batches > 0 && !fits(batches)) batches--;
    if (batches === 0) return undefined;
    const make = work === 'forward' ? forwardGraph : backwardGraph;
    const { graph, tensors, scalars } = make(api, { ...shape, B: batches });
    const plan = graph.plan({ handle: open() }, mostWorkspace + SLACK_BYTES);
    if (!plan) return undefined;
    const values = koffi.alloc('float', scalars.length);
    const address = Number(koffi.address(values));
    new Float32Array(koffi.view(values, 4 * scalars.length)).set(scalars.map(([, value]) => value));
    return {
      plan,
      batches,
      uids: Object.entries(tensors).map(([name, { uid }]) => [name as SdpaTensor, uid]),
      scalars: scalars.map(([{ uid }, _], i) => [uid, address + 4 * i]),
    };
  };

  /** The results of an attention at both ends of each of its tensors. */
  const results = ({ work, shape, at }: AttentionCall): Float32Array[] => {
    const names: SdpaTensor[] = work === 'forward' ? ['y', 'lse'] : ['dq', 'dk', 'dv'];
    const rows = shape.B * shape.T;
    const some = Math.min(rows, COMPARED_ROWS);
    return names.flatMap((name) => {
      const each = rowBytes(name, shape);
      const heads = name === 'dk' || name === 'dv' ? shape.G : shape.H;
      const bytes = (some - 1) * each + (name === 'lse' ? 4 : 2 * shape.D) * heads;
      return [0, (rows - some) * each].map((from) => {
        const read = transfer.readSync(at[name]! + from, bytes);
        return name === 'lse' ? new Float32Array(read) : widened(new Uint16Array(read));
      });
    });
  };

  /** What is wrong with cuDNN's results; undefined where they are right. */
  const fault = (call: AttentionCall, own: Compute, fused: Compute): string | undefined => {
    // A model's first gradients may be zero, of which nothing is learned.
    const at = { ...call.at, dy: call.at.y };
    const [expected, got, again] = [own, fused, fused].map((compute) => {
      compute(at);
      return results(call);
    }) as [Float32Array[], Float32Array[], Float32Array[]];
    const off = Math.max(...expected.map((values, i) => difference(values, got[i]!)));
    if (!(off <= TOLERANCE))
      return `its ${nameOf(call)} is off by ${off.toPrecision(2)} of the largest number`;
    const repeats = got.every((values, i) => values.every((value, j) => value === again[i]![j]));
    return repeats ? undefined : `its ${nameOf(call)} does not repeat to the bit`;
  };

  /** The choice for a shape that has none. */
  const measure = (call: AttentionCall, engine: Engine, own: Compute, after: () => void): Choice => {
    const fused = (at: AttentionCall['at']) => {
      run(engine, { ...call, at });
      after();
    };
    const ways = [own, fused].map((compute) => () => compute(call.at));
    const { chosen, milliseconds } = fastest(ways, selection!.stopwatch);
    const [ours, theirs] = milliseconds;
    if (chosen === 0) {
      note(
        theirs == null
          ? 'it fails'
          : `its ${nameOf(call)} takes ${shown(theirs)} ms, ours ${shown(ours!)} ms`,
      );
      return { algorithm: 'own', milliseconds };
    }
    const reason = fault(call, own, fused);
    if (reason) note(reason);
    return { algorithm: reason ? 'own' : 'cuDNN', milliseconds };
  };

  /** The engine to use for a call, or null: ours. */
  const choose = (key: string, call: AttentionCall, own: Compute, after: () => void): Engine | null => {
    if (always || testing) {
      const engine = engineFor(call);
      if (!engine) note(`it has no engine for ${key}`);
      else if (!testing) used.set(key, 'cuDNN');
      return engine ?? null;
    }
    if (!selection || verdict !== 'passed' || flops(call.shape) < leastFlops) return null;
    let way = stored(key, WAYS);
    const engine = way === 'own' ? undefined : engineFor(call);
    if (!engine && !way) note(`it has no engine for ${key}`);
    if (engine && !way) {
      begin(key, WAYS);
      let choice: Choice = { algorithm: 'own', milliseconds: [] };
      try {
        choice = measure(call, engine, own, after);
      } catch (error) {
        if (!(error instanceof DeviceLostError)) selection.choices.keep(key, WAYS, choice);
        throw error;
      }
      way = selection.choices.keep(key, WAYS, choice).algorithm;
    }
    if (way) used.set(key, way);
    return (way === 'cuDNN' && engine) || null;
  };

  return {
    version,
    run(call, own, after, fixed) {
      const key = `attention ${call.work} ${Object.values(call.shape).join(' ')}`;
      const attempt = (): boolean => {
        let engine = testing ? undefined : engines.get(key);
        if (engine === undefined) {
          if (fixed || call.shape.D % 8 !== 0) return false;
          engine = choose(key, call, own, after);
          if (!testing) engines.set(key, engine);
        }
        if (testing && !engine) throw new Error(`cuDNN ${version} has no engine for ${key}`);
        if (engine) run(engine, call);
        return engine !== null;
      };
      let done = false;
      try {
        done = !failed && attempt();
      } catch (error) {
        if (testing || !(error instanceof CudaError)) throw error;
        failed = true;
        note(messageOf(error));
      }
      if (done) after();
      else own(call.at);
    },
    untested: () => selection !== undefined && !always && verdict === undefined,
    async test(checks) {
      begin(TEST, VERDICTS);
      testing = true;
      let failures: string[];
      try {
        failures = await checks();
      } finally {
        testing = false;
      }
      engines.clear();
      const algorithm = failures.length === 0 ? 'passed' : 'failed';
      verdict = selection?.choices.keep(TEST, VERDICTS, { algorithm, milliseconds: [] }).algorithm;
      if (failures.length > 0) note(`it fails the self-test (${failures[0]})`);
    },
    used: () => used,
  };
}

const shown = (ms: number): number => Number(ms.toPrecision(4));

const nameOf = (call: AttentionCall): string => `attention (${call.work})`;

const flops = ({ B, T, H, D, window }: SdpaShape): number => 4 * B * H * D * T * Math.min(T, window + 1);

/** Bytes between rows of a tensor. */
function rowBytes(name: SdpaTensor, { H, D, qStride, kvStride }: SdpaShape): number {
  if (name === 'lse') return 4 * H;
  if (name === 'y' || name === 'dy') return 2 * H * D;
  return 2 * (name === 'q' || name === 'dq' ? qStride : kvStride);
}

const widened = (bits: Uint16Array): Float32Array =>
  new Float32Array(Uint32Array.from(bits, (v) => v << 16).buffer);

/** The largest difference between numbers over the largest of `a`; NaN where there is one. */
function difference(a: Float32Array, b: Float32Array): number {
  let [largest, furthest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]!));
    furthest = Math.max(furthest, Math.abs(a[i]! - b[i]!));
  }
  return furthest === 0 ? 0 : furthest / largest;
}
