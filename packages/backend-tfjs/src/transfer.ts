import { sizeOf, type Dtype, type TensorData, type TensorType } from '@shoal/core';
import type { Tensor, Tensorflow } from './engine.ts';

/** A copy of host numbers as a tensor. TensorFlow.js has no u32: such a tensor is the int32 of the same bits. */
export function upload(tf: Tensorflow, { shape, dtype }: TensorType, data: ArrayLike<number>): Tensor {
  if (dtype === 'f32') return tf.tensor(Float32Array.from(data), [...shape], 'float32');
  const bits = dtype === 'i32' ? Int32Array.from(data) : new Int32Array(Uint32Array.from(data).buffer);
  return tf.tensor(bits, [...shape], 'int32');
}

/** A copy of a tensor's numbers. */
export async function download(tensor: Tensor, dtype: Dtype): Promise<TensorData> {
  if (tensor.size === 0) return hostNumbers(dtype, []);
  return hostNumbers(dtype, await tensor.data());
}

function hostNumbers(dtype: Dtype, data: ArrayLike<number>): TensorData {
  if (dtype === 'f32') return Float32Array.from(data);
  const integers = Int32Array.from(data);
  return dtype === 'i32' ? integers : new Uint32Array(integers.buffer);
}

/** `value` everywhere. */
export function filled(tf: Tensorflow, { shape, dtype }: TensorType, value: number): Tensor {
  if (dtype !== 'f32' || sizeOf(shape) === 0) return upload(tf, { shape, dtype }, new Float64Array(sizeOf(shape)).fill(value));
  const { fill } = tf;
  return fill([...shape], value, 'float32');
}
