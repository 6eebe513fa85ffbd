// The matmuls of the MLP that have the squared ReLU, or its gradient, in their epilogue, as work for cuDNN: its engines compile a
// kernel for such a graph (NVIDIA's documentation of cuDNN, "Generic runtime fusion engines").
//
// N tokens, C inputs, M hidden; sums are float32, results bfloat16.

import type { CudnnApi } from '../library.js';
import { DATA } from './constants.js';
import type { Part, Work } from './cudnn.js';
import { Graph, packed, type Tensor } from './graph.js';

/** Elements at either end of the result that are compared. */
const COMPARED = 2 ** 16;
/** Rows of matrices begin at multiples of 16 bytes. */
const WIDTH_MULTIPLE = 8;

export interface MlpShape {
  N: number;
  C: number;
  M: number;
}

type MlpTensor = 'from' | 'weight' | 'hidden' | 'result';

/** A graph and its tensors in memory. */
export interface MlpGraph {
  graph: Graph;
  tensors: Partial<Record<MlpTensor, Tensor>>;
}

/** cuDNN's generic engines take matrices with one axis before them. */
const matrix = (graph: Graph, rows: number, columns: number, strides = packed([1, rows, columns])) =>
  graph.tensor([1, rows, columns], strides, DATA.BFLOAT16);

/** result [N,M] = max(from [N,C] weight [M,C]^T, 0)^2. */
export function hiddenGraph(api: CudnnApi, { N, C, M }: MlpShape): MlpGraph {
  const graph = new Graph(api);
  const [from, weight, result] = [
    matrix(graph, N, C),
    matrix(graph, C, M, [M * C, 1, C]),
    matrix(graph, N, M),
  ];
  const relu = graph.pointwise('RELU_FWD', [graph.matmul(from, weight, graph.virtual([1, N, M]))]);
  graph.pointwise('MUL', [relu, relu], { y: result });
  return { graph, tensors: { from, weight, result } };
}

/** result [N,M] = 2 sqrt(hidden [N,M]) (from [N,C] weight [C,M]). */
export function hiddenGradGraph(api: CudnnApi, { N, C, M }: MlpShape): MlpGraph {
  const graph = new Graph(api);
  const [from, weight] = [matrix(graph, N, C), matrix(graph, C, M)];
  const [hidden, result] = [matrix(graph, N, M), matrix(graph, N, M)];
  const product = graph.matmul(from, weight, graph.virtual([1, N, M]));
  const root = graph.pointwise('SQRT', [hidden]);
  graph.pointwise('MUL', [product, graph.pointwise('ADD', [root, root])], { y: result });
  return { graph, tensors: { from, weight, hidden, result } };
}

/**
 * See `Work`.
 * @param at addresses of the graph's tensors @param probe those that may be zero in a model's first step, and what to compare with instead
 */
export function mlpWork(
  direction: 'forward' | 'backward',
  shape: MlpShape,
  at: Partial<Record<MlpTensor, number>>,
  probe: Partial<Record<MlpTensor, number>> = {},
): Work {
  const { N, C, M } = shape;
  const places = at as Record<string, number>;
  return {
    ...{ subject: 'MLP', direction, sizes: [N, C, M], flops: 2 * N * C * M },
    at: places,
    probe: { ...places, ...(probe as Record<string, number>) },
    results: () => {
      const some = Math.min(N * M, COMPARED);
      return [0, N * M - some].map(
        (first): Part => ({ address: places.result! + 2 * first, bytes: 2 * some, type: 'bf16' }),
      );
    },
    engine({ api, plan, lend, execute }) {
      if (C % WIDTH_MULTIPLE !== 0 || M % WIDTH_MULTIPLE !== 0) return undefined;
      const { graph, tensors } = (direction === 'forward' ? hiddenGraph : hiddenGradGraph)(api, shape);
      const made = plan(graph);
      if (!made) return undefined;
      const uids = Object.entries(tensors).map(([name, { uid }]) => [name, uid] as const);
      return (at) => {
        const pointers = uids.map(([name, uid]) => [uid, at[name]!] as const);
        if (made.workspaceBytes === 0) execute(made, pointers, 0);
        else lend(made.workspaceBytes, (workspace) => execute(made, pointers, workspace));
      };
    },
  };
}
