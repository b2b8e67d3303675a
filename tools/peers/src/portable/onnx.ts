import onnxProto from 'onnx-proto';
import { Unsupported } from '../engines/engine.ts';
import { tensorOf, type PortableGraph, type PortableNode, type PortableTensor, type PortableWindow, type PortableWork } from './graph.ts';
import { imageShapeNchw, imageToNchw, permute, permutedShape, toOihw } from './layout.ts';

const { onnx } = onnxProto;
type NodeProto = InstanceType<typeof onnx.NodeProto>;
type AttributeProto = InstanceType<typeof onnx.AttributeProto>;
type TensorProto = InstanceType<typeof onnx.TensorProto>;

const FLOAT = 1;
const INT64 = 7;
/** ONNX 1.10; every operator used here is in it. */
const OPSET = 15;

type AttributeValue = number | readonly number[] | string;

/**
 * The forward graph as an ONNX model in NCHW, ONNX's layout: inputs, weights and the output are permuted at the edge.
 *
 * @throws Unsupported where a reshape would need the layout inside
 */
export function toOnnx({ graph, data }: PortableWork): Uint8Array {
  const builder = new ModelBuilder();
  const roles = new Map(graph.nodes.flatMap(({ kernel, inputs }) => inputs.map((name, i) => [name, `${kernel.op} ${i}`] as const)));
  for (const name of graph.constants) {
    const tensor = tensorOf(graph, name);
    const values = data.get(name)! as Float32Array;
    if (roles.get(name) === 'conv2d 1')
      builder.initializer(name, permutedShape(tensor.shape, toOihw), permute(values, tensor.shape, toOihw));
    else if (isVector(tensor) && besideImage(graph, name)) builder.initializer(name, [tensor.shape[0]!, 1, 1], values);
    else builder.initializer(name, imageShapeNchw(tensor.shape), imageToNchw(values, tensor.shape));
  }
  const shapeOf = (name: string): readonly number[] => tensorOf(graph, name).shape;
  graph.nodes.forEach((node) => builder.node(node, shapeOf));
  const described = (name: string) => ({ name, shape: imageShapeNchw(shapeOf(name)) });
  return builder.model(graph.inputs.map(described), described(graph.output));
}

const isVector = ({ shape }: PortableTensor): boolean => shape.length === 1;

/** Per-channel vectors of elementwise nodes broadcast against [n, c, h, w]; the vectors of convolution and normalisation stay as they are. */
const besideImage = (graph: PortableGraph, name: string): boolean =>
  graph.nodes.some(
    ({ kernel, inputs, output }) => kernel.op in binaryOps && inputs.includes(name) && tensorOf(graph, output).shape.length === 4,
  );

const unaryOps = { relu: 'Relu', sigmoid: 'Sigmoid', neg: 'Neg', abs: 'Abs', exp: 'Exp', log: 'Log', sqrt: 'Sqrt', tanh: 'Tanh' } as const;
const binaryOps = { add: 'Add', sub: 'Sub', mul: 'Mul', div: 'Div', max: 'Max', min: 'Min' } as const;

class ModelBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];

  node({ kernel, inputs, output }: PortableNode, shapeOf: (name: string) => readonly number[]): void {
    const push = (opType: string, attributes: Readonly<Record<string, AttributeValue>> = {}, from = inputs): void =>
      this.#push(opType, from, output, attributes);
    switch (kernel.op) {
      case 'conv2d':
        return push('Conv', { ...windowAttributes(kernel), group: kernel.groups });
      case 'maxPool':
        return push('MaxPool', { ...windowAttributes(kernel), ceil_mode: Number(kernel.ceilMode) });
      case 'averagePool': {
        const { dilations, ...attributes } = windowAttributes(kernel);
        if (dilations.some((dilation) => dilation !== 1)) throw new Unsupported('AveragePool has no dilation in this operator set');
        return push('AveragePool', {
          ...attributes,
          ceil_mode: Number(kernel.ceilMode),
          count_include_pad: Number(kernel.countIncludePad),
        });
      }
      case 'globalAveragePool':
        return push('GlobalAveragePool');
      case 'affine': {
        // y = (x - mean) / sqrt(variance + epsilon) * scale + shift, with mean 0 and variance + epsilon = 1.
        const channels = shapeOf(inputs[1]!);
        const [mean, variance] = [`${output}.mean`, `${output}.variance`];
        this.initializer(mean, channels, new Float32Array(channels[0]!));
        this.initializer(variance, channels, new Float32Array(channels[0]!).fill(1));
        return push('BatchNormalization', { epsilon: 0 }, [...inputs, mean, variance]);
      }
      case 'concat':
        return push('Concat', { axis: shapeOf(output).length === 4 ? 1 : shapeOf(output).length - 1 });
      case 'matmul':
        return push('Gemm');
      case 'reshape': {
        const [from, to] = [shapeOf(inputs[0]!), shapeOf(output)];
        if (from.length === 4 && from[1]! * from[2]! > 1) throw new Unsupported('a reshape of an image depends on the layout');
        return this.#reshape(inputs[0]!, output, to.length === 4 ? imageShapeNchw(to) : to);
      }
      case 'channelGroupSum': {
        const [n, h, w, c] = shapeOf(inputs[0]!);
        const each = c! / kernel.groups;
        const contiguous = kernel.layout === 'contiguous';
        this.#reshape(inputs[0]!, `${output}.split`, contiguous ? [n!, kernel.groups, each, h!, w!] : [n!, each, kernel.groups, h!, w!]);
        this.#int64(`${output}.axes`, [contiguous ? 2 : 1]);
        return push('ReduceSum', { keepdims: 0 }, [`${output}.split`, `${output}.axes`]);
      }
      case 'upsampleNearest': {
        const { height, width } = kernel.scale;
        this.initializer(`${output}.scales`, [4], Float32Array.of(1, 1, height, width));
        const attributes = { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' };
        return push('Resize', attributes, [inputs[0]!, '', `${output}.scales`]);
      }
      case 'batchNorm':
        throw new Unsupported('inference only: no batch norm by the statistics of the batch');
      default:
        return push(kernel.op in unaryOps ? unaryOps[kernel.op as 'relu'] : binaryOps[kernel.op as 'add']);
    }
  }

  initializer(name: string, dims: readonly number[], values: Float32Array): void {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.push(new onnx.TensorProto({ name, dims: [...dims], dataType: FLOAT, rawData }));
  }

  model(inputs: readonly Described[], output: Described): Uint8Array {
    const graph = new onnx.GraphProto({
      name: 'work',
      node: this.#nodes,
      initializer: this.#initializers,
      input: inputs.map(valueInfo),
      output: [valueInfo(output)],
    });
    const model = new onnx.ModelProto({ irVersion: 8, producerName: 'shoal', opsetImport: [{ domain: '', version: OPSET }], graph });
    return onnx.ModelProto.encode(model).finish();
  }

  #push(opType: string, inputs: readonly string[], output: string, attributes: Readonly<Record<string, AttributeValue>> = {}): void {
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    this.#nodes.push(new onnx.NodeProto({ name: output, opType, input: [...inputs], output: [output], attribute }));
  }

  #reshape(from: string, to: string, shape: readonly number[]): void {
    this.#int64(`${to}.shape`, shape);
    this.#push('Reshape', [from, `${to}.shape`], to);
  }

  #int64(name: string, values: readonly number[]): void {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    this.#initializers.push(new onnx.TensorProto({ name, dims: [values.length], dataType: INT64, rawData }));
  }
}

interface Described {
  readonly name: string;
  readonly shape: readonly number[];
}

const windowAttributes = ({ window, stride, dilation, padding }: PortableWindow) => ({
  kernel_shape: [window.height, window.width],
  strides: [stride.height, stride.width],
  dilations: [dilation.height, dilation.width],
  pads: [padding.top, padding.left, padding.bottom, padding.right],
});

/** Numbers are integers but for `epsilon`. */
function attributeProto(name: string, value: AttributeValue): AttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  if (typeof value === 'string') return new onnx.AttributeProto({ name, type: AttributeType.STRING, s: new TextEncoder().encode(value) });
  if (typeof value !== 'number') return new onnx.AttributeProto({ name, type: AttributeType.INTS, ints: [...value] });
  if (name === 'epsilon') return new onnx.AttributeProto({ name, type: AttributeType.FLOAT, f: value });
  return new onnx.AttributeProto({ name, type: AttributeType.INT, i: value });
}

const valueInfo = ({ name, shape }: Described) =>
  new onnx.ValueInfoProto({
    name,
    type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
  });
