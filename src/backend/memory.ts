// Memory of tensors. tfjs's own count of bytes counts a buffer once for every tensor that shares it (each
// reshape, each tensor kept for the backward pass); here a buffer counts once.
// Scratch memory inside a backend counts only where the backend reports it (`noteScratch`).
//
// This file does not import tfjs, so that it costs nothing where it is not used: tfjs keeps its
// engine in a global variable, where its several copies find it.

import { capabilities } from './capabilities.js';

/** Tensors alive and the memory behind them. */
export interface DeviceMemory {
  tensors: number;
  /** Distinct buffers. */
  buffers: number;
  /** Bytes in those buffers. */
  bytes: number;
  /** Bytes that the backend holds from the system, free ones included; absent where it does not report it. */
  reservedBytes?: number;
}

/** A watch on the peak; see trackPeak. */
export interface PeakWatch {
  /** The highest number of bytes since the watch began, or its last reset. */
  bytes(): number;
  /** Restarts from what is in use now. */
  reset(): void;
  stop(): void;
}

type EngineState = {
  numBytes: number;
  numTensors: number;
  numDataBuffers: number;
  tensorInfo: {
    set(id: object, info: BufferInfo): unknown;
    delete(id: object): boolean;
    get(id: object): BufferInfo | undefined;
  };
};
type BufferInfo = { bytes?: number };
type Meter = { state: EngineState; bytes: number; peaks: { bytes: number }[] };

let meter: Meter | undefined;

/**
 * Counts buffers from now on; useBackend calls it before there are tensors. Costs some 20 ns a buffer.
 * Tensors that are there already count as tfjs counts them.
 */
export function startMeter(): Meter {
  const state = engine()?.state ?? NO_ENGINE;
  if (meter?.state === state) return meter;
  const counts: Meter = { state, bytes: state.numBytes, peaks: meter?.peaks ?? [] };
  const { tensorInfo } = state;
  const { set, delete: remove } = tensorInfo;
  tensorInfo.set = (id, info) => {
    counts.bytes += info.bytes ?? 0;
    for (const peak of counts.peaks) if (counts.bytes > peak.bytes) peak.bytes = counts.bytes;
    return set.call(tensorInfo, id, info);
  };
  tensorInfo.delete = (id) => {
    counts.bytes -= tensorInfo.get(id)?.bytes ?? 0;
    return remove.call(tensorInfo, id);
  };
  meter = counts;
  return counts;
}

const NO_ENGINE: EngineState = { numBytes: 0, numTensors: 0, numDataBuffers: 0, tensorInfo: new WeakMap() };

function engine(): { state: EngineState } | undefined {
  return (globalThis as { _tfengine?: { state: EngineState } })._tfengine;
}

/** Memory in use by tensors at this moment; nothing before a backend is in use. */
export function deviceMemory(): DeviceMemory {
  const { state, bytes } = startMeter();
  const memory: DeviceMemory = { tensors: state.numTensors, buffers: state.numDataBuffers, bytes };
  const reservedBytes = capabilities().reservedBytes?.();
  if (reservedBytes !== undefined) memory.reservedBytes = reservedBytes;
  return memory;
}

/**
 * Adds memory that a backend takes besides that of tensors, or, when negative, subtracts it: for backends whose
 * device counts every byte.
 * @param going whether it makes up for a tensor that tfjs takes off its count next, so that no peak comes of it
 */
export function noteScratch(bytes: number, going = false): void {
  const counts = startMeter();
  counts.bytes += bytes;
  if (going || bytes <= 0) return;
  for (const peak of counts.peaks) if (counts.bytes > peak.bytes) peak.bytes = counts.bytes;
}

/** Watches the peak of `deviceMemory().bytes`. Watches may overlap. */
export function trackPeak(): PeakWatch {
  const { peaks } = startMeter();
  const peak = { bytes: startMeter().bytes };
  peaks.push(peak);
  return {
    bytes: () => peak.bytes,
    reset: () => {
      peak.bytes = startMeter().bytes;
    },
    stop: () => {
      const index = peaks.indexOf(peak);
      if (index >= 0) peaks.splice(index, 1);
    },
  };
}
