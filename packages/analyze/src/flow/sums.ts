import { expression as e, mapOp, sameShape, type MapAttributes, type Node, type Value } from '@shoal/core';
import { isWeighted, type Structure } from './structure.ts';

/** One way into an addition. */
export interface Side {
  /** What is added. */
  readonly term: Value;
  /** What it is multiplied by in the sum: 1 almost always. */
  readonly factor: number;
  /** From where the sides part to the term, inputs before users; empty where the term is that value itself. */
  readonly nodes: readonly Node[];
  /** Weighted layers on the longest way. */
  readonly longest: number;
  /** Weighted layers on the shortest way; 0 says that there is one without any. */
  readonly shortest: number;
  /**
   * `branch`: what is learned. `shortcut`: a side with fewer weighted layers than another one (on its longest way), none having fewer.
   * Where all sides have equally many, all are branches: no side is more of a shortcut than the others.
   */
  readonly role: 'branch' | 'shortcut';
}

/** An addition of feature maps: where a branch meets its shortcut. */
export interface Sum {
  readonly value: Value;
  /** Where the sides part: the last value that every way from the image to any of them leads through. */
  readonly from: Value;
  readonly sides: readonly Side[];
}

/** Whether a way without weighted layers leads to the addition. */
export const hasIdentityPath = ({ sides }: Sum): boolean => sides.some(({ shortest }) => shortest === 0);

interface Term {
  readonly value: Value;
  readonly factor: number;
}

/**
 * All additions of a network, inputs before users. An addition is an elementwise op whose result has a constant slope to two or more
 * operands that have its own shape and change with the image: `a + b`, `a - b`, `a + 0.1 b`. A sum that only another sum reads is part
 * of that one: `(a + b) + c` has three sides. What is broadcast (a bias, the attention of a gate) is not a side.
 */
export function findSums(structure: Structure): readonly Sum[] {
  const terms = new Map<Node, readonly Term[]>();
  for (const node of structure.nodes) {
    const own = termsOf(structure, node);
    if (own.length > 1) terms.set(node, own);
  }
  const absorbed = new Set<Node>();
  const flat = (own: readonly Term[]): readonly Term[] =>
    own.flatMap(({ value, factor }) => {
      const inner = value.node && structure.consumers(value).length === 1 ? terms.get(value.node) : undefined;
      if (!inner) return [{ value, factor }];
      absorbed.add(value.node!);
      return flat(inner).map((term) => ({ value: term.value, factor: term.factor * factor }));
    });
  const whole = [...terms].map(([node, own]) => [node, flat(own)] as const);
  return whole.filter(([node]) => !absorbed.has(node)).map(([node, own]) => sumOf(structure, node.outputs[0]!, own));
}

function termsOf(structure: Structure, node: Node): readonly Term[] {
  if (node.op.name !== mapOp.name) return [];
  const { expression, shape } = node.attributes as MapAttributes;
  return structure.operands(node).flatMap((value) => {
    const slope = e.differentiate(expression, node.inputs.indexOf(value));
    return slope.kind === 'constant' && slope.value !== 0 && sameShape(value.shape, shape) ? [{ value, factor: slope.value }] : [];
  });
}

function sumOf(structure: Structure, value: Value, terms: readonly Term[]): Sum {
  const from = structure.meeting(terms.map((term) => term.value));
  const ways = terms.map((term) => {
    const nodes = structure.between(from, term.value);
    return { term: term.value, factor: term.factor, nodes, ...layersOn(nodes, from, term.value) };
  });
  const [least, most] = [Math.min(...ways.map(({ longest }) => longest)), Math.max(...ways.map(({ longest }) => longest))];
  const role = (longest: number): Side['role'] => (longest === least && least < most ? 'shortcut' : 'branch');
  return { value, from, sides: ways.map((way) => ({ ...way, role: role(way.longest) })) };
}

function layersOn(nodes: readonly Node[], from: Value, to: Value): Pick<Side, 'longest' | 'shortest'> {
  const counts = new Map<Value, { longest: number; shortest: number }>([[from, { longest: 0, shortest: 0 }]]);
  for (const node of nodes) {
    const before = node.inputs.flatMap((value) => counts.get(value) ?? []);
    const own = isWeighted(node) ? 1 : 0;
    const longest = own + Math.max(...before.map((count) => count.longest));
    const shortest = own + Math.min(...before.map((count) => count.shortest));
    node.outputs.forEach((value) => counts.set(value, { longest, shortest }));
  }
  return counts.get(to)!;
}
