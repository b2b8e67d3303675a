import { broadcastShapes, expression as e, mapOp, ShoalError, sizeOf, type MapAttributes, type Shape, type TensorData } from '@shoal/core';
import { structuralReference } from '@shoal/core/reference';
import type { Tensor, Tensorflow } from '../engine.ts';
import { exactTensor, tfjsKernel } from '../kernel.ts';
import { broadcast, joinAxes } from '../shaping.ts';
import { upload } from '../transfer.ts';
import { arithmetic, type Arithmetic } from './arithmetic.ts';
import { planMap } from './plan.ts';

/** A map over fewer axes. */
interface Joined {
  readonly shape: Shape;
  /** Shapes of the inputs. */
  readonly own: readonly Shape[];
  /** The new number of each axis whose coordinate is asked for; -1 where its size is 1. */
  readonly axes: ReadonlyMap<number, number>;
}

function joined({ expression, shape }: MapAttributes, inputs: readonly { readonly shape: Shape }[]): Joined {
  const asked = new Set(e.linearize(expression).flatMap(({ expression: x }) => (x.kind === 'coordinate' ? [x.axis] : [])));
  const along = (axis: number): Shape => shape.map((n, i) => (i === axis ? n : 1));
  const fewer = joinAxes(shape, [...inputs.map((x) => x.shape), ...[...asked].map(along)]);
  const coordinates = fewer.own.slice(inputs.length);
  const axes = new Map([...asked].map((axis, i) => [axis, coordinates[i]!.findIndex((n) => n !== 1)]));
  return { shape: fewer.shape, own: fewer.own.slice(0, inputs.length), axes };
}

/** Elementwise work: f32 in ops of the engine, integers on the host. */
export const mapTfjs = tfjsKernel(
  mapOp,
  ({ tf, engine, inputs: given, host, attributes }) => {
    const { instructions, onHost, reads } = planMap(attributes.expression);
    const fewer = joined(attributes, given);
    const inputs = given.map((x, i) => tf.reshape(x, [...fewer.own[i]!]));
    const calculate = arithmetic(engine);
    const results: (Tensor | undefined)[] = [];
    const left = [...reads];
    instructions.forEach(({ expression: x, children }, i) => {
      if (reads[i] === 0) return;
      if (onHost[i]) results[i] = compute(tf, x, fewer, host);
      else if (x.kind === 'input') results[i] = inputs[x.index]!;
      else {
        results[i] = apply(
          calculate,
          x,
          children.map((child) => results[child]!),
        );
        for (const child of children) {
          const spent = --left[child]! === 0 && instructions[child]!.expression.kind !== 'input';
          if (spent && results[child] !== results[i]) results[child]!.dispose();
        }
      }
    });
    return [tf.reshape(broadcast(tf, results.at(-1)!, fewer.shape), [...attributes.shape])];
  },
  {
    reads: ({ attributes }) => planMap(attributes.expression).hostInputs,
    rank: ({ inputs, attributes }) => joined(attributes, inputs).shape.length,
  },
);

/** Part of the expression on the host, over no more elements than it varies over. `numbers`: of the inputs that have been read. */
function compute(tf: Tensorflow, part: e.Expression, { shape, own, axes }: Joined, numbers: readonly (TensorData | undefined)[]): Tensor {
  const renumber = (axis: number): e.Expression => (axes.get(axis) === -1 ? e.literal(0, 'i32') : e.coordinate(axes.get(axis)!));
  const expression = e.rewrite(part, (x) => (x.kind === 'coordinate' ? renumber(x.axis) : x));
  const extents = e.linearize(expression).map(({ expression: x }): Shape => {
    if (x.kind === 'input') return own[x.index]!;
    return x.kind === 'coordinate' ? shape.map((n, axis) => (axis === x.axis ? n : 1)) : [];
  });
  const extent = broadcastShapes(
    'core/map',
    shape.map(() => 1),
    ...extents,
  );
  const operands = numbers.map((data, i) => (data ? exactTensor(own[i]!, data) : unread));
  const results = new Float64Array(sizeOf(extent));
  const attributes = { expression, shape: extent } as never;
  structuralReference.mapOp.run({ inputs: operands, outputs: [{ shape: extent, dtype: 'f32', data: results }], attributes });
  if (expression.dtype === 'bool') return tf.tensor(Uint8Array.from(results), [...extent], 'bool');
  return upload(tf, { shape: extent, dtype: expression.dtype }, results);
}

const unread = exactTensor([], Float64Array.of(0));

function apply(calculate: Arithmetic, x: e.Expression, [a, b, c]: readonly Tensor[]): Tensor {
  switch (x.kind) {
    case 'constant':
      return calculate.literal(x.value);
    case 'unary':
      return calculate[x.op](a!);
    case 'binary':
      if (x.op === 'pow') return calculate.pow(a!, b!, x.b.kind === 'constant' ? x.b.value : null);
      if (x.op === 'and' || x.op === 'xor' || x.op === 'shiftRight') break;
      return calculate[x.op](a!, b!);
    case 'compare':
      return calculate[x.op](a!, b!);
    case 'select':
      return calculate.select(a!, b!, c!);
    default:
  }
  throw new ShoalError('GRAPH', { op: 'core/map', fact: `an integer ${x.kind} was left to the engine (an internal invariant)` });
}
