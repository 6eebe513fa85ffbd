// How row kernels are compiled and launched: kernels/cuda/README.md.

import type { Precision } from '../../types.js';
import type { Defines } from '../compile.js';

/** Numbers that a piece of a long tensor has. */
export const PIECE = 4096;

/** Threads of a block, where a team is smaller. */
const THREADS = 256;

/** Widths above this are worked on by a whole block. */
const WIDE = 4096;

/** A way to launch row kernels: macros, and the grid for a number of rows. */
export interface Team {
  defines: Defines;
  /** Threads of a team, and of the blocks that hold one or more. */
  size: number;
  threads: number;
  /** Numbers that a thread moves at once. */
  vector: number;
  /** Blocks for `rows` rows. */
  blocks(rows: number): number;
}

/** Numbers moved at once: 16 bytes of activations, where these lengths and strides of rows allow. */
function vectorOf(lengths: readonly number[], activations: Precision = 'fp32'): number {
  const divides = (vector: number) => lengths.every((n) => n % vector === 0);
  return activations === 'bf16' && divides(8) ? 8 : divides(4) ? 4 : 1;
}

const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

const teams = new Map<string, Team>();

/** One object for each kind of team, so that the macros' text is made once. */
function teamOf(size: number, vector: number, activations: Precision = 'fp32'): Team {
  const key = `${size} ${vector} ${activations}`;
  let team = teams.get(key);
  if (!team) {
    const threads = size > 32 ? size : THREADS;
    team = {
      defines: { TEAM: size, VL: vector, ...(activations === 'bf16' && { ACT_BF16: 1 }) },
      size,
      threads,
      vector,
      blocks: (rows) => Math.ceil((rows * size) / threads),
    };
    teams.set(key, team);
  }
  return team;
}

/** A team for rows of `width` numbers; `lengths` are all others that vectors must divide, `activations` their type. */
export function rowTeam(width: number, lengths: readonly number[] = [], activations?: Precision): Team {
  const vector = vectorOf([width, ...lengths], activations);
  const size = width > WIDE ? THREADS : Math.min(32, powerOfTwo(width / vector));
  return teamOf(size, vector, activations);
}

/** A team of a whole warp: where rows take different ways, those of one warp must not. */
export const warpTeam = (width: number, activations?: Precision): Team =>
  teamOf(32, vectorOf([width], activations), activations);

/** A team of a whole block for rows of `width` numbers, as long rows with many steps want. */
export const blockTeam = (width: number, activations?: Precision): Team =>
  teamOf(width > 4 * WIDE ? 1024 : THREADS, vectorOf([width], activations), activations);

/** A team of a whole block for pieces of a tensor, or of matrices, of n numbers. */
export const pieceTeam = (n: number, activations?: Precision): Team =>
  teamOf(THREADS, vectorOf([n], activations), activations);

export const piecesOf = (n: number): number => Math.ceil(n / PIECE);
