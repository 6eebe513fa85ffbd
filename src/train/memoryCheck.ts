// Checks that a run fits into memory before anything is allocated, since a machine that swaps stops responding.

import { freemem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { availableMemory, currentBackend, deviceMemory } from '../backend/index.js';
import { systemMemory } from '../backend/machine.js';
import { UsageError } from '../base/errors.js';
import { byteSize } from '../base/format.js';
import { estimateMemory } from '../model/memory.js';
import type { ResolvedConfig } from './config.js';

/** Bytes that a run may take: of the device's memory, and of this machine's. */
export interface MemoryLimits {
  device: number;
  host: number;
}

/** Bytes of JavaScript objects per layer (variables, tape nodes, recorded calls); measured 35 kB on native. */
const OBJECTS_PER_LAYER = 50_000;

/** Memory that is free now for a run on the backend in use. */
export async function freeMemory(): Promise<MemoryLimits> {
  const backend = currentBackend();
  const { bytes, reservedBytes = bytes } = deviceMemory();
  // A container's limit covers this process; what its page cache holds can be reclaimed.
  const free = Math.min(freemem(), systemMemory() - process.memoryUsage.rss());
  const host = free + (backend?.gpu ? 0 : reservedBytes - bytes);
  const available = backend && (await availableMemory(backend.name));
  return { device: available ?? (backend?.memoryBytes ?? Number.POSITIVE_INFINITY) - bytes, host };
}

/**
 * Why a run does not fit, e.g. `needs about 23.5 GB of memory and may take 13.2 GB`; null when it does.
 * @param options.checkpoint whether the run saves checkpoints, which are made from copies on the host
 */
export function memoryShortage(
  { model, config, accumulation }: ResolvedConfig,
  limits: MemoryLimits,
  { checkpoint = false } = {},
): string | null {
  const size = (bytes: number) => byteSize(Math.max(0, Math.round(bytes)));
  const short = (needed: number, free: number, of: string) =>
    needed > free ? `needs about ${size(needed)} of ${of} and may take ${size(free)}` : null;
  // First, because listing the parameters of a hundred million layers would itself run out of memory.
  const objects = short(model.depth * OBJECTS_PER_LAYER, getHeapStatistics().heap_size_limit, "V8's heap");
  if (objects) return objects;
  const { peakBytes, parameters, optimizer } = estimateMemory(model, {
    batch: config.deviceBatchSize,
    accumulation,
    recompute: config.recompute,
  });
  const copies = checkpoint ? parameters + optimizer : 0;
  const gpu = currentBackend()?.gpu === true;
  return (
    short(peakBytes, limits.device, gpu ? "the GPU's memory" : 'memory') ??
    short(gpu ? copies : peakBytes + copies, limits.host, 'memory')
  );
}

/**
 * Refuses a run that does not fit into the free memory.
 * @throws UsageError with the sizes and the settings to change
 */
export async function checkMemory(
  resolved: ResolvedConfig,
  options: { checkpoint?: boolean | undefined } = {},
): Promise<void> {
  const shortage = memoryShortage(resolved, await freeMemory(), options);
  if (shortage === null) return;
  const { depth, width } = resolved.model;
  const recomputed = { ...resolved, config: { ...resolved.config, recompute: true } };
  const helps = memoryShortage(recomputed, await freeMemory(), options) === null;
  throw new UsageError(
    `Expected a model that fits into memory, got one of depth ${depth} and width ${width} with ` +
      `${resolved.config.deviceBatchSize} x ${resolved.model.seqLen} tokens per pass, which ${shortage}; set ` +
      `${helps ? '--recompute, or ' : ''}a smaller --depth, --width or --device-batch-size, or --force to try`,
  );
}
