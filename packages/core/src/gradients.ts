import { ShapeError, ShoalError } from './errors.ts';
import * as e from './expression/index.ts';
import type { Value } from './graph.ts';
import { buildFor, topological, type Node, type Vjp } from './graph.ts';
import { fill } from './ops/fill.ts';
import { map } from './ops/map.ts';
import { formatShape, sameShape, sizeOf } from './tensor.ts';

/**
 * The gradient of `loss` to each of `wrt`, as graph: reverse mode, nothing runs. Apply it again for second derivatives.
 *
 * @param loss an f32 value of one element, or of any shape when `seed` is given
 * @param options.seed the gradient arriving at `loss`, of its shape: the result is then the product of `seed` with the Jacobian
 * @returns one value per entry of `wrt`, of its shape; zeros where the loss does not depend on it
 * @throws ShoalError `GRADIENT` when an op on the way has no gradient, with the op's reason
 */
export function gradients(loss: Value, wrt: readonly Value[], options: { readonly seed?: Value } = {}): readonly Value[] {
  const seed = options.seed ?? defaultSeed(loss);
  if (!sameShape(seed.shape, loss.shape)) {
    throw new ShapeError({
      op: 'gradients',
      fact: `seed ${formatShape(seed.shape)} does not match the loss ${formatShape(loss.shape)}`,
      next: 'Give it the shape of the loss',
    });
  }
  for (const value of wrt) {
    if (value.dtype !== 'f32')
      throw new ShoalError('GRADIENT', {
        op: 'gradients',
        fact: `a value of dtype ${value.dtype} has no gradient`,
        next: 'Differentiate to f32 values',
      });
  }
  return pullback([[loss, seed]], wrt).map((gradient, i) => gradient ?? fill(0, wrt[i]!.shape));
}

function defaultSeed(loss: Value): Value {
  if (sizeOf(loss.shape) !== 1 || loss.dtype !== 'f32') {
    throw new ShapeError({
      op: 'gradients',
      fact: `the loss is ${loss.dtype} ${formatShape(loss.shape)}, not one f32 number`,
      next: 'Reduce it first, or pass a seed',
    });
  }
  return fill(1, loss.shape);
}

/** Reverse mode from several roots at once, not beyond the values of `boundary`; null where nothing arrives. */
function pullback(
  seeds: readonly (readonly [Value, Value])[],
  wrt: readonly Value[],
  boundary: ReadonlySet<Value> = new Set(),
): readonly (Value | null)[] {
  const cotangents = new Map<Value, Value>();
  // What meets at an output of a node is added up for that node, which goes on with the sum.
  const arrive = (value: Value, ct: Value): void => {
    const known = cotangents.get(value);
    const sum = known && (() => map([known, ct], (a, b) => e.add(a, b)));
    cotangents.set(value, !sum ? ct : value.node ? buildFor([value.node], sum) : sum());
  };
  seeds.forEach(([value, ct]) => arrive(value, ct));
  const order = topological(seeds.map(([value]) => value));
  const reaching = reachingNodes(order, wrt, boundary);
  for (const node of order.toReversed()) {
    const arrived = node.outputs.map((output) => cotangents.get(output) ?? null);
    if (!reaching.has(node) || arrived.every((ct) => ct === null)) continue;
    const rule = node.op.vjp as Vjp<object>;
    if (typeof rule !== 'function')
      throw new ShoalError('GRADIENT', {
        op: node.op.name,
        fact: `has no gradient: ${rule.none}`,
        next: 'Keep it out of the loss, or put stopGradient before it',
      });
    buildFor([node], () => {
      const found = rule({ inputs: node.inputs, outputs: node.outputs, cotangents: arrived, attributes: node.attributes });
      node.inputs.forEach((value, i) => {
        const ct = found[i];
        if (!ct) return;
        if (!sameShape(ct.shape, value.shape)) {
          throw new ShapeError({
            op: node.op.name,
            fact: `gradient of input ${i} is ${formatShape(ct.shape)}, the input ${formatShape(value.shape)}`,
          });
        }
        arrive(value, ct);
      });
    });
  }
  return wrt.map((value) => cotangents.get(value) ?? null);
}

/** Nodes on a path from a wanted value: only their gradient rules are asked, so a missing rule elsewhere does no harm. */
function reachingNodes(order: readonly Node[], wrt: readonly Value[], boundary: ReadonlySet<Value>): ReadonlySet<Node> {
  const wanted = new Set<Value>(wrt);
  const nodes = new Set<Node>();
  for (const node of order) {
    if (node.op.name === 'core/stop-gradient' || !node.inputs.some((value) => wanted.has(value))) continue;
    if (node.outputs.some((output) => boundary.has(output))) continue;
    nodes.add(node);
    node.outputs.forEach((output) => wanted.add(output));
  }
  return nodes;
}

/**
 * A gradient rule derived from an op's expansion: the expansion is built on the same inputs and differentiated.
 * The expansion is recomputed by the backward graph, so this suits backward ops (whose gradients are second derivatives).
 */
export function vjpThroughExpansion<A extends object>(expand: (inputs: readonly Value[], attributes: A) => readonly Value[]): Vjp<A> {
  return ({ inputs, cotangents, attributes }) => {
    const outputs = expand(inputs, attributes);
    const seeds = outputs.flatMap((output, i): [Value, Value][] => (cotangents[i] ? [[output, cotangents[i]]] : []));
    // An input may be computed from another one: each gets the partial derivative, the others held fixed; a repeated one gets it once.
    const distinct = [...new Set(inputs)].filter((value) => value.dtype === 'f32');
    const found = pullback(seeds, distinct, new Set(distinct));
    return inputs.map((value, i) => (value.dtype === 'f32' && inputs.indexOf(value) === i ? found[distinct.indexOf(value)]! : null));
  };
}
