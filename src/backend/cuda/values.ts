// Numbers of tensors as they are on the host and on the device, by dtype.

import type * as tf from '@tensorflow/tfjs-core';

export type Values = tf.backend_util.BackendValues;
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** Up to this many numbers stay on the host until they are wanted. */
export const FEW = 16;

/** Bytes of a number on the device; none for dtypes that do not live there. */
export const WIDTH: Partial<Record<tf.DataType, number>> = { float32: 4, int32: 4, bool: 1 };

/** True for the dtypes that live on the device. */
export const isOnDevice = (dtype: tf.DataType): boolean => WIDTH[dtype] !== undefined;

/** Numbers as the device holds them; few are copied, as the caller may change what it handed in. */
export function asNumbers(values: Values, dtype: tf.DataType, size: number): Numbers {
  const Kind = dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array;
  if (values == null) return new Kind(size);
  const numbers = values instanceof Kind ? values : Kind.from(values as ArrayLike<number>);
  return size <= FEW && numbers === values ? numbers.slice() : numbers;
}

/** A copy for the caller, who may change it. */
export const copyOf = (values: Values): Values =>
  ArrayBuffer.isView(values) ? (values as Float32Array).slice() : values;

/** Bytes read from the device as numbers. */
export function numbersOf(bytes: ArrayBuffer, dtype: tf.DataType): Numbers {
  if (dtype === 'float32') return new Float32Array(bytes);
  return dtype === 'int32' ? new Int32Array(bytes) : new Uint8Array(bytes);
}
