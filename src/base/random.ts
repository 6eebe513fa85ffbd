// Random streams named by purpose: one seed fixes everything, and adding a stream never shifts another.
// The generator is seedrandom's Alea (32-bit arithmetic, state exportable as JSON).

import seedrandom from 'seedrandom';

/** Saved position of a stream; JSON-safe. */
export type RandomState = { alea: object; spare: number | null };

/** A deterministic stream of random numbers. */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Uniform integer in [0, n). */
  int(n: number): number;
  /** In-place Fisher-Yates shuffle; returns its argument. */
  shuffle<T>(items: T[]): T[];
  /** Position of the stream, to resume with `randomFrom`. */
  state(): RandomState;
}

type Alea = { (): number; state(): object };

function wrap(alea: Alea, spare: number | null): Random {
  const random: Random = {
    uniform: () => alea(),
    normal() {
      if (spare !== null) {
        const value = spare;
        spare = null;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - alea()));
      const angle = 2 * Math.PI * alea();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    int: (n) => Math.floor(alea() * n),
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = random.int(i + 1);
        [items[i], items[j]] = [items[j]!, items[i]!];
      }
      return items;
    },
    state: () => ({ alea: alea.state(), spare }),
  };
  return random;
}

/**
 * Opens the stream `purpose` of `seed` at its beginning.
 * @example randomStream(1, 'init.transformer.wte.weight').normal()
 */
export function randomStream(seed: number | string, purpose: string): Random {
  return wrap(seedrandom.alea(`${seed}/${purpose}`, { state: true }) as unknown as Alea, null);
}

/** Reopens a stream at a saved position. */
export function randomFrom(state: RandomState): Random {
  return wrap(seedrandom.alea('', { state: state.alea as never }) as unknown as Alea, state.spare);
}
