// Attention as work for cuDNN: graphs for as many sequences at a time as fit the workspace, on tensors where our kernels have them.

import koffi from '../../koffi.js';
import { sdpaWorkspace } from '../footprint.js';
import type { Compute, Part, Work, Workbench } from './cudnn.js';
import { backwardGraph, forwardGraph, type SdpaShape, type SdpaTensor } from './sdpa.js';

/** Rows at either end of a result that are compared. */
const COMPARED_ROWS = 256;
/** cuDNN takes heads of a multiple of this. */
const HEAD_MULTIPLE = 8;

/** One attention: addresses of the tensors that its graph has in memory, `delta` apart. */
export interface AttentionCall {
  work: 'forward' | 'backward';
  shape: SdpaShape;
  at: Partial<Record<SdpaTensor, number>>;
}

/** See `Work`. */
export function attentionWork({ work, shape, at }: AttentionCall): Work {
  const places = at as Record<string, number>;
  const { B, H, D, T, window } = shape;
  return {
    ...{ subject: 'attention', direction: work, sizes: Object.values(shape) },
    flops: 4 * B * H * D * T * Math.min(T, window + 1),
    at: places,
    probe: work === 'forward' ? places : { ...places, dy: places.y! },
    results: () => ends(work, shape, places),
    engine: (bench) => engineFor(work, shape, bench),
  };
}

/** An engine for a shape; undefined where cuDNN has none that repeats and fits. */
function engineFor(
  work: AttentionCall['work'],
  shape: SdpaShape,
  { api, mostWorkspace, plan, lend, execute }: Workbench,
): Compute | undefined {
  const { B, T, H, G, D } = shape;
  const fits = (batches: number) =>
    B % batches === 0 && (work === 'forward' || sdpaWorkspace(batches, T, H, G, D) <= mostWorkspace);
  let batches = D % HEAD_MULTIPLE === 0 ? B : 0;
  while (batches > 0 && !fits(batches)) batches--;
  if (batches === 0) return undefined;
  const make = work === 'forward' ? forwardGraph : backwardGraph;
  const { graph, tensors, scalars } = make(api, { ...shape, B: batches });
  const made = plan(graph);
  if (!made) return undefined;
  const values = koffi.alloc('float', scalars.length);
  const address = Number(koffi.address(values));
  new Float32Array(koffi.view(values, 4 * scalars.length)).set(scalars.map(([, value]) => value));
  const pointers = scalars.map(([{ uid }], i) => [uid, address + 4 * i] as const);
  const uids = Object.entries(tensors).map(([name, { uid }]) => [name as SdpaTensor, uid] as const);
  const workspaceBytes = Math.ceil(made.workspaceBytes / 256) * 256;
  return (at) =>
    lend(workspaceBytes + 4 * batches * T * H, (workspace) => {
      for (let first = 0; first < B; first += batches) {
        const places = uids.map(([name, uid]) => {
          const offset = first * T * rowBytes(name, shape);
          return [uid, name === 'delta' ? workspace + workspaceBytes : at[name]! + offset] as const;
        });
        execute(made, [...places, ...pointers], workspace);
      }
    });
}

/** Both ends of each result. */
function ends(work: AttentionCall['work'], shape: SdpaShape, at: Record<string, number>): Part[] {
  const names: SdpaTensor[] = work === 'forward' ? ['y', 'lse'] : ['dq', 'dk', 'dv'];
  const rows = shape.B * shape.T;
  const some = Math.min(rows, COMPARED_ROWS);
  return names.flatMap((name) => {
    const each = rowBytes(name, shape);
    const heads = name === 'dk' || name === 'dv' ? shape.G : shape.H;
    const bytes = (some - 1) * each + (name === 'lse' ? 4 : 2 * shape.D) * heads;
    const type = name === 'lse' ? 'fp32' : 'bf16';
    return [0, (rows - some) * each].map((from): Part => ({ address: at[name]! + from, bytes, type }));
  });
}

/** Bytes between rows of a tensor. */
function rowBytes(name: SdpaTensor, { H, D, qStride, kvStride }: SdpaShape): number {
  if (name === 'lse') return 4 * H;
  if (name === 'y' || name === 'dy') return 2 * H * D;
  return 2 * (name === 'q' || name === 'dq' ? qStride : kvStride);
}
