// Standard normal vectors for a generation: mutually orthogonal, each followed by its mirror image. Each is
// distributed like an independent draw, but a small population covers the space evenly and has the distribution's
// mean, which removes noise from the update.
// Source: Wang, Emmerich, Bäck, Mirrored orthogonal sampling for covariance matrix adaptation evolution
// strategies, Evolutionary Computation 27(4), 2019.
//
// n dimension.

import type { Random } from '../../../base/random.js';
import { norm } from './gaussian.js';

/** `count` vectors (n): pairs z, -z; the z orthogonal in groups of n. */
export function mirroredDirections(random: Random, n: number, count: number): Float64Array[] {
  const result: Float64Array[] = [];
  let group: Float64Array[] = [];
  while (result.length < count) {
    if (group.length === n) group = [];
    const z = Float64Array.from({ length: n }, () => random.normal());
    const length = norm(z);
    // Gram-Schmidt; a draw that lies in the span of the others (never, with real numbers) is left as it is.
    const rest = z.slice();
    for (const other of group) {
      let projection = 0;
      for (let i = 0; i < n; i++) projection += rest[i]! * other[i]!;
      projection /= norm(other) ** 2;
      for (let i = 0; i < n; i++) rest[i]! -= projection * other[i]!;
    }
    const left = norm(rest);
    const direction = left > 1e-9 * length ? rest.map((x) => (x * length) / left) : z;
    group.push(direction);
    result.push(
      direction,
      direction.map((x) => -x),
    );
  }
  return result.slice(0, count);
}
