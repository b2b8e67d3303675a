import { broadcastShapes, expression as e, mapOp, ShoalError, sizeOf, type MapAttributes, type Shape } from '@shoal/core';
import { structuralReference } from '@shoal/core/reference';
import type { Tensor } from '../engine.ts';
import { exactTensor, tfjsKernel, type TfjsSite } from '../kernel.ts';
import { broadcast } from '../shaping.ts';
import { upload } from '../transfer.ts';
import { arithmetic, type Arithmetic } from './arithmetic.ts';
import { planMap } from './plan.ts';

/** Elementwise work: f32 in ops of the engine, integers on the host. */
export const mapTfjs = tfjsKernel(
  mapOp,
  (site) => {
    const { tf, engine, inputs, attributes } = site;
    const { instructions, onHost, reads } = planMap(attributes.expression);
    const calculate = arithmetic(engine);
    const results: (Tensor | undefined)[] = [];
    const left = [...reads];
    instructions.forEach(({ expression: x, children }, i) => {
      if (reads[i] === 0) return;
      if (onHost[i]) results[i] = compute(site, x);
      else if (x.kind === 'input') results[i] = inputs[x.index]!;
      else {
        results[i] = apply(calculate, x, children.map((child) => results[child]!)); // prettier-ignore
        for (const child of children) {
          const spent = --left[child]! === 0 && instructions[child]!.expression.kind !== 'input';
          if (spent && results[child] !== results[i]) results[child]!.dispose();
        }
      }
    });
    return [broadcast(tf, results.at(-1)!, attributes.shape)];
  },
  { reads: ({ attributes }) => planMap(attributes.expression).hostInputs },
);

/** Part of the expression on the host, over no more elements than it varies over. */
function compute({ tf, inputs, host, attributes: { shape } }: TfjsSite<MapAttributes>, expression: e.Expression): Tensor {
  const extent = (x: e.Expression): Shape => {
    if (x.kind === 'input') return inputs[x.index]!.shape;
    return x.kind === 'coordinate' ? shape.map((n, axis) => (axis === x.axis ? n : 1)) : [];
  };
  const parts = e.linearize(expression).map(({ expression: x }) => extent(x));
  const own = broadcastShapes('core/map', shape.map(() => 1), ...parts); // prettier-ignore
  const operands = inputs.map((x, i) => (host[i] ? exactTensor(x.shape, host[i]) : unread));
  const data = new Float64Array(sizeOf(own));
  structuralReference.mapOp.run({
    inputs: operands,
    outputs: [{ shape: own, dtype: 'f32', data }],
    attributes: { expression, shape: own } as never,
  });
  if (expression.dtype === 'bool') return tf.tensor(Uint8Array.from(data), [...own], 'bool');
  return upload(tf, { shape: own, dtype: expression.dtype }, data);
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
