// Tensors that lie one behind another in memory, so that one product reads or writes them all; each stays a tensor of its own.

import * as tf from '@tensorflow/tfjs-core';
import type { Info } from '../flat/store.js';
import { noteScratch } from '../memory.js';
import { GRANULE } from './allocator.js';
import { TensorBackend } from './tensors.js';

/** The part of tfjs's backend object that joins tensors. */
export abstract class JoiningBackend extends TensorBackend {
  /**
   * Address of matrices in the type that products read, one behind another: those of variables are moved there once, if their
   * sizes allow; others are copied each time. @throws OutOfMemoryError
   */
  joined(matrices: readonly Info[]): number {
    const places = matrices.map((x) => this.activation(x));
    const field = this.precision === 'bf16' ? 'bf16' : 'block';
    const entries = matrices.map((x) => this.data.get(x.dataId));
    const sizes = entries.map(({ size }) => size * (field === 'bf16' ? 2 : 4));
    const total = sizes.reduce((a, b) => a + b);
    const adjacent = places.every((place, i) => i === 0 || place === places[i - 1]! + sizes[i - 1]!);
    if (adjacent) return places[0]!;
    const moves =
      sizes.every((bytes) => bytes % GRANULE === 0) &&
      matrices.every((x) => x instanceof tf.Variable) &&
      entries.every((entry) => !entry.lent);
    if (!moves) {
      const all = this.scratch(total);
      this.#copyBehind(places, sizes, all);
      return all;
    }
    for (const entry of entries) this.watch?.assertOwn(entry);
    const { allocator } = this.session;
    const whole = allocator.allocate(total);
    try {
      this.#copyBehind(places, sizes, whole.address);
    } catch (error) {
      allocator.free(whole);
      throw error;
    }
    const blocks = allocator.split(whole, sizes);
    entries.forEach((entry, i) => {
      if (field === 'bf16') noteScratch(blocks[i]!.bytes - entry[field]!.bytes);
      allocator.free(entry[field]!); // which may lengthen the block
      entry[field] = blocks[i]!;
    });
    return whole.address;
  }

  #copyBehind(places: readonly number[], sizes: readonly number[], to: number): void {
    places.forEach((place, i) => {
      this.copy(place, to, sizes[i]!);
      to += sizes[i]!;
    });
  }

  /**
   * Tensors of these shapes that `fill` computes one behind another, from an address on. @throws OutOfMemoryError
   */
  makeJoined(shapes: readonly number[][], fill: (address: number) => void): Info[] {
    const sizes = shapes.map((shape) => 4 * tf.util.sizeFromShape(shape));
    const total = sizes.reduce((a, b) => a + b);
    if (sizes.every((bytes) => bytes % GRANULE === 0)) {
      const { allocator } = this.session;
      const blocks = allocator.split(allocator.allocate(total), sizes);
      const tensors = blocks.map((block, i) => this.wrapBlock(block, shapes[i]!));
      fill(blocks[0]!.address);
      return tensors;
    }
    const tensors = shapes.map((shape) => this.make(shape));
    const all = this.scratch(total);
    fill(all);
    let from = all;
    tensors.forEach((tensor, i) => {
      this.copy(from, this.address(tensor), sizes[i]!);
      from += sizes[i]!;
    });
    return tensors;
  }
}
