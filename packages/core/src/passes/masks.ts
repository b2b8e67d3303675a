import * as e from '../expression/index.ts';
import { topological, type Node, type Value } from '../graph.ts';
import { mapExpression, mapOp, type MapAttributes } from '../ops/map.ts';
import { rootsOf, type Program } from '../program.ts';
import { sameShape } from '../tensor.ts';
import { countUses, rewriteProgram } from './rewrite.ts';

/** Where numbers are cut off: -Infinity and Infinity where they are not. */
interface Bounds {
  readonly low: number;
  readonly high: number;
}

interface Clamp extends Bounds {
  readonly node: Node;
}

/**
 * Lets gradients ask the result of a ReLU, or of another clamp, whether its input was cut off: `x > 0` is `max(x, 0) > 0`, also for NaN. Done
 * where nobody then needs the input any more, so that it is not kept, and the clamp goes into the kernel that makes it.
 */
export function masksFromResults(program: Program): Program {
  const clamps = findClamps(program);
  const made = new Map<Node, Value>();
  const resultOf = ({ node }: Clamp, input: Value): Value => {
    const known = made.get(node);
    if (known) return known;
    const { expression, shape } = node.attributes as MapAttributes;
    const result = input === node.inputs[0] ? node.outputs[0]! : mapExpression(expression, [input], shape);
    made.set(node, result);
    return result;
  };
  return rewriteProgram(program, (node, inputs) => {
    if (node.op.name !== mapOp.name) return null;
    const own = clamps.get(node.inputs[0]!);
    if (own?.node === node) return [resultOf(own, inputs[0]!)];
    const read = node.inputs.map((value) => clamps.get(value));
    if (read.every((clamp) => !clamp)) return null;
    const { expression, shape } = node.attributes as MapAttributes;
    const results = inputs.map((value, i) => (read[i] ? resultOf(read[i], value) : value));
    return [
      mapExpression(
        asked(expression, (index) => read[index])!,
        results,
        shape,
      ),
    ];
  });
}

/** The clamps, by what they cut off, whose other readers only ask whether that was in range. */
function findClamps(program: Program): ReadonlyMap<Value, Clamp> {
  const roots = rootsOf(program);
  const nodes = topological(roots);
  const uses = countUses(program);
  const found = new Map<Value, Clamp>();
  for (const node of nodes) {
    const bounds = node.op.name === mapOp.name && node.inputs.length === 1 ? boundsOf(node) : null;
    if (bounds && node.inputs[0]!.node) found.set(node.inputs[0]!, { node, ...bounds });
  }
  const excused = new Map<Value, number>();
  for (const node of nodes) {
    if (node.op.name !== mapOp.name) continue;
    const { expression } = node.attributes as MapAttributes;
    node.inputs.forEach((value, index) => {
      const clamp = found.get(value);
      if (!clamp) return;
      const fits = clamp.node === node || asked(expression, (i) => (i === index ? clamp : undefined)) !== null;
      if (fits) excused.set(value, (excused.get(value) ?? 0) + 1);
    });
  }
  return new Map([...found].filter(([value]) => uses.get(value)! > 1 && excused.get(value) === uses.get(value)));
}

/** What a map of one input cuts off, where it does nothing else. */
function boundsOf({ inputs: [x], attributes }: Node): Bounds | null {
  const { expression, shape } = attributes as MapAttributes;
  const own = clampedInput(expression);
  return own && expression.kind !== 'input' && own.low < own.high && x!.dtype === 'f32' && sameShape(x!.shape, shape) ? own : null;
}

/**
 * The expression with comparisons of clamped inputs made on the results instead, which take the inputs' places; null where it reads such an
 * input in another way.
 */
function asked(expression: e.Expression, clampOf: (index: number) => Clamp | undefined): e.Expression | null {
  let fits = true;
  const memo = new Map<e.Expression, e.Expression>();
  const visit = (x: e.Expression): e.Expression => {
    const known = memo.get(x);
    if (known) return known;
    const result = rule(x);
    memo.set(x, result);
    return result;
  };
  const rule = (x: e.Expression): e.Expression => {
    if (x.kind === 'input') {
      if (clampOf(x.index)) fits = false;
      return x;
    }
    if (x.kind === 'compare' && x.b.kind === 'constant') {
      const read = clampedInput(x.a);
      const clamp = read && clampOf(read.input.index);
      if (read && clamp && isSame(x.op, x.b.value, read, clamp)) return { ...x, a: read.input };
    }
    return e.withChildren(x, e.childrenOf(x).map(visit));
  };
  const result = visit(expression);
  return fits ? result : null;
}

/**
 * Whether a comparison of an input, which may itself be cut off to `read`, with a bound of the clamp comes out the same for the clamp's result:
 * inside of its range that is the input, and at the bound the comparison is false.
 */
function isSame(op: e.CompareOp, bound: number, read: Bounds, { low, high }: Bounds): boolean {
  if (op === 'gt') return bound === low && read.low <= low && read.high > low;
  return op === 'lt' && bound === high && read.high >= high && read.low < high;
}

interface ClampedInput extends Bounds {
  readonly input: Extract<e.Expression, { kind: 'input' }>;
}

/** The input that an expression is, or cuts off: `max(x, low)`, `min(x, high)`, or one within the other. */
function clampedInput(expression: e.Expression): ClampedInput | null {
  let [low, high] = [-Infinity, Infinity];
  let rest = expression;
  while (rest.kind === 'binary' && (rest.op === 'max' || rest.op === 'min') && rest.b.kind === 'constant') {
    if (rest.op === 'max') low = Math.max(low, rest.b.value);
    else high = Math.min(high, rest.b.value);
    rest = rest.a;
  }
  return rest.kind === 'input' ? { input: rest, low, high } : null;
}
