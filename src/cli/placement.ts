// Which GPU, or which cores, each worker of a study gets: trials that share a device slow each other down, and what a
// trial reaches in a fixed time is then no longer its own.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { BackendInfo } from '../backend/index.js';
import { EnvironmentError, expect } from '../base/errors.js';
import { usableThreads } from '../base/threads.js';
import { counted } from './terminal.js';
import type { TuneArguments } from './tuneOptions.js';

/** One worker's place. */
export type Placement = {
  /** Before its lines: `GPU 2`; empty where there is nothing to tell apart. */
  label: string;
  /** Environment that leaves it nothing but its own device. */
  env: NodeJS.ProcessEnv;
  /** Put before its command line. */
  prefix: readonly string[];
};

export type PlacementOptions = Pick<
  TuneArguments,
  | 'workers'
  | 'gpus'
  | 'shareGpu'
  | 'backend'
  | 'device'
  | 'threads'
  | 'command'
  | 'trialTokens'
  | 'trialSteps'
>;

/** In the environment of a worker: how many share its GPU or the machine's memory, and what its lines begin with. */
const SHARE = 'TINYGPT_TUNE_SHARE';
const LABEL = 'TINYGPT_TUNE_LABEL';

/** How many workers share this one's memory. */
export const memorySharers = (): number => Number(process.env[SHARE] ?? 1);

/** This worker's label, to be followed by what it does. */
export const placeLabel = (): string => (process.env[LABEL] ? `${process.env[LABEL]} ` : '');

/**
 * A worker with a GPU of its own must compute on it: on the CPU each would take all cores, and `webgpu` looks for a GPU itself.
 * @throws EnvironmentError where it does not
 */
export function checkPlacedOnGpu(
  { backend: asked, gpus }: PlacementOptions,
  { name, gpu }: BackendInfo,
): void {
  const label = placeLabel().trim();
  if (!label.startsWith('GPU') || asked === 'webgpu' || (gpu && name !== 'webgpu')) return;
  throw new EnvironmentError(
    `Expected the cuda or tensorflow backend to compute on ${label}, got ${name}, since neither can be used; ` +
      `npx tinygpt doctor says why (npx tinygpt setup cuda brings the libraries). For the CPU, ` +
      (gpus === undefined ? 'set --backend native' : 'leave out --gpus and set --backend native'),
  );
}

/** Whether the options ask for several processes, or one on a chosen GPU. */
export const needsPlacement = ({ workers, gpus }: PlacementOptions): boolean =>
  (workers ?? 1) > 1 || gpus !== undefined;

/**
 * The place of each worker, and a line that says what was decided.
 * @param visible GPUs that CUDA_VISIBLE_DEVICES leaves visible, and that the backend can use
 * @throws UsageError where timed trials would share a GPU
 */
export function placeWorkers(
  options: PlacementOptions,
  visible: number,
  env: NodeJS.ProcessEnv = process.env,
): { workers: Placement[]; about: string } {
  // A command has no backend of ours: it is taken to use the GPUs that it would see.
  const backend = options.command === undefined ? options.backend : 'auto';
  const onGpu =
    options.gpus !== undefined ||
    backend === 'cuda' ||
    backend === 'webgpu' ||
    ((backend === 'auto' || backend === 'tensorflow') && visible > 0);
  return onGpu ? onGpus({ ...options, backend }, visible, env) : onCores(options);
}

function onGpus(options: PlacementOptions, visible: number, env: NodeJS.ProcessEnv) {
  const { gpus, shareGpu, backend, device, command } = options;
  expect(
    gpus === undefined || device === undefined,
    () => `Expected one of --gpus and --device, got both; --gpus ${gpus} chooses the GPUs`,
  );
  expect(
    device === undefined || backend === 'webgpu',
    () =>
      `Expected --gpus instead of --device with several workers, got --device ${device}; --gpus ${device} --share-gpu puts all on that GPU`,
  );
  expect(
    gpus === undefined || backend === 'auto' || backend === 'cuda' || backend === 'tensorflow',
    () =>
      `Expected --gpus with the cuda or tensorflow backend, got ${backend}, which ` +
      (backend === 'webgpu' ? 'chooses a GPU with --device' : 'uses none; leave out --gpus'),
  );
  const list = env.CUDA_VISIBLE_DEVICES;
  const hidden = list === undefined ? '' : ` (CUDA_VISIBLE_DEVICES is "${list}")`;
  const names = list ? list.split(',').map((name) => name.trim()) : undefined;
  // A process sees at most one MIG instance, however many are listed.
  const instances = visible > 0 && names?.every((name) => name.startsWith('MIG-')) ? names.length : visible;
  const found = backend === 'webgpu' ? 1 : instances;
  const option = gpus === undefined ? `--backend ${backend}` : `--gpus ${gpus}`;
  expect(
    found > 0,
    () =>
      `Expected a visible GPU for ${option}, found none${hidden}; see nvidia-smi and npx tinygpt doctor, or leave ${option} out to use the CPU`,
  );
  const chosen = gpus === undefined ? range(found) : readGpus(gpus, found);
  const count = options.workers ?? chosen.length;
  const hasFixedWork = options.trialTokens !== undefined || options.trialSteps !== undefined;
  expect(
    count <= chosen.length || (shareGpu && (hasFixedWork || command !== undefined)),
    () =>
      `Expected --workers at most ${chosen.length}, the number of GPUs, got ${count}: trials that share a GPU slow each other down, ` +
      `so that in the same time each learns less than it would alone; ${shareAdvice(options)}`,
  );
  const used = chosen.slice(0, count);
  const sharers = Math.ceil(count / chosen.length);
  const workers = range(count).map((i): Placement => {
    const gpu = chosen[i % chosen.length]!;
    const label = count > 1 || gpus !== undefined ? `GPU ${gpu}` : '';
    if (backend === 'webgpu') return { label, env: { [SHARE]: `${sharers}`, [LABEL]: label }, prefix: [] };
    const own: NodeJS.ProcessEnv = {
      CUDA_VISIBLE_DEVICES: names?.[gpu] ?? `${gpu}`,
      TINYGPT_CUDA_DEVICE: '0',
      [SHARE]: `${sharers}`,
      [LABEL]: label,
    };
    // As nvidia-smi numbers them, unless the caller has numbered them already.
    if (!names) own.CUDA_DEVICE_ORDER = env.CUDA_DEVICE_ORDER ?? 'PCI_BUS_ID';
    return { label, env: own, prefix: [] };
  });
  const shared = sharers > 1 ? `, up to ${sharers} on each` : ', one on each';
  return { workers, about: `${counted(count, 'worker')} on GPU ${used.join(', ')}${shared}` };
}

/** How more workers than GPUs may run after all. */
function shareAdvice({ command, shareGpu }: PlacementOptions): string {
  if (command !== undefined)
    return 'add --share-gpu if trials of the command may share one, or set CUDA_VISIBLE_DEVICES to nothing if it uses none';
  return `${shareGpu ? 'with' : 'for a fixed amount of work, add --share-gpu and'} --trial-tokens or --trial-steps`;
}

/** `all`, or indices such as `0,2,3`. */
function readGpus(text: string, visible: number): number[] {
  if (text === 'all') return range(visible);
  const words = text.split(',').map((word) => word.trim());
  const chosen = words.map(Number);
  expect(
    words.every((word) => /^\d+$/.test(word)) && new Set(chosen).size === chosen.length,
    () => `Expected --gpus all or different indices such as 0,2,3, got ${text}`,
  );
  expect(
    chosen.every((gpu) => gpu < visible),
    () => `Expected --gpus below ${visible}, the number of visible GPUs, got ${text}; see nvidia-smi`,
  );
  return chosen;
}

function onCores({ workers: count = 1, threads }: PlacementOptions) {
  const cores = usableCores();
  const each = Math.max(1, Math.floor(cores.length / count));
  const pins = canPin();
  const workers = range(count).map((i): Placement => {
    const from = (i * each) % cores.length;
    const own = cores.slice(from, from + each);
    const env = {
      [SHARE]: `${count}`,
      ...(threads === undefined && { TINYGPT_THREADS: `${usableThreads(each)}`, OMP_NUM_THREADS: `${each}` }),
    };
    return { label: '', env, prefix: pins ? ['taskset', '-c', own.join(',')] : [] };
  });
  const pinned = pins
    ? ', each pinned to its own'
    : `, not pinned to them (${process.platform === 'linux' ? 'taskset is not installed' : `${process.platform} has no taskset`})`;
  const crowded =
    count > cores.length ? '; more workers than cores: timed trials slow each other down' : pinned;
  return {
    workers,
    about: `${counted(count, 'worker')} with ${each} of ${cores.length} cores each${crowded}`,
  };
}

/** The cores that this process may use, by number. */
function usableCores(): number[] {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!;
    return list.split(',').flatMap((part) => {
      const [from, to = from] = part.split('-').map(Number);
      return range(to! - from! + 1).map((i) => from! + i);
    });
  } catch {
    return range(availableParallelism());
  }
}

function canPin(): boolean {
  return (
    process.platform === 'linux' && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0
  );
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
