import { formatShape, nhwc, ShapeError, type Value } from '@shoal/core';
import { layers, type BlockResult, type Layers } from './layers.ts';
import { createScope, type Scope } from './scope.ts';

export interface NetworkDefinition {
  /** For errors, reports and the command line: `resnet50`. */
  readonly name: string;
  /** The image it is made for. Other heights and widths may do, other channels do not. */
  readonly input: readonly [height: number, width: number, channels: number];
  /** From which its variables start; default 0. */
  readonly seed?: number | undefined;
  /** See {@link Network.stages}. */
  readonly stages?: readonly string[] | undefined;
  /** Builds everything between the image, [n,h,w,c], and the output. */
  readonly body: (net: Layers, image: Value) => Value;
}

export interface BuildOptions {
  /** Whether batch norm normalises by the batch and moves its running statistics; default false. */
  readonly train?: boolean;
  /** Whether dropout drops; default: while training. */
  readonly dropout?: boolean;
}

/** A function from an image to a graph. All graphs of one network share its variables, whatever their shapes. */
export interface Network {
  readonly name: string;
  readonly input: readonly [height: number, width: number, channels: number];
  /**
   * The taps, by name and in order, at which the whole is looked at: for ResNet what follows the stem and each group of blocks.
   * Without them, every feature map that belongs to no larger named part.
   */
  readonly stages?: readonly string[] | undefined;
  /** Its variables by name, once a graph was built: `scope.state['conv1.weight']`. */
  readonly scope: Scope;
  /**
   * The graph for one image shape.
   *
   * @param image f32 [n,h,w,c]
   * @throws ShapeError when the network cannot take an image of that size, with the layer that cannot
   */
  build(image: Value, options?: BuildOptions): BlockResult;
}

/**
 * A network from layers and blocks:
 *
 *     const tiny = network({
 *       name: 'tiny',
 *       input: [32, 32, 3],
 *       body: (net, image) => {
 *         const y = net.use(basicBlock(image, { ...net.at('block'), channels: 16, stride: 2 }));
 *         return net.dense('fc', reshape(globalAveragePool2d(y), [-1, 16]), { units: 10 });
 *       },
 *     });
 *     const { output, parameters, updates } = tiny.build(input('image', [8, 32, 32, 3]), { train: true });
 */
export function network({ name, input, seed = 0, stages, body }: NetworkDefinition): Network {
  const scope = createScope({ seed });
  const [height, width, channels] = input;
  const build = (image: Value, { train = false, dropout }: BuildOptions = {}): BlockResult => {
    const own = nhwc(name, image.shape)[3];
    if (own !== channels) {
      throw new ShapeError({
        op: name,
        fact: `image ${formatShape(image.shape)} has ${own} channels where ${channels} are needed`,
        next: `Give [n,h,w,${channels}]`,
      });
    }
    const net = layers({ scope, train, dropout }, image);
    try {
      return net.result(body(net, image));
    } catch (cause) {
      if (!(cause instanceof ShapeError) || cause.op === name) throw cause;
      throw new ShapeError({
        op: name,
        fact: `cannot take an image ${formatShape(image.shape)} (${cause.message})`,
        next: `Give another size, such as ${height}x${width}`,
        cause,
      });
    }
  };
  return { name, input, stages, scope, build };
}
