import type { DeviceInfo } from '../backend.ts';
import * as e from '../expression/index.ts';
import { constant, type Node, type Value } from '../graph.ts';
import type { Kernel } from '../kernel.ts';
import { mapExpression, mapOp, type MapAttributes } from '../ops/map.ts';
import { fill, fillOp, type FillAttributes } from '../ops/fill.ts';
import { reshapeOp, reshape, type ReshapeAttributes } from '../ops/reshape.ts';
import type { Program } from '../program.ts';
import { sizeOf } from '../tensor.ts';
import { isStatic, reapply, rewriteProgram, updatedVariables } from './rewrite.ts';

/** Replaces ops for which the backend has no kernel by their expansions, as deep as needed. */
export function expandMissing(program: Program, hasKernel: (node: Node) => boolean): Program {
  let expanded = false;
  const next = rewriteProgram(program, (node, inputs) => {
    if (!node.op.expand || hasKernel(node)) return null;
    expanded = true;
    return node.op.expand(inputs, node.attributes as never);
  });
  return expanded ? expandMissing(next, hasKernel) : next;
}

/** Replaces ops by what the backend's kernels make of them. */
export function lowerKernels(program: Program, kernelFor: (node: Node) => Kernel, device: DeviceInfo): Program {
  const updated = updatedVariables(program);
  const lowering = { device, isStatic: (value: Value) => isStatic(value, updated) };
  return rewriteProgram(program, (node, inputs) => kernelFor(node).lower?.(inputs, node.attributes as never, lowering) ?? null);
}

/** Removes `stopGradient`: it means nothing once gradients are built. */
export function stripStopGradients(program: Program): Program {
  return rewriteProgram(program, (node, inputs) => (node.op.name === 'core/stop-gradient' ? inputs : null));
}

/** The one number a value consists of, if that is known. */
function uniformValue(value: Value): number | null {
  if (value.origin.kind === 'constant') {
    const { data } = value.origin;
    return data.length > 0 && data.every((x) => x === data[0]) ? data[0]! : null;
  }
  if (value.node?.op.name === fillOp.name) return (value.node.attributes as FillAttributes).value;
  return null;
}

/** Largest constant that is computed ahead, in elements. */
const foldLimit = 65536;

/** Moves uniform constants into the expressions that read them, and computes what depends on constants alone. */
export function foldConstants(program: Program): Program {
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.name === reshapeOp.name) return foldReshape(inputs[0]!, (node.attributes as ReshapeAttributes).shape);
    if (node.op.name !== mapOp.name) return null;
    const { expression, shape } = node.attributes as MapAttributes;
    const uniform = inputs.map(uniformValue);
    const folded = e.simplify(
      e.rewrite(expression, (x) => {
        if (x.kind !== 'input') return x;
        const known = uniform[x.index];
        return known === null || known === undefined ? x : e.literal(known, x.dtype);
      }),
    );
    if (folded.kind === 'constant') return [fill(folded.value, shape, folded.dtype)];
    if (folded.kind === 'input' && sizeOf(inputs[folded.index]!.shape) === sizeOf(shape)) return [reshape(inputs[folded.index]!, shape)];
    const result = mapExpression(folded, inputs, shape);
    return [computed(result) ?? result];
  });
}

function foldReshape(x: Value, shape: readonly number[]): readonly Value[] | null {
  if (x.origin.kind === 'constant') return [constant(x.origin.data, shape, x.dtype)];
  const uniform = uniformValue(x);
  if (uniform !== null) return [fill(uniform, shape, x.dtype)];
  return x.node?.op.name === reshapeOp.name ? [reshape(x.node.inputs[0]!, shape)] : null;
}

/** A map of constants of its own shape, computed. */
function computed(value: Value): Value | null {
  const { inputs, attributes } = value.node!;
  const size = sizeOf(value.shape);
  const { expression } = attributes as MapAttributes;
  if (size > foldLimit || inputs.length === 0 || e.usesCoordinates(expression)) return null;
  const columns = inputs.map(({ origin, shape }) => (origin.kind === 'constant' && sizeOf(shape) === size ? origin.data : null));
  if (columns.some((column) => column === null)) return null;
  const evaluate = e.evaluator(expression);
  const data = Array.from({ length: size }, (_, i) =>
    evaluate(
      columns.map((column) => column![i]!),
      [],
    ),
  );
  return constant(data, value.shape, value.dtype);
}

/** A text equal for equal attributes; expressions by their structure. */
export function attributeKey(attributes: unknown): string {
  if (typeof attributes === 'number') return Object.is(attributes, -0) ? '-0' : String(attributes);
  if (Array.isArray(attributes)) return `[${attributes.map(attributeKey).join(',')}]`;
  if (typeof attributes !== 'object' || attributes === null) return JSON.stringify(attributes) ?? 'undefined';
  return `{${Object.entries(attributes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}:${key === 'expression' ? e.expressionKey(value as e.Expression) : attributeKey(value)}`)
    .join(',')}}`;
}

/** Computes equal things once. Random nodes are never merged: two of them draw twice. */
export function shareCommon(program: Program): Program {
  const numbers = new Map<Value, number>();
  const number = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size);
    return numbers.size - 1;
  };
  const seen = new Map<string, readonly Value[]>();
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.name === 'core/random') return null;
    const key = `${node.op.name}(${inputs.map(number).join(',')})${attributeKey(node.attributes)}`;
    const known = seen.get(key);
    if (known) return known;
    const unchanged = inputs.every((value, i) => value === node.inputs[i]);
    const outputs = unchanged ? node.outputs : reapply(node.op, inputs, node.attributes);
    seen.set(key, outputs);
    return outputs;
  });
}
