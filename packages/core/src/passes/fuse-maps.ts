import * as e from '../expression/index.ts';
import { buildFor, type Node, type Value } from '../graph.ts';
import { mapExpression, mapOp, type MapAttributes } from '../ops/map.ts';
import type { Program } from '../program.ts';
import { sameShape } from '../tensor.ts';
import { countUses, rewriteProgram } from './rewrite.ts';

/** Inputs of one fused map: WebGPU guarantees eight storage buffers to a shader, and one is the output. */
const inputLimit = 7;
/** Distinct operations of one fused map, so that registers suffice and compile time stays small. */
const lengthLimit = 96;

/** Joins chains of maps into one, where the inner one has no other reader and the same shape. */
export function fuseMaps(program: Program): Program {
  const uses = countUses(program);
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.name !== mapOp.name) return null;
    const { shape } = node.attributes as MapAttributes;
    let current: Joined = { expression: (node.attributes as MapAttributes).expression, inputs };
    const taken: Node[] = [];
    node.inputs.forEach((original, index) => {
      const inner = inputs[index]!.node;
      if (inner?.op.name !== mapOp.name || uses.get(original) !== 1 || !sameShape(inputs[index]!.shape, shape)) return;
      const joined = inline(current, index, inner.inputs, (inner.attributes as MapAttributes).expression);
      const distinct = new Set([...e.inputsRead(joined.expression)].map((i) => joined.inputs[i]));
      if (distinct.size > inputLimit || e.linearize(joined.expression).length > lengthLimit) return;
      current = joined;
      taken.push(inner);
    });
    return buildFor([...taken, node], () => [mapExpression(e.simplify(current.expression), current.inputs, shape)]);
  });
}

interface Joined {
  readonly expression: e.Expression;
  readonly inputs: readonly Value[];
}

function inline({ expression, inputs }: Joined, index: number, inner: readonly Value[], innerExpression: e.Expression): Joined {
  const shifted = e.rewrite(innerExpression, (x) => (x.kind === 'input' ? e.operand(inputs.length + x.index, x.dtype) : x));
  // The replaced input stays in the list, so that positions hold; mapExpression drops what is not read.
  return {
    expression: e.rewrite(expression, (x) => (x.kind === 'input' && x.index === index ? shifted : x)),
    inputs: [...inputs, ...inner],
  };
}
