// Work recorded as one graph of TensorFlow's: every operation that the addon executes, with its inputs, attributes
// and constants. A replay is one call that runs the graph, independent operations at once, where a pass that is not
// recorded is a thousand calls one after another. Contract: ../../recorder.ts.
//
// A run is given its inputs as they lie in memory; on a GPU each would be copied through the host, so recording is
// done only on the CPU.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import type { Message } from '../../../base/protobuf.js';
import type { Capabilities } from '../../capabilities.js';
import { deviceMemory, noteScratch, trackPeak } from '../../memory.js';
import type { Recorded, Recorder } from '../../recorder.js';
import { withoutStderr } from '../../stderr.js';
import {
  type Attribute,
  type Binding,
  type Handle,
  type NodeBackend,
  roundedTo,
  type Values,
} from '../kernels/eager.js';
import { attribute, Graph, TAG } from './savedModel.js';
import { type Event, type Trace, traceWork, typeOf } from './trace.js';

type Operation = Extract<Event, { kind: 'operation' }>;

/** A graph that can be run. */
interface Recording {
  model: number;
  fixed: readonly tf.Tensor[];
}

/** The most bytes of constants in a graph; a file of Protocol Buffers holds 2 GiB. */
const MAX_CONSTANTS = 256 * 2 ** 20;

/**
 * Bytes that the process comes to hold for each byte of tensors at a step's peak, as measured (1.7 to 2.2 over eight
 * models): intermediate results of kernels, and what TensorFlow's pool keeps between tensors of many sizes.
 */
const HELD = 2;

/**
 * The pass that is recorded, of those with the same fixed tensors. TensorFlow's preparation of the graph costs about
 * what four replays gain; the many short trials of a study shall not pay it.
 */
const RECORDED_PASS = 4;

/** Draw numbers from a state of their own. */
const RANDOM = /Random|Multinomial/;

const recorders = new WeakMap<NodeBackend, Capabilities>();

/** tfjs-node's backend as a `Recorder`, and what memory a step holds with it; one for each backend. */
export function recordingOf(backend: NodeBackend): Capabilities {
  let known = recorders.get(backend);
  if (!known) {
    known = {
      recorder: createRecorder(backend),
      stepScratch: () => ({ passes: 0, optimizer: 0, held: HELD }),
    };
    recorders.set(backend, known);
  }
  return known;
}

function createRecorder(backend: NodeBackend): Recorder {
  const recordings = new Set<Recording>();
  /** Passes so far, by the first fixed tensor. */
  const passes = new WeakMap<tf.Tensor, number>();
  /** TensorFlow does not take graphs: it is not asked again. */
  let unable = false;

  const release = (recording: Recording) => {
    if (recordings.delete(recording)) backend.binding.deleteSavedModel(recording.model);
  };
  const disposeData = backend.disposeData.bind(backend);
  backend.disposeData = (dataId, force) => {
    for (const recording of recordings)
      if (recording.fixed.some((tensor) => tensor.dataId === dataId)) release(recording);
    return disposeData(dataId, force);
  };

  const record: Recorder['record'] = (inputs, fixed, runOnce) => {
    let peakBytes = 0;
    const run = () => {
      const peak = trackPeak();
      try {
        return runOnce();
      } finally {
        peak.stop();
        peakBytes = peak.bytes();
        notePeak(peakBytes);
      }
    };
    const [key] = fixed;
    const pass = key ? (passes.get(key) ?? 0) + 1 : 0;
    if (key) passes.set(key, pass);
    if (unable || pass < RECORDED_PASS) return { outputs: run() };
    const { binding } = backend;
    const feeds = [...inputs, ...fixed];
    const ids = backend.getInputTensorIds(feeds);
    const { outputs, trace } = traceWork(backend, ids, run);
    const graph = graphOf(binding, trace, { feeds, ids, outputIds: backend.getInputTensorIds(outputs) });
    if (!graph) return { outputs };
    const model = load(binding, graph.file);
    if (model === undefined) {
      unable = true;
      return { outputs };
    }
    const recording: Recording = { model, fixed };
    recordings.add(recording);
    const lengths = inputs.map(({ size }) => size);
    const precision = roundedTo();
    const replay: Recorded['replay'] = async (values) => {
      const fits = values.length === lengths.length && values.every(({ length }, i) => length === lengths[i]);
      const whole = recordings.has(recording) && fixed.every((tensor) => !tensor.isDisposed);
      const same = roundedTo() === precision;
      const made = fits && whole && same && runGraph(backend, recording, values, graph);
      if (made) {
        notePeak(peakBytes);
        return made.map((handle) => backend.createOutputTensor(handle));
      }
      release(recording);
      return undefined;
    };
    return { outputs, recorded: { replay, release: () => release(recording) } };
  };
  return { freesBuffers: true, record };
}

/** Lets those who watch the peak see what was held: tensors within TensorFlow are not counted one by one. */
function notePeak(tensorBytes: number): void {
  const more = Math.max(0, HELD * tensorBytes - deviceMemory().bytes);
  noteScratch(more);
  noteScratch(-more);
}

/** The file of a graph, and the names under which it is given and gives tensors. */
interface Saved {
  file: Uint8Array;
  inputs: string;
  outputs: string;
}

/** The graph of a trace; undefined where a graph would not do the same. */
function graphOf(
  binding: Binding,
  { events, read }: Trace,
  { feeds, ids, outputIds }: { feeds: tf.Tensor[]; ids: number[]; outputIds: number[] },
): Saved | undefined {
  if (read) return undefined;
  const graph = new Graph();
  const names = new Map<number, string>();
  feeds.forEach(({ dtype, shape }, i) => {
    names.set(ids[i]!, `p${i}`);
    graph.placeholder(`p${i}`, typeOf(binding, dtype), shape);
  });
  /** Names of constants by what is in them: masks and shapes recur. */
  const constants = new Map<string, string>();
  let bytes = 0;
  const made = new Set<string>();
  for (const [i, event] of events.entries()) {
    if (event.kind === 'constant') {
      const { id, shape, dtype, values } = event;
      if (!isPlain(binding, dtype)) continue;
      const key = `${dtype} ${shape} ${digest(values)}`;
      const name = constants.get(key) ?? `c${constants.size}`;
      names.set(id, name);
      if (constants.has(key)) continue;
      constants.set(key, name);
      bytes += values.byteLength;
      graph.constant(name, dtype, shape, values);
      continue;
    }
    const { name: op, attributes, inputs, outputs: results } = event;
    const from = inputs.map((id) => names.get(id));
    if (!isPure(binding, event) || !from.every((name) => name !== undefined)) return undefined;
    graph.node(
      `n${i}`,
      op,
      from,
      attributes.map((each) => [each.name, encoded(binding, each)]),
    );
    for (const [k, { id }] of results.entries()) {
      const name = k === 0 ? `n${i}` : `n${i}:${k}`;
      names.set(id, name);
      made.add(name);
    }
  }
  if (bytes > MAX_CONSTANTS) return undefined;
  const results = outputIds.map((id) => names.get(id));
  if (results.some((name) => !name || !made.has(name))) return undefined;
  return {
    file: graph.savedModel(),
    inputs: ids.map((_, i) => `p${i}`).join(),
    outputs: results.join(),
  };
}

/** Whether tensors of this type can be constants: others are not held in an array as they are in TensorFlow. */
const isPlain = ({ TF_FLOAT, TF_INT32, TF_BOOL }: Binding, dtype: number) =>
  dtype === TF_FLOAT || dtype === TF_INT32 || dtype === TF_BOOL;

/** Whether an operation gives the same whenever it is done, and nothing but its results. */
const isPure = ({ TF_RESOURCE }: Binding, { name, outputs }: Operation) =>
  outputs.length > 0 && !outputs.some(({ dtype }) => dtype === TF_RESOURCE) && !RANDOM.test(name);

const digest = ({ buffer, byteOffset, byteLength }: Values) =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex');

function encoded(binding: Binding, { type, value }: Attribute): Message {
  switch (type) {
    case binding.TF_ATTR_TYPE:
      return attribute.type(value as number);
    case binding.TF_ATTR_BOOL:
      return Array.isArray(value) ? attribute.flags(value) : attribute.flag(value as boolean);
    case binding.TF_ATTR_INT:
      return Array.isArray(value) ? attribute.ints(value) : attribute.int(value as number);
    case binding.TF_ATTR_FLOAT:
      return Array.isArray(value) ? attribute.floats(value) : attribute.float(value as number);
    case binding.TF_ATTR_SHAPE:
      return attribute.shape(value as number[]);
    default:
      return attribute.text(value as string);
  }
}

/** Hands a graph to TensorFlow, which takes it from a folder; undefined when it does not take it. */
function load(binding: Binding, file: Uint8Array): number | undefined {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'tinygpt-graph-'));
    writeFileSync(join(folder, 'saved_model.pb'), file);
    const where = folder;
    let model: number | undefined;
    const take = () => {
      model = binding.loadSavedModel(where, TAG);
    };
    // TensorFlow reports what it reads.
    if (process.env.TF_CPP_MIN_LOG_LEVEL === '0') take();
    else withoutStderr(take);
    return model;
  } catch {
    return undefined;
  } finally {
    if (folder) rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a graph; undefined when TensorFlow stops in it, as at a token beyond the vocabulary. */
function runGraph(
  backend: NodeBackend,
  { model, fixed }: Recording,
  values: readonly Int32Array[],
  { inputs, outputs }: Saved,
): Handle[] | undefined {
  const { binding } = backend;
  const given = values.map((each) => binding.createTensor([each.length], binding.TF_INT32, each));
  try {
    return binding.runSavedModel(
      model,
      [...given, ...backend.getInputTensorIds([...fixed])],
      inputs,
      outputs,
    );
  } catch {
    return undefined;
  } finally {
    for (const id of given) binding.deleteTensor(id);
  }
}
