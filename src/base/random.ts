// Random streams named by purpose: one seed determines everything, and adding a stream never changes another.
// The generator is seedrandom's Alea (32-bit arithmetic).

import seedrandom from 'seedrandom';

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
}

/**
 * Opens the stream `purpose` of `seed` at its start.
 * @example randomStream(1, 'init.transformer.wte.weight').normal()
 */
export function randomStream(seed: number | string, purpose: string): Random {
  const alea = seedrandom.alea(`${seed}/${purpose}`);
  let spare: number | null = null;
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
  };
  return random;
}
