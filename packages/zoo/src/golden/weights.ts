import { sizeOf, type Shape, type Variable } from '@shoal/core';
import { nameHash } from '@shoal/math';
import type { Network } from '@shoal/residual';
import { torchShape } from '../state-dict.ts';

/** What a tensor of a state dict is: the formula spreads each kind differently. */
export type TensorKind = 'conv.weight' | 'linear.weight' | 'bias' | 'bn.gamma' | 'bn.beta' | 'bn.mean' | 'bn.var' | 'input';

/** The finalizer of MurmurHash3 (Appleby, 2011): a bijection of u32. */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * Numbers that every language can compute, the same to the last bit: element i, in PyTorch's layout, is made of
 * u = (r >>> 8) / 2^23 - 1 in [-1, 1), r being a hash of i and the tensor's name, and rounded once to float32.
 *
 * @param shape in PyTorch's layout: the fan-in is the product of all axes but the first
 * @param gain2 weights have variance `gain2 / fanIn`
 */
export function formulaTensor(name: string, shape: Shape, kind: TensorKind, gain2: number): Float32Array {
  const seed = nameHash(name);
  const fanIn = sizeOf(shape.slice(1));
  const [offset, scale] = {
    'conv.weight': [0, Math.fround(Math.sqrt((3 * gain2) / fanIn))],
    'linear.weight': [0, Math.fround(Math.sqrt((3 * gain2) / fanIn))],
    bias: [0, 0.125],
    'bn.gamma': [1, 0.25],
    'bn.beta': [0, 0.25],
    'bn.mean': [0, 0.25],
    'bn.var': [1, 0.25],
    input: [0, Math.fround(Math.sqrt(3))],
  }[kind] as [number, number];
  const values = new Float32Array(sizeOf(shape));
  for (let i = 0; i < values.length; i++) values[i] = offset + scale * (((mix(mix(i) ^ seed) >>> 8) - 2 ** 23) / 2 ** 23);
  return values;
}

/** What a variable of a network is, by its name and shape, and by whether a batch norm owns it. */
export function kindOf({ name, shape }: Variable, network: Network): TensorKind {
  const [, owner, part] = /^(.*)\.(\w+)$/.exec(name)!;
  if (part === 'running_mean') return 'bn.mean';
  if (part === 'running_var') return 'bn.var';
  if (shape.length === 4) return 'conv.weight';
  if (shape.length === 2) return 'linear.weight';
  const normalises = network.scope.state[`${owner}.running_mean`] !== undefined;
  if (normalises) return part === 'weight' ? 'bn.gamma' : 'bn.beta';
  return 'bias';
}

/** The state dict that the formula gives a network whose graph was built. */
export function formulaStateDict(network: Network, gain2: number): Record<string, { readonly shape: Shape; readonly data: Float32Array }> {
  const variables = Object.values(network.scope.state).filter(({ dtype }) => dtype === 'f32');
  return Object.fromEntries(
    variables.map((variable) => {
      const shape = torchShape(variable.shape);
      return [variable.name, { shape, data: formulaTensor(variable.name, shape, kindOf(variable, network), gain2) }];
    }),
  );
}

/** The sum of the bit patterns, modulo 2^32: equal sums mean equal weights. */
export function bitsSum(tensors: Iterable<Float32Array>): number {
  let sum = 0;
  for (const { buffer, byteOffset, length } of tensors)
    for (const bits of new Uint32Array(buffer, byteOffset, length)) sum = (sum + bits) >>> 0;
  return sum;
}
