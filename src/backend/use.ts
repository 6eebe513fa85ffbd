// Choosing a backend: makes one current for tfjs, or says why it cannot be.

import { EnvironmentError, messageOf, UsageError } from '../base/errors.js';
import { backendInUse, capabilities } from './capabilities.js';
import { rememberPass, wasPassed } from './checks/passes.js';
import { findDriver } from './drivers.js';
import { startMeter } from './memory.js';
import {
  BACKEND_NAMES,
  type BackendDriver,
  type BackendInfo,
  type BackendName,
  type BackendProbe,
  type Precision,
  type SelfCheck,
} from './types.js';

export interface UseBackendOptions {
  /** Default: the backend's first, fp32 where there is no other. */
  precision?: Precision;
  /** Receives one-line remarks, e.g. that a backend was skipped because it computes wrongly. */
  onNote?: (line: string) => void;
  /** Cases to pass besides the built-in ones before the backend is trusted. */
  checks?: readonly SelfCheck[];
}

/**
 * Makes a backend current. Calling it again, or switching back and forth, leaks nothing.
 * The self-test runs once per machine and version; its success is remembered in the cache folder.
 * @param name one of BACKEND_NAMES, or `auto`: the first in that order that is available and computes rightly
 * @throws UsageError for an unknown name, or a precision that the backend lacks
 * @throws EnvironmentError when the backend cannot be used on this machine, or computes wrongly
 */
export async function useBackend(
  name: BackendName | 'auto',
  options: UseBackendOptions = {},
): Promise<BackendInfo> {
  if (name === 'auto') return chooseBackend(options);
  const { driver, precision } = await checkChoice(name, options.precision);
  const probe = await driver.probe();
  if (!probe.available) throw unavailable(probe);
  return startTrusted(driver, precision, options.checks);
}

async function chooseBackend(options: UseBackendOptions): Promise<BackendInfo> {
  const { precision, onNote } = options;
  if (precision && (await offering(precision)).length === 0) throw await lacksPrecision('auto', precision);
  const reasons: string[] = [];
  for await (const probe of byPreference(probeDriver)) {
    const { name } = probe;
    const driver = await findDriver(name);
    if (!driver || (precision && !driver.precisions.includes(precision))) continue;
    if (!probe.available) {
      if (probe.broken) onNote?.(brokenNote(probe));
      reasons.push(`${name}: ${probe.reason}`);
      continue;
    }
    try {
      return await startTrusted(driver, precision ?? driver.precisions[0]!, options.checks);
    } catch (error) {
      onNote?.(`${name} was skipped: ${messageOf(error)}`);
      reasons.push(`${name}: ${messageOf(error)}`);
    }
  }
  throw new EnvironmentError(`No backend can be used here (${reasons.join('; ')})`);
}

/**
 * Probes in the order of the automatic choice, each made when its turn comes: what computes on a GPU, then `native`, then
 * TensorFlow on the processor, which is slower than that (docs/backends.md), then the rest. WebGPU without a GPU is a driver
 * in software, which is only used when named.
 */
export async function* byPreference(
  probe: (name: BackendName) => BackendProbe | Promise<BackendProbe>,
): AsyncGenerator<BackendProbe> {
  const later: BackendProbe[] = [];
  for (const name of BACKEND_NAMES) {
    const found = await probe(name);
    if (name === 'webgpu' && found.available && !found.info?.gpu) continue;
    if (name === 'tensorflow' && !found.info?.gpu) later.push(found);
    else yield found;
    if (name === 'native') yield* later;
  }
}

/** One line about a backend that is installed but cannot be used. */
export const brokenNote = ({ name, reason, remedy }: BackendProbe): string =>
  `${name} is installed but unusable: ${reason}; to fix: ${remedy}`;

const probeDriver = async (name: BackendName): Promise<BackendProbe> =>
  (await (await findDriver(name))?.probe()) ?? notIncluded(name);

async function checkChoice(
  name: BackendName,
  precision: Precision | undefined,
): Promise<{ driver: BackendDriver; precision: Precision }> {
  if (!BACKEND_NAMES.includes(name))
    throw new UsageError(`Expected a backend among auto, ${BACKEND_NAMES.join(', ')}; got ${String(name)}`);
  const driver = await findDriver(name);
  if (!driver) throw unavailable(notIncluded(name));
  if (precision && !driver.precisions.includes(precision)) throw await lacksPrecision(name, precision);
  return { driver, precision: precision ?? driver.precisions[0]! };
}

const started = new Map<string, BackendInfo>();

/** What `useBackend` returned for the backend in use; undefined before it was called. */
export const currentBackend = (): BackendInfo | undefined => started.get(backendInUse() ?? '');

/** Starts a backend and lets it through only if it has passed, or now passes, the self-test. */
async function startTrusted(
  driver: BackendDriver,
  precision: Precision,
  checks: readonly SelfCheck[] = [],
): Promise<BackendInfo> {
  startMeter();
  const info = await driver.start(precision);
  started.set(info.name, info);
  const names = checks.map((check) => check.name);
  if (wasPassed(info, names)) return info;
  const { selfTest } = await import('./checks/selfTest.js');
  const own = (await driver.checks?.()) ?? [];
  const { failures } = await selfTest(precision, [...own, ...checks]);
  if (failures.length > 0)
    throw new EnvironmentError(
      `The backend ${info.name} (${info.device}, ${info.version}) computes wrongly on this machine: ` +
        `${failures[0]}${failures.length > 1 ? ` and ${failures.length - 1} more` : ''}; choose another with --backend`,
    );
  rememberPass(info, names);
  return info;
}

/** Opens the backend in use again where its device has failed; tensors that lived there are gone. @throws as `useBackend` */
export async function reopenFailed(): Promise<void> {
  const current = currentBackend();
  if (current && capabilities().hasFailed?.())
    await useBackend(current.name, { precision: current.precision });
}

/**
 * Bytes that tensors on a backend that was started may still take, other processes' share left out; undefined where the backend
 * does not tell.
 */
export async function availableMemory(name: BackendName): Promise<number | undefined> {
  return (await findDriver(name))?.availableBytes?.();
}

/** Gives the device of the backend in use back; this process must not use it again. Never throws. */
export async function releaseDevice(): Promise<void> {
  const tf = await import('@tensorflow/tfjs-core');
  const name = tf.getBackend() as BackendName | undefined;
  if (name) await (await findDriver(name))?.release?.();
}

/** What each backend needs and has, in the order of BACKEND_NAMES, for `tinygpt doctor`; self-tests included. */
export async function probeBackends(): Promise<BackendProbe[]> {
  const tf = await import('@tensorflow/tfjs-core');
  const before = tf.getBackend() as string | undefined;
  const probes: BackendProbe[] = [];
  for (const name of BACKEND_NAMES) {
    const driver = await findDriver(name);
    let probe = await probeDriver(name);
    if (driver && probe.available) {
      try {
        probe = { ...probe, info: await startTrusted(driver, driver.precisions[0]!) };
      } catch (error) {
        probe = { ...probe, available: false, broken: true, reason: messageOf(error) };
      }
    }
    probes.push(probe);
  }
  if (before) await tf.setBackend(before);
  return probes;
}

function notIncluded(name: BackendName): BackendProbe {
  const remedy = 'choose another with --backend';
  return { name, available: false, precisions: [], reason: 'not included in this version', remedy };
}

function unavailable({ name, reason, remedy }: BackendProbe): EnvironmentError {
  return new EnvironmentError(`The backend ${name} is not available: ${reason}; to fix: ${remedy}`);
}

async function offering(precision: Precision): Promise<BackendName[]> {
  const names: BackendName[] = [];
  for (const name of BACKEND_NAMES)
    if ((await findDriver(name))?.precisions.includes(precision)) names.push(name);
  return names;
}

async function lacksPrecision(name: string, precision: Precision): Promise<UsageError> {
  const names = await offering(precision);
  const offers =
    names.length > 0 ? `is offered by ${names.join(', ')}` : 'is offered by no backend of this version';
  const expected = name === 'auto' ? 'fp32' : (await findDriver(name as BackendName))!.precisions.join(', ');
  return new UsageError(
    `Expected a precision that ${name} has (${expected}), got ${precision}, which ${offers}`,
  );
}
