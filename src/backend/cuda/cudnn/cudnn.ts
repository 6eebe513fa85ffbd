// cuDNN in the place of our kernels, where that is better: in bf16, for shapes that cuDNN takes, once it has passed the self-test
// on this GPU, and where it is faster in a measurement at a shape's first use that also finds its results equal to ours within
// rounding and to themselves to the bit. Choices are stored as those of matmuls are (choices.ts). Whatever fails leaves our
// kernels in charge, which is said once.

import { DeviceLostError, messageOf } from '../../../base/errors.js';
import { isAlive } from '../../../base/files.js';
import { noteScratch } from '../../memory.js';
import type { Allocator } from '../allocator.js';
import type { Choice } from '../choices.js';
import { MAX_SCORE_BYTES } from '../footprint.js';
import { type CudnnApi, received } from '../library.js';
import { type Selection, versionText } from '../products.js';
import { CudaError } from '../status.js';
import { fastest } from '../timing.js';
import type { Transfer } from '../transfer.js';
import { execute, type Graph, type Plan } from './graph.js';

/** Fewer FLOPs than this take less time than is spent on plans (a second each) in the steps of a short run. */
const LEAST_FLOPS = 5e9;
/** Of the largest number; bfloat16 has 8 bits. */
const TOLERANCE = 4e-2;
/** Of workspace, besides what `sdpaWorkspace` counts. */
const SLACK_BYTES = 4096;

/** What cuDNN may compute. */
export type Subject = 'attention' | 'MLP';

/** What is decided, the choice without cuDNN first. */
const VERDICTS = ['failed', 'passed'] as const;
const WAYS = ['own', 'cuDNN'] as const;
/**
 * Stored while it is being decided, with the ids of the processes that tried. One that ended meanwhile may have been interrupted;
 * after a second one it is not tried again.
 */
const UNDECIDED = 'undecided';
const MOST_ATTEMPTS = 2;

/** Addresses of tensors by name. */
export type Places = Readonly<Record<string, number>>;

/** Enqueues a work's kernels on tensors at these places. */
export type Compute = (at: Places) => void;

/** A part of a result, as it is compared. */
export interface Part {
  address: number;
  bytes: number;
  type: 'fp32' | 'bf16';
}

/** What plans are made and executed with. */
export interface Workbench {
  api: CudnnApi;
  /** The most bytes of workspace that a plan should take. */
  mostWorkspace: number;
  /** A plan for a graph, undefined where cuDNN has none within the workspace. */
  plan(graph: Graph): Plan | undefined;
  /** Lends device memory for as long as `use` enqueues. @throws OutOfMemoryError */
  lend(bytes: number, use: (address: number) => void): void;
  execute(
    plan: Plan,
    pointers: readonly (readonly [uid: number, pointer: number])[],
    workspace: number,
  ): void;
}

/** Something that our kernels or a graph of cuDNN can compute. */
export interface Work {
  subject: Subject;
  /** Of its subject, for messages: forward. */
  direction: string;
  /** Its sizes; with subject and direction they name the stored choice. */
  sizes: readonly number[];
  flops: number;
  /** Where its tensors are. */
  at: Places;
  /** Places to compare results at, instead of those where a model's first step may have zeros, of which nothing is learned. */
  probe: Places;
  /** What is compared. */
  results(): Part[];
  /** What computes it by cuDNN; undefined where there is nothing that repeats and fits. @throws CudaError */
  engine(bench: Workbench): Compute | undefined;
}

/** See the head of this file. */
export interface Cudnn {
  /** E.g. 9.28.1. */
  readonly version: string;
  /**
   * Enqueues work by cuDNN, with `after` behind it, where that is chosen, else by `own`.
   * @param fixed whether nothing may be measured, as the work is being recorded
   * @throws OutOfMemoryError, DeviceLostError
   */
  run(work: Work, own: Compute, after: () => void, fixed: boolean): void;
  /** Whether cuDNN still has to be tested before anything of a subject is measured. */
  untested(subject: Subject): boolean;
  /** Runs `checks`, in which cuDNN computes all of a subject, and stores whether there were no failures. */
  test(subject: Subject, checks: () => Promise<string[]>): Promise<void>;
  /** Shapes that cuDNN could compute and who does. */
  used(): ReadonlyMap<string, string>;
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
  mostWorkspace?: number;
  onNote?: (line: string) => void;
}

/** See `Cudnn`. The context must be current. */
export function createCudnn(options: Options): Cudnn {
  const { api, allocator, stream, transfer, selection, always = false } = options;
  const { leastFlops = LEAST_FLOPS, mostWorkspace = MAX_SCORE_BYTES } = options;
  const version = versionText(api.cudnnGetVersion());
  const engines = new Map<string, Compute | null>();
  const used = new Map<string, string>();
  const [noted, failed, verdicts] = [new Set<Subject>(), new Set<Subject>(), new Map<Subject, string>()];
  let testing: Subject | undefined;
  let handle = 0;

  const note = (subject: Subject, reason: string) => {
    const name = subject[0]!.toUpperCase() + subject.slice(1);
    if (!noted.has(subject))
      options.onNote?.(`${name} by our kernels instead of cuDNN ${version}: ${reason}`);
    noted.add(subject);
  };
  /** A stored decision, undefined where there is none. */
  const stored = (subject: Subject, key: string, options: readonly string[]): string | undefined => {
    const choice = selection?.choices.find(key, [...options, UNDECIDED]);
    if (choice?.algorithm !== UNDECIDED) return choice?.algorithm;
    // Each container may give the same id.
    const ended = choice.milliseconds.filter((pid) => pid === process.pid || !isAlive(pid!));
    if (ended.length < MOST_ATTEMPTS) return undefined;
    note(subject, `${ended.length} processes ended in the middle of ${key}`);
    return options[0];
  };
  const verdictOn = (subject: Subject): string | undefined => {
    const verdict = verdicts.get(subject) ?? stored(subject, testOf(subject), VERDICTS);
    if (verdict) verdicts.set(subject, verdict);
    return verdict;
  };
  /** Says in the store that something is being decided. */
  const begin = (key: string, options: readonly string[]) => {
    const before = selection?.choices.find(key, [UNDECIDED])?.milliseconds ?? [];
    selection?.choices.keep(key, options, {
      ...{ algorithm: UNDECIDED, milliseconds: [...before, process.pid] },
    });
  };

  /** Made when first needed, as it takes memory. */
  const open = () => {
    if (handle === 0) {
      handle = received((place) => api.cudnnCreate(place));
      api.cudnnSetStream(handle, stream);
    }
    return handle;
  };
  const bench: Workbench = {
    api,
    mostWorkspace,
    plan: (graph) => graph.plan({ handle: open() }, mostWorkspace + SLACK_BYTES),
    lend(bytes, use) {
      const block = allocator.allocate(bytes);
      noteScratch(block.bytes);
      try {
        use(block.address);
      } finally {
        noteScratch(-block.bytes);
        allocator.free(block);
      }
    },
    execute: (plan, pointers, workspace) => execute(api, handle, plan, pointers, workspace),
  };

  /** What is wrong with cuDNN's results; undefined where they are right. */
  const fault = (work: Work, own: Compute, fused: Compute): string | undefined => {
    const [expected, got, again] = [own, fused, fused].map((compute) => {
      compute(work.probe);
      return work.results().map(({ address, bytes, type }) => {
        const read = transfer.readSync(address, bytes);
        return type === 'fp32' ? new Float32Array(read) : widened(new Uint16Array(read));
      });
    }) as [Float32Array[], Float32Array[], Float32Array[]];
    const off = Math.max(...expected.map((values, i) => difference(values, got[i]!)));
    if (!(off <= TOLERANCE))
      return `its ${nameOf(work)} is off by ${off.toPrecision(2)} of the largest number`;
    const repeats = got.every((values, i) => values.every((value, j) => value === again[i]![j]));
    return repeats ? undefined : `its ${nameOf(work)} does not repeat to the bit`;
  };

  /** The choice for a shape that has none. */
  const measure = (work: Work, engine: Compute, own: Compute, after: () => void): Choice => {
    const fused: Compute = (at) => {
      engine(at);
      after();
    };
    const ways = [own, fused].map((compute) => () => compute(work.at));
    const { chosen, milliseconds } = fastest(ways, selection!.stopwatch);
    const [ours, theirs] = milliseconds;
    if (chosen === 0) {
      const times = () => `its ${nameOf(work)} takes ${shown(theirs!)} ms, ours ${shown(ours!)} ms`;
      note(work.subject, theirs == null ? 'it fails' : times());
      return { algorithm: 'own', milliseconds };
    }
    const reason = fault(work, own, fused);
    if (reason) note(work.subject, reason);
    return { algorithm: reason ? 'own' : 'cuDNN', milliseconds };
  };

  /** The engine to use, or null: ours. */
  const choose = (key: string, work: Work, own: Compute, after: () => void): Compute | null => {
    const { subject } = work;
    if (always || testing === subject) {
      const engine = work.engine(bench);
      if (!engine) note(subject, `it has no engine for ${key}`);
      else if (!testing) used.set(key, 'cuDNN');
      return engine ?? null;
    }
    if (!selection || verdictOn(subject) !== 'passed' || work.flops < leastFlops) return null;
    let way = stored(subject, key, WAYS);
    const engine = way === 'own' ? undefined : work.engine(bench);
    if (!engine && !way) note(subject, `it has no engine for ${key}`);
    if (engine && !way) {
      begin(key, WAYS);
      let choice: Choice = { algorithm: 'own', milliseconds: [] };
      try {
        choice = measure(work, engine, own, after);
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
    run(work, own, after, fixed) {
      const { subject, direction, sizes, at } = work;
      const key = `${subject} ${direction} ${sizes.join(' ')}`;
      const attempt = (): boolean => {
        let engine = testing ? undefined : engines.get(key);
        if (engine === undefined) {
          if (fixed) return false;
          engine = choose(key, work, own, after);
          if (!testing) engines.set(key, engine);
        }
        if (testing === subject && !engine) throw new Error(`cuDNN ${version} has no engine for ${key}`);
        engine?.(at);
        return engine !== null;
      };
      let done = false;
      try {
        done = !failed.has(subject) && attempt();
      } catch (error) {
        if (testing || !(error instanceof CudaError)) throw error;
        failed.add(subject);
        note(subject, messageOf(error));
      }
      if (done) after();
      else own(at);
    },
    untested: (subject) => selection !== undefined && !always && verdictOn(subject) === undefined,
    async test(subject, checks) {
      begin(testOf(subject), VERDICTS);
      testing = subject;
      let failures: string[];
      try {
        failures = await checks();
      } finally {
        testing = undefined;
      }
      engines.clear();
      const algorithm = failures.length === 0 ? 'passed' : 'failed';
      const kept = selection?.choices.keep(testOf(subject), VERDICTS, { algorithm, milliseconds: [] });
      if (kept) verdicts.set(subject, kept.algorithm);
      if (failures.length > 0) note(subject, `it fails the self-test (${failures[0]})`);
    },
    used: () => used,
  };
}

const testOf = (subject: Subject): string => `${subject}, self-test`;

const shown = (ms: number): number => Number(ms.toPrecision(4));

const nameOf = ({ subject, direction }: Work): string => `${subject} (${direction})`;

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
