// A pool of float32 arrays of exact sizes, as a training step asks for the same sizes again and again. An array in
// use belongs to one tensor. Reserved arrays belong to a recording: once released, only it can use them again.

/** Idle arrays may take this much, or as much as those in use. */
const MIN_IDLE_BYTES = 64 * 2 ** 20;

export class ArrayPool {
  /** Buffers of arrays that came from here. */
  readonly #owned = new WeakSet<ArrayBufferLike>();
  readonly #idle = new Map<number, Float32Array[]>();
  #idleBytes = 0;
  #usedBytes = 0;
  /** Reserved arrays, and whether a tensor has them now. */
  readonly #reserved = new Map<Float32Array, boolean>();
  /** Arrays of the work that is being recorded, which will be reserved. */
  recorded: ReadonlySet<Float32Array> | undefined;

  /** Whether an array came from here. */
  owns(values: ArrayLike<unknown>): values is Float32Array {
    return values instanceof Float32Array && this.#owned.has(values.buffer);
  }

  /** An array, its elements undefined. */
  take(size: number): Float32Array {
    const idle = this.#idle.get(size)?.pop();
    this.#usedBytes += 4 * size;
    if (idle) {
      this.#idleBytes -= 4 * size;
      return idle;
    }
    // Sizes that will not be used again are left to the garbage collector; a recording's arrays stay, so it uses them again.
    if (this.#idleBytes > Math.max(MIN_IDLE_BYTES, this.#usedBytes))
      this.#keepIdle((array) => this.recorded?.has(array) === true);
    const made = new Float32Array(size);
    this.#owned.add(made.buffer);
    return made;
  }

  /** Takes an array back. */
  put(values: Float32Array): void {
    this.#usedBytes -= values.byteLength;
    if (this.#reserved.has(values)) this.#reserved.set(values, false);
    else this.#rest(values);
  }

  /** Lets go of an array that somebody else may hold. */
  disown(values: Float32Array): void {
    if (this.#owned.delete(values.buffer)) this.#usedBytes -= values.byteLength;
  }

  /** Sets arrays aside; `held` are in use, the others idle. */
  reserve(arrays: Iterable<Float32Array>, held: ReadonlySet<Float32Array>): void {
    for (const array of arrays) this.#reserved.set(array, held.has(array));
    this.#keepIdle((array) => !this.#reserved.has(array));
  }

  /** A reserved array goes to a tensor. */
  hold(array: Float32Array): void {
    this.#reserved.set(array, true);
    this.#usedBytes += array.byteLength;
  }

  /** Ends the reservation. */
  release(arrays: Iterable<Float32Array>): void {
    for (const array of arrays) {
      const held = this.#reserved.get(array);
      this.#reserved.delete(array);
      if (held === false) this.#rest(array);
    }
  }

  /** Drops the other idle arrays. */
  #keepIdle(wanted: (array: Float32Array) => boolean): void {
    for (const [size, idle] of this.#idle) {
      const kept = idle.filter(wanted);
      this.#idleBytes -= 4 * size * (idle.length - kept.length);
      if (kept.length > 0) this.#idle.set(size, kept);
      else this.#idle.delete(size);
    }
  }

  #rest(values: Float32Array): void {
    this.#idleBytes += values.byteLength;
    const idle = this.#idle.get(values.length);
    if (idle) idle.push(values);
    else this.#idle.set(values.length, [values]);
  }
}
