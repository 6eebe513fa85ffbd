// Loading tfjs-node: what must be patched and set before its native library is loaded.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import nodeUtil from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { keepLoaded } from '../koffi.js';
import { quietly } from '../quiet.js';
import { withoutStderr } from '../stderr.js';
import { hasDriver, preloadCuda } from './cuda.js';
import { diagnose } from './diagnose.js';
import { type Candidate, type Fault, findPackages, inspect, PACKAGES } from './find.js';
import { cudaFolders } from './prepared.js';

/** What loading came to. */
export type Loaded = { candidate: Candidate } | Fault;

let loaded: Promise<Loaded> | undefined;

/** Loads the first package that works, once per process. Leaves the current tfjs backend as it is. */
export function loadTensorflow(): Promise<Loaded> {
  loaded ??= loadFirst();
  return loaded;
}

async function loadFirst(): Promise<Loaded> {
  const { candidates, fault } = findPackages(import.meta.url);
  if (fault) return fault;
  const faults: Fault[] = [];
  for (const candidate of candidates) {
    const defect = inspect(candidate) ?? (await tryLoad(candidate));
    if (!defect) return { candidate };
    faults.push(defect);
  }
  return (
    faults[0] ?? {
      reason: `neither ${PACKAGES.join(' nor ')} is installed`,
      remedy: 'npx tinygpt setup tensorflow, with --gpu for an NVIDIA GPU',
      broken: false,
    }
  );
}

async function tryLoad(candidate: Candidate): Promise<Fault | undefined> {
  repairUtil();
  const quiet = process.env.TF_CPP_MIN_LOG_LEVEL === undefined;
  setDefaults();
  const before = tf.getBackend() as string | undefined;
  const require = createRequire(join(candidate.folder, 'package.json'));
  const load = () => {
    const { prepared } = candidate;
    if (prepared && prepared.record.cuda.length > 0 && hasDriver())
      preloadCuda(cudaFolders(prepared.folder, prepared.record));
    require(candidate.folder);
    keepLoaded(candidate.addon);
  };
  try {
    await quietly(quiet ? () => withoutStderr(load) : load);
  } catch (error) {
    return diagnose(error, candidate);
  } finally {
    if (before) await tf.setBackend(before);
  }
  return undefined;
}

/** tfjs-node 4.22 calls two functions that Node deprecated, with a warning, and from version 23 on removes. */
function repairUtil(): void {
  const util = nodeUtil as unknown as Record<string, unknown>;
  util.isNullOrUndefined = (x: unknown) => x === null || x === undefined;
  util.isArray = Array.isArray;
}

/** Read by the native library when it starts; what the user has set stays. */
function setDefaults(): void {
  const { env } = process;
  // tfjs-node passes no options to TensorFlow, which would take the whole card.
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // fp32 means fp32: TensorFlow otherwise rounds factors to 10 bits on tensor cores.
  env.NVIDIA_TF32_OVERRIDE ??= '0';
}
