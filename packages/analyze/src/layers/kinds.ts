import {
  expression as e,
  input,
  sizeOf,
  Variable,
  type MapAttributes,
  type Node,
  type ReduceAttributes,
  type Value,
  type Window2d,
} from '@shoal/core';
import { gelu, leakyRelu, relu, sigmoid, silu, tanh } from '@shoal/math';

/** What a layer is. An op that is not known here is called by its own name. */
export type LayerKind =
  | 'convolution'
  | 'depthwise convolution'
  | 'grouped convolution'
  | 'transposed convolution'
  | 'dense'
  | 'matrix product'
  | 'batch norm'
  | 'activation'
  | 'addition'
  | 'multiplication'
  | 'elementwise'
  | 'max pooling'
  | 'average pooling'
  | 'global pooling'
  | 'upsampling'
  | 'channel sum'
  | 'reduction'
  | 'concatenation'
  | 'dropout'
  | 'padding'
  | 'slice'
  | 'reshape'
  | 'space-to-depth'
  | 'depth-to-space'
  | 'rearrangement'
  | `${string}/${string}`;

/** A kind, and the word for a layer that nobody named. */
export interface Recognised {
  readonly kind: LayerKind;
  readonly word: string;
}

const x = input('x', [1]);
const activations: ReadonlyMap<string, string> = new Map(
  Object.entries({ relu, sigmoid, silu, gelu, tanh, 'leaky-relu': leakyRelu }).map(([word, build]) => [expressionOf(build(x).node!), word]),
);

function expressionOf({ attributes }: Node): string {
  return e.expressionKey((attributes as MapAttributes).expression);
}

/** Whether a map multiplies or divides by a number, as the last step of a mean. */
export function isScaling({ op, inputs, attributes }: Node): boolean {
  if (op.name !== 'core/map' || inputs.length !== 1) return false;
  const { expression } = attributes as MapAttributes;
  return expression.kind === 'binary' && ['div', 'mul'].includes(expression.op) && expression.b.kind === 'constant';
}

export const isReduce = ({ op }: Node): boolean => op.name === 'core/reduce';
export const isReshape = ({ op }: Node): boolean => op.name === 'core/reshape';
export const isMovement = (node: Node): boolean => isReshape(node) || node.op.name === 'core/transpose';

/** What the nodes of an unnamed layer do; `depends` says which values are computed from the image. */
export function recognise(nodes: readonly Node[], depends: (value: Value) => boolean): Recognised {
  const reducing = nodes.find(isReduce);
  if (reducing) return recogniseReduction(nodes, reducing);
  return nodes.every(isMovement) ? recogniseMovement(nodes) : recogniseNode(nodes[0]!, depends);
}

function recogniseReduction(nodes: readonly Node[], { inputs, attributes }: Node): Recognised {
  const { axes, kind } = attributes as ReduceAttributes;
  const { shape } = inputs[0]!;
  if (shape.length === 4 && axes.length === 2 && axes[0] === 1 && axes[1] === 2) return { kind: 'global pooling', word: 'globalpool' };
  const [before, after] = [nodes[0]!.inputs[0]!.shape, nodes.at(-1)!.outputs[0]!.shape];
  const keepsPlane = before.length === after.length && before.slice(0, -1).every((size, axis) => size === after[axis]);
  if (kind === 'sum' && before.length === 4 && keepsPlane) return { kind: 'channel sum', word: 'channelsum' };
  return { kind: 'reduction', word: kind };
}

function recogniseMovement(nodes: readonly Node[]): Recognised {
  if (nodes.every(isReshape)) return { kind: 'reshape', word: 'reshape' };
  const [before, after] = [nodes[0]!.inputs[0]!.shape, nodes.at(-1)!.outputs[0]!.shape];
  const planes = before.length === 4 && after.length === 4 && before[0] === after[0];
  if (planes && after[3]! > before[3]! && after[1]! <= before[1]! && after[2]! <= before[2]!)
    return { kind: 'space-to-depth', word: 'spacetodepth' };
  if (planes && after[3]! < before[3]! && after[1]! >= before[1]! && after[2]! >= before[2]!)
    return { kind: 'depth-to-space', word: 'depthtospace' };
  return { kind: 'rearrangement', word: 'rearrange' };
}

function recogniseNode(node: Node, depends: (value: Value) => boolean): Recognised {
  const { op, inputs, outputs, attributes } = node;
  const plane = inputs[0]?.shape ?? [];
  switch (op.name) {
    case 'conv/conv2d': {
      const { groups } = attributes as { groups: number };
      const depthwise = groups > 1 && groups === plane[3];
      return { kind: groups === 1 ? 'convolution' : depthwise ? 'depthwise convolution' : 'grouped convolution', word: 'conv' };
    }
    case 'conv/conv2d-gradient-input':
      return { kind: 'transposed convolution', word: 'convtranspose' };
    case 'math/matmul':
      return inputs.every(depends) ? { kind: 'matrix product', word: 'matmul' } : { kind: 'dense', word: 'dense' };
    case 'pool/max':
    case 'pool/average': {
      const { window, stride } = attributes as Window2d;
      const sides = window.height === plane[1] && window.width === plane[2];
      const whole = sides && stride.height === 1 && stride.width === 1 && sizeOf(outputs[0]!.shape) === plane[0]! * plane[3]!;
      if (whole) return { kind: 'global pooling', word: 'globalpool' };
      return op.name === 'pool/max' ? { kind: 'max pooling', word: 'maxpool' } : { kind: 'average pooling', word: 'avgpool' };
    }
    case 'residual/batch-norm':
      return { kind: 'batch norm', word: 'batchnorm' };
    case 'residual/upsample-nearest':
    case 'residual/upsample-bilinear':
      return { kind: 'upsampling', word: 'upsample' };
    case 'core/concat':
      return { kind: 'concatenation', word: 'concat' };
    case 'core/pad':
      return { kind: 'padding', word: 'pad' };
    case 'core/slice':
      return { kind: 'slice', word: 'slice' };
    case 'core/map':
      return recogniseMap(node, depends);
    default:
      return { kind: op.name, word: op.name.slice(op.name.indexOf('/') + 1) };
  }
}

function recogniseMap(node: Node, depends: (value: Value) => boolean): Recognised {
  const { expression } = node.attributes as MapAttributes;
  if (node.inputs.length === 1) return { kind: 'activation', word: activations.get(expressionOf(node)) ?? 'activation' };
  if (
    node.inputs.filter(depends).length > 1 &&
    expression.kind === 'binary' &&
    expression.a.kind === 'input' &&
    expression.b.kind === 'input'
  ) {
    if (expression.op === 'add') return { kind: 'addition', word: 'add' };
    if (expression.op === 'mul') return { kind: 'multiplication', word: 'multiply' };
  }
  return { kind: 'elementwise', word: 'elementwise' };
}

/** The variable that a layer's weight is, possibly in another shape, and so its name: that of the weight without the last part. */
export function nameByWeight({ op, inputs }: Node): string | null {
  if (!['conv/conv2d', 'conv/conv2d-gradient-input', 'math/matmul', 'residual/batch-norm'].includes(op.name)) return null;
  let weight: Value | undefined = inputs[1];
  while (weight?.node && isReshape(weight.node)) weight = weight.node.inputs[0];
  if (!(weight instanceof Variable)) return null;
  const end = weight.name.lastIndexOf('.');
  return end > 0 ? weight.name.slice(0, end) : weight.name;
}
