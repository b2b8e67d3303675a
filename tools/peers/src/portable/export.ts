import { averagePool, maxPool, type AveragePoolAttributes, type PoolAttributes } from '@shoal/pool';
import { conv2dOp, type Conv2dAttributes } from '@shoal/conv';
import {
  concatOp,
  createRuntime,
  type expression as e,
  mapOp,
  reduceOp,
  reshapeOp,
  sizeOf,
  topological,
  Variable,
  type ConcatAttributes,
  type MapAttributes,
  type Node,
  type ReduceAttributes,
  type TensorType,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { matmulOp, type MatmulAttributes } from '@shoal/math';
import { batchNormOp, upsampleNearestOp, type BatchNormAttributes, type UpsampleNearestAttributes } from '@shoal/residual';
import { affineOf, binaryNames, namedUnary, unaryNames } from './expressions.ts';
import type { PortableGraph, PortableNode, PortableOp, PortableTensor } from './graph.ts';

export interface Exported {
  readonly graph: PortableGraph;
  readonly data: ReadonlyMap<string, Float32Array>;
  /** The name a value has in the graph, where it has one. */
  readonly nameOf: (value: Value) => string | undefined;
}

/**
 * A Shoal graph in the words of {@link PortableOp}. What depends on no input is computed (by the reference backend) and becomes a
 * constant; batch norm at inference is folded into the convolution before it where nobody else reads that, and is an `affine` elsewhere.
 *
 * @throws Error naming the first op that has no portable form
 */
export async function exportGraph(output: Value): Promise<Exported> {
  const constants = await evaluateStatic(output);
  const exporter = new Exporter(constants, usesOf(output));
  const name = exporter.emit(output);
  return { graph: exporter.graph(name), data: exporter.data, nameOf: exporter.nameOf };
}

const isStatic = (value: Value, known: ReadonlyMap<Value, boolean>): boolean =>
  value.node ? known.get(value)! : value.origin.kind !== 'input';

/** Every value that depends on no input and that something which does, reads. */
async function evaluateStatic(output: Value): Promise<ReadonlyMap<Value, Float32Array>> {
  const known = new Map<Value, boolean>();
  const wanted = new Set<Value>();
  for (const node of topological([output])) {
    const all = node.inputs.every((value) => isStatic(value, known));
    node.outputs.forEach((value) => known.set(value, all));
    if (!all) node.inputs.filter((value) => isStatic(value, known)).forEach((value) => wanted.add(value));
  }
  const values = [...wanted];
  const results = new Map(values.flatMap((value) => leafData(value)));
  const computed = values.filter(({ node }) => node);
  if (computed.length > 0) {
    const runtime = await createRuntime(reference());
    const executable = await runtime.compile({ outputs: Object.fromEntries(computed.map((value, i) => [`${i}`, value])) });
    const found = await executable.run();
    computed.forEach((value, i) => results.set(value, Float32Array.from(found[`${i}`]!)));
    await runtime.dispose();
  }
  return results;
}

function leafData(value: Value): readonly (readonly [Value, Float32Array])[] {
  const { origin } = value;
  if (origin.kind === 'constant') return [[value, Float32Array.from(origin.data)]];
  return value instanceof Variable ? [[value, Float32Array.from(value.initial())]] : [];
}

function usesOf(output: Value): ReadonlyMap<Value, number> {
  const uses = new Map<Value, number>([[output, 1]]);
  for (const { inputs } of topological([output])) inputs.forEach((value) => uses.set(value, (uses.get(value) ?? 0) + 1));
  return uses;
}

class Exporter {
  readonly data = new Map<string, Float32Array>();
  readonly #constants: ReadonlyMap<Value, Float32Array>;
  readonly #uses: ReadonlyMap<Value, number>;
  readonly #names = new Map<Value, string>();
  readonly #tensors: PortableTensor[] = [];
  readonly #inputs: string[] = [];
  readonly #nodes: PortableNode[] = [];

  constructor(constants: ReadonlyMap<Value, Float32Array>, uses: ReadonlyMap<Value, number>) {
    this.#constants = constants;
    this.#uses = uses;
  }

  readonly nameOf = (value: Value): string | undefined => this.#names.get(value);

  graph(output: string): PortableGraph {
    return { tensors: this.#tensors, inputs: this.#inputs, constants: [...this.data.keys()], nodes: this.#nodes, output };
  }

  emit(value: Value): string {
    const known = this.#names.get(value);
    if (known !== undefined) return known;
    const name = this.#make(value);
    this.#names.set(value, name);
    return name;
  }

  #make(value: Value): string {
    const constant = this.#constants.get(value);
    if (constant) return this.#constant(value, constant);
    if (value.origin.kind === 'input') {
      this.#inputs.push(value.origin.name);
      return this.#tensor(value.origin.name, value);
    }
    const node = value.node!;
    if (value !== node.outputs[0]) throw new Error(`${node.op.name}: its output ${node.outputs.indexOf(value)} has no portable form`);
    return this.#node(node, value);
  }

  #node(node: Node, value: Value): string {
    const plain = (kernel: PortableOp, inputs: readonly Value[] = node.inputs): string =>
      this.#push(
        kernel,
        inputs.map((x) => this.emit(x)),
        value,
      );
    const windowed = ({ window, stride, dilation, padding }: Conv2dAttributes | PoolAttributes) => ({ window, stride, dilation, padding });
    switch (node.op.name) {
      case conv2dOp.name: {
        const attributes = node.attributes as Conv2dAttributes;
        return plain({ op: 'conv2d', groups: attributes.groups, ...windowed(attributes) });
      }
      case maxPool.name: {
        const attributes = node.attributes as PoolAttributes;
        return plain({ op: 'maxPool', ceilMode: attributes.ceilMode, ...windowed(attributes) });
      }
      case averagePool.name: {
        const attributes = node.attributes as AveragePoolAttributes;
        if (attributes.divisor === 'one') throw new Error('pool/average: a sum has no portable form');
        return plain({
          op: 'averagePool',
          ceilMode: attributes.ceilMode,
          countIncludePad: attributes.divisor === 'padded',
          ...windowed(attributes),
        });
      }
      case batchNormOp.name:
        return plain({ op: 'batchNorm', epsilon: (node.attributes as BatchNormAttributes).epsilon });
      case upsampleNearestOp.name: {
        const [, h, w] = node.inputs[0]!.shape;
        const { output } = node.attributes as UpsampleNearestAttributes;
        if (output.height % h! !== 0 || output.width % w! !== 0)
          throw new Error('residual/upsample-nearest: only whole factors have a portable form');
        return plain({ op: 'upsampleNearest', scale: { height: output.height / h!, width: output.width / w! } });
      }
      case concatOp.name:
        if ((node.attributes as ConcatAttributes).axis !== value.shape.length - 1)
          throw new Error('core/concat: only channels have a portable form');
        return plain({ op: 'concat' });
      case matmulOp.name: {
        const { transposeA, transposeB } = node.attributes as MatmulAttributes;
        if (transposeA || transposeB || value.shape.length !== 2) throw new Error('math/matmul: only [m,k] by [k,n] has a portable form');
        return plain({ op: 'matmul' });
      }
      case reshapeOp.name:
        return this.#groupSum(node.inputs[0]!, value) ?? plain({ op: 'reshape' });
      case reduceOp.name: {
        const summed = this.#groupSum(value, value);
        if (summed !== null) return summed;
        break;
      }
      case mapOp.name:
        return this.#map(node, value);
    }
    throw new Error(`${node.op.name} has no portable form`);
  }

  /** `channelGroupSum` is a reshape that splits the channels, and a sum over one half of them. */
  #groupSum(reduced: Value, value: Value): string | null {
    const { node } = reduced;
    const split = node?.inputs[0]?.node;
    if (node?.op.name !== reduceOp.name || split?.op.name !== reshapeOp.name) return null;
    const [x] = split.inputs;
    const { kind, axes } = node.attributes as ReduceAttributes;
    const rank = x!.shape.length;
    const [first, second] = split.outputs[0]!.shape.slice(-2);
    if (kind !== 'sum' || axes.length !== 1 || split.outputs[0]!.shape.length !== rank + 1 || first! * second! !== x!.shape.at(-1))
      return null;
    const layout = axes[0] === rank ? 'contiguous' : axes[0] === rank - 1 ? 'interleaved' : null;
    if (layout === null || value.shape.length !== rank) return null;
    return this.#push({ op: 'channelGroupSum', groups: layout === 'contiguous' ? first! : second!, layout }, [this.emit(x!)], value);
  }

  #map(node: Node, value: Value): string {
    const { expression } = node.attributes as MapAttributes;
    const pooled = globalPool(node);
    if (pooled) return this.#push({ op: 'globalAveragePool' }, [this.emit(pooled)], value);
    const channels = value.shape.at(-1)!;
    const affine = affineOf(expression);
    const vector = (index: number): Float32Array | undefined => {
      const data = this.#constants.get(node.inputs[index]!);
      return data?.length === channels ? data : undefined;
    };
    if (affine && node.inputs[affine.x]!.shape.length === value.shape.length) {
      const [scale, shift] = [vector(affine.scale), vector(affine.shift)];
      if (scale && shift) return this.#affine(node.inputs[affine.x]!, scale, shift, value);
    }
    return this.#expression(expression, node.inputs, value);
  }

  #affine(x: Value, scale: Float32Array, shift: Float32Array, value: Value): string {
    const channels = { shape: [scale.length], dtype: 'f32' } as const;
    const producer = x.node;
    const weights = producer?.op.name === conv2dOp.name ? this.#constants.get(producer.inputs[1]!) : undefined;
    const bias = producer?.inputs[2] ? this.#constants.get(producer.inputs[2]) : new Float32Array(scale.length);
    if (!weights || !bias || this.#uses.get(x) !== 1) {
      return this.#push({ op: 'affine' }, [this.emit(x), this.#constant(channels, scale), this.#constant(channels, shift)], value);
    }
    // Weights are [..., out]: channel o of the output is scaled by scale[o].
    const folded = weights.map((w, i) => w * scale[i % scale.length]!);
    const moved = shift.map((s, o) => bias[o]! * scale[o]! + s);
    const { groups, window, stride, dilation, padding } = producer!.attributes as Conv2dAttributes;
    const inputs = [this.emit(producer!.inputs[0]!), this.#constant(producer!.inputs[1]!, folded), this.#constant(channels, moved)];
    return this.#push({ op: 'conv2d', groups, window, stride, dilation, padding }, inputs, value);
  }

  /** An expression, operation by operation. */
  #expression(expression: e.Expression, operands: readonly Value[], type: TensorType): string {
    const named = namedUnary(expression);
    if (named) return this.#push({ op: named.op }, [this.emit(operands[named.index]!)], type);
    switch (expression.kind) {
      case 'input':
        return this.emit(operands[expression.index]!);
      case 'constant':
        return this.#constant({ shape: [], dtype: 'f32' }, Float32Array.of(expression.value));
      case 'unary':
        if (unaryNames.has(expression.op))
          return this.#push({ op: expression.op as 'neg' }, [this.#expression(expression.a, operands, type)], type);
        break;
      case 'binary':
        if (binaryNames.has(expression.op)) {
          const sides = [expression.a, expression.b].map((side) => this.#expression(side, operands, type));
          return this.#push({ op: expression.op as 'add' }, sides, type);
        }
        break;
    }
    throw new Error(`core/map: an expression of kind ${expression.kind} has no portable form`);
  }

  #push(kernel: PortableOp, inputs: readonly string[], type: TensorType): string {
    const output = this.#tensor(`t${this.#tensors.length}`, type);
    this.#nodes.push({ kernel, inputs, output });
    return output;
  }

  #constant(type: TensorType, data: Float32Array): string {
    const name = this.#tensor(`t${this.#tensors.length}`, type);
    this.data.set(name, data);
    return name;
  }

  #tensor(name: string, { shape, dtype }: TensorType): string {
    this.#tensors.push({ name, shape, dtype });
    return name;
  }
}

/** The input of a global average pool, which is a sum over the plane and a division by its size. */
function globalPool({ inputs, attributes }: Node): Value | null {
  const { expression } = attributes as MapAttributes;
  const sum = inputs.length === 1 && inputs[0]!.node?.op.name === reshapeOp.name ? inputs[0]!.node.inputs[0]!.node : null;
  if (sum?.op.name !== reduceOp.name) return null;
  const [x] = sum.inputs;
  const { kind, axes } = sum.attributes as ReduceAttributes;
  const { shape } = x!;
  if (kind !== 'sum' || shape.length !== 4 || axes.join() !== '1,2' || sizeOf(inputs[0]!.shape) !== shape[0]! * shape[3]!) return null;
  const divided =
    expression.kind === 'binary' &&
    expression.op === 'div' &&
    expression.a.kind === 'input' &&
    expression.b.kind === 'constant' &&
    expression.b.value === shape[1]! * shape[2]!;
  return divided ? x! : null;
}
