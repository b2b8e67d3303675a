import * as e from '../expression/index.ts';
import { buildFor, type Node, type Value, type Variable } from '../graph.ts';
import { mapExpression, mapOp, type MapAttributes } from '../ops/map.ts';
import { reshape } from '../ops/reshape.ts';
import type { Program } from '../program.ts';
import { sizeOf } from '../tensor.ts';
import { countUses, isStatic, reapply, rewriteProgram, updatedVariables } from './rewrite.ts';

/**
 * Folds a per-channel scale behind a linear op into the op's weights: `conv(x, w) * s + t` becomes `conv(x, w * s) + t`.
 * Batch norm at inference is such a map. Done only where the scale depends on nothing but variables that the program does
 * not update (so that `w * s` is computed once per version of them) and nobody else reads the unscaled result.
 */
export function foldScales(program: Program): Program {
  const updated = updatedVariables(program);
  const uses = countUses(program);
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.name !== mapOp.name) return null;
    const { expression, shape } = node.attributes as MapAttributes;
    for (const [index, value] of inputs.entries()) {
      const producer = value.node;
      const original = node.inputs[index]!;
      if (!producer?.op.absorbScale || value !== producer.outputs[0] || uses.get(original) !== 1 || value.shape.length !== shape.length)
        continue;
      const scale = channelScale(expression, index, inputs, value, updated);
      if (!scale) continue;
      const scaled = absorb(producer, scale);
      const shift = e.simplify(e.rewrite(expression, (x) => (x.kind === 'input' && x.index === index ? e.literal(0) : x)));
      return [mapExpression(e.simplify(e.add(e.operand(inputs.length), shift)), [...inputs, scaled], shape)];
    }
    return null;
  });
}

function absorb(node: Node, scale: Value): Value {
  return buildFor([node], () => {
    const inputs = node.op.absorbScale!(node.inputs, node.attributes as never, scale);
    return reapply(node.op, inputs, node.attributes)[0]!;
  });
}

/** The slope of an expression that is affine in input `index`, as a `[channels]` value; null where it is not such a scale. */
function channelScale(
  expression: e.Expression,
  index: number,
  inputs: readonly Value[],
  value: Value,
  updated: ReadonlySet<Variable>,
): Value | null {
  const slope = e.differentiate(expression, index);
  const read = e.inputsRead(slope);
  if (read.size === 0 || read.has(index) || e.usesCoordinates(slope) || branches(expression, index)) return null;
  const channels = value.shape[value.shape.length - 1]!;
  const perChannel = [...read].every((i) => {
    const { shape } = inputs[i]!;
    return sizeOf(shape) === 1 || (sizeOf(shape) === channels && shape[shape.length - 1] === channels);
  });
  if (!perChannel || ![...read].every((i) => isStatic(inputs[i]!, updated))) return null;
  const flat = inputs.map((x, i) => (read.has(i) ? reshape(x, [sizeOf(x.shape)]) : x));
  return mapExpression(slope, flat, [channels]);
}

/** A slope of 0 or 1 beyond a kink is not a scale: an expression that selects on the input is not affine in it. */
function branches(expression: e.Expression, index: number): boolean {
  const touches = (x: e.Expression): boolean => (x.kind === 'input' ? x.index === index : e.childrenOf(x).some(touches));
  return e
    .linearize(expression)
    .some(
      ({ expression: x }) =>
        ((x.kind === 'binary' && (x.op === 'max' || x.op === 'min')) || x.kind === 'compare' || (x.kind === 'unary' && x.op !== 'neg')) &&
        touches(x),
    );
}
