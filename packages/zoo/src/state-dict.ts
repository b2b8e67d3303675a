import { formatShape, sameShape, ShapeError, ShoalError, sizeOf, type Runtime, type Shape, type Variable } from '@shoal/core';
import type { Network } from '@shoal/residual';

/** A tensor as PyTorch stores it. */
export interface StateTensor {
  readonly shape: Shape;
  /** Row-major. */
  readonly data: ArrayLike<number>;
}

/** Parameters and running statistics by name, in PyTorch's layout. */
export type StateDict = Readonly<Record<string, StateTensor>>;

/**
 * PyTorch keeps convolution weights as [out, in, kh, kw] and dense ones as [out, in]; Shoal as [kh, kw, in, out] and [in, out].
 * Which axis of Shoal's weight is axis i of PyTorch's.
 */
const torchAxes: Readonly<Record<number, readonly number[]>> = { 4: [3, 2, 0, 1], 2: [1, 0] };

/** The shape that PyTorch gives a variable. */
export function torchShape(shape: Shape): Shape {
  return torchAxes[shape.length]?.map((axis) => shape[axis]!) ?? shape;
}

/** For each element of a variable, in its own order, the place it has in PyTorch's; null where the two are the same. */
function torchOrder(shape: Shape): Uint32Array | null {
  const axes = torchAxes[shape.length];
  if (!axes) return null;
  const torch = torchShape(shape);
  const strides = shape.map((_, axis) => sizeOf(torch.slice(axes.indexOf(axis) + 1)));
  let order = Uint32Array.of(0);
  shape.forEach((size, axis) => {
    const next = new Uint32Array(order.length * size);
    for (let i = 0; i < next.length; i++) next[i] = order[Math.floor(i / size)]! + (i % size) * strides[axis]!;
    order = next;
  });
  return order;
}

/** PyTorch's numbers in the order of a variable of this shape. */
export function fromTorch(shape: Shape, data: ArrayLike<number>): Float32Array {
  const order = torchOrder(shape);
  return order ? Float32Array.from(order, (at) => data[at]!) : Float32Array.from(data);
}

/** Numbers of a variable of this shape in PyTorch's order. */
export function toTorch<T extends Float32Array | Float64Array>(shape: Shape, data: T): T {
  const order = torchOrder(shape);
  const result = data.slice() as T;
  order?.forEach((at, i) => (result[at] = data[i]!));
  return result;
}

/** The variables that PyTorch knows: it does not count dropout's steps. */
function stateOf({ name, scope }: Network): readonly Variable[] {
  const variables = Object.values(scope.state).filter(({ dtype }) => dtype === 'f32');
  if (variables.length > 0) return variables;
  throw new ShoalError('GRAPH', { op: name, fact: 'has no variables yet', next: 'Build its graph first' });
}

/**
 * Sets every parameter and running statistic of a network. `num_batches_tracked`, which only counts, is passed over.
 *
 * @throws ShoalError `FEED` when a tensor is missing or unknown, ShapeError when one does not fit; nothing is written then
 */
export async function loadStateDict(runtime: Runtime, network: Network, dict: StateDict): Promise<void> {
  const variables = stateOf(network);
  const known = new Set(variables.map(({ name }) => name));
  const missing = variables.filter(({ name }) => !dict[name]).map(({ name }) => name);
  const unknown = Object.keys(dict).filter((name) => !known.has(name) && !name.endsWith('.num_batches_tracked'));
  const list = (names: readonly string[]): string =>
    `${names.slice(0, 3).join(', ')}${names.length > 3 ? ` and ${names.length - 3} more` : ''}`;
  if (missing.length > 0 || unknown.length > 0) {
    throw new ShoalError('FEED', {
      op: network.name,
      fact: [missing.length > 0 ? `no tensor for ${list(missing)}` : '', unknown.length > 0 ? `nothing is named ${list(unknown)}` : '']
        .filter((part) => part !== '')
        .join('; '),
      next: 'Give each parameter and running statistic under its own name',
    });
  }
  for (const { name, shape } of variables) {
    const { shape: given, data } = dict[name]!;
    if (sameShape(given, torchShape(shape)) && data.length === sizeOf(given)) continue;
    throw new ShapeError({
      op: network.name,
      fact: `'${name}' is ${formatShape(given)} with ${data.length} numbers where ${formatShape(torchShape(shape))} is needed`,
      next: 'Give it in the layout of PyTorch: [out,in,kh,kw] or [out,in]',
    });
  }
  for (const variable of variables) await runtime.write(variable, fromTorch(variable.shape, dict[variable.name]!.data));
}

/** Reads every parameter and running statistic of a network, in PyTorch's layout. */
export async function readStateDict(runtime: Runtime, network: Network): Promise<Record<string, StateTensor>> {
  const dict: Record<string, StateTensor> = {};
  for (const variable of stateOf(network)) {
    const data = (await runtime.read(variable)) as Float32Array | Float64Array;
    dict[variable.name] = { shape: torchShape(variable.shape), data: toTorch(variable.shape, data) };
  }
  return dict;
}
