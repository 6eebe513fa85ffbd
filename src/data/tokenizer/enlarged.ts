// Typed arrays that grow.

/** The same elements in an array of `length`, the rest zeros. */
export function enlarged<A extends Uint8Array | Int32Array | Uint32Array | Float64Array>(
  array: A,
  length: number,
): A {
  const larger = new (array.constructor as new (length: number) => A)(length);
  larger.set(array);
  return larger;
}
