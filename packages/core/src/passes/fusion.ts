import * as e from '../expression/index.ts';
import type { Node, Value } from '../graph.ts';
import type { Kernel } from '../kernel.ts';
import { mapOp, type MapAttributes } from '../ops/map.ts';
import { reshapeOp } from '../ops/reshape.ts';
import { sameShape, sizeOf, type Shape } from '../tensor.ts';

/** Full-size tensors, per-channel vectors along the last axis, and scalars: what kernels can read beside their own result. */
function readsAlongside(value: Value, shape: Shape): boolean {
  const size = sizeOf(value.shape);
  const channels = shape[shape.length - 1];
  return (
    sameShape(value.shape, shape) ||
    size === 1 ||
    (size === channels && value.shape[value.shape.length - 1] === channels && value.shape.length <= shape.length)
  );
}

function fusible(map: Node, through: Value): boolean {
  const { expression, shape } = map.attributes as MapAttributes;
  return (
    map.op.name === mapOp.name &&
    expression.dtype === through.dtype &&
    sameShape(through.shape, shape) &&
    !e.usesCoordinates(expression) &&
    map.inputs.every((value) => readsAlongside(value, shape))
  );
}

/**
 * For each kernel that takes an epilogue, the map it takes. The kernel then runs where the map stood, so nothing that the map reads may wait
 * for another output of the kernel.
 */
export function findEpilogues(
  nodes: readonly Node[],
  uses: ReadonlyMap<Value, number>,
  kernelFor: (node: Node) => Kernel,
): ReadonlyMap<Node, Node> {
  const found = new Map<Node, Node>();
  for (const map of nodes) {
    if (map.op.name !== mapOp.name) continue;
    const value = map.inputs.find((candidate) => {
      const producer = candidate.node;
      return (
        producer &&
        producer.op.name !== mapOp.name &&
        producer.op.name !== reshapeOp.name &&
        candidate === producer.outputs[0] &&
        kernelFor(producer).fusion?.epilogue === true &&
        uses.get(candidate) === 1 &&
        fusible(map, candidate) &&
        !(producer.outputs.slice(1).some((other) => uses.has(other)) && waitsFor(map, candidate, found))
      );
    });
    if (value?.node && !found.has(value.node)) found.set(value.node, map);
  }
  return found;
}

/** Whether a map reads, beside `result`, what depends on the node that makes `result`; nodes with an epilogue wait for what that reads. */
function waitsFor(map: Node, result: Value, epilogues: ReadonlyMap<Node, Node>): boolean {
  const seen = new Set<Node>();
  const stack: Node[] = [];
  const look = (value: Value): void => {
    if (value.node && value !== result && !seen.has(value.node)) stack.push(value.node);
  };
  map.inputs.forEach(look);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node === result.node) return true;
    if (seen.has(node)) continue;
    seen.add(node);
    node.inputs.forEach(look);
    epilogues.get(node)?.inputs.forEach(look);
  }
  return false;
}

/** For each kernel that can evaluate expressions while loading, the maps it takes, by input. */
export function findLoads(
  nodes: readonly Node[],
  uses: ReadonlyMap<Value, number>,
  kernelFor: (node: Node) => Kernel,
  epilogues: ReadonlyMap<Node, Node>,
): ReadonlyMap<Node, readonly (Node | null)[]> {
  const taken = new Set(epilogues.values());
  const found = new Map<Node, readonly (Node | null)[]>();
  for (const node of nodes) {
    if (node.op.name === reshapeOp.name) continue;
    const rules = kernelFor(node).fusion?.load;
    if (!rules) continue;
    const maps = node.inputs.map((value, index) => {
      const map = value.node;
      if (!rules[index] || map?.op.name !== mapOp.name || taken.has(map) || uses.get(value) !== 1 || !fusible(map, value)) return null;
      const { expression } = map.attributes as MapAttributes;
      const harmless =
        rules[index] === 'masked' ||
        [...e.inputsRead(expression)].some((i) => map.inputs[i]!.shape.length === value.shape.length && e.preservesZero(expression, i));
      if (map.inputs.length === 0 || !harmless) return null;
      taken.add(map);
      return map;
    });
    if (maps.some((map) => map !== null)) found.set(node, maps);
  }
  return found;
}
