// Tables of the rotary position embedding (Su et al. 2021, eq. 34; the reference's
// _precompute_rotary_embeddings, here in float32).

/**
 * cos and sin of position * base^(-2i/D) for `length` positions from `start`.
 * @param dim D, head width, even
 * @returns two row-major [length, D/2] arrays
 */
export function rotaryTables(
  length: number,
  dim: number,
  base: number,
  start = 0,
): { cos: Float32Array; sin: Float32Array } {
  const half = dim / 2;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  for (let i = 0; i < half; i++) {
    // Rounded to float32 at each step as PyTorch does, so that long positions agree with the reference.
    const exponent = Math.fround((2 * i) / dim);
    const frequency = Math.fround(1 / Math.fround(base ** exponent));
    for (let t = 0; t < length; t++) {
      const angle = Math.fround((start + t) * frequency);
      cos[t * half + i] = Math.cos(angle);
      sin[t * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
