import { expression as e, map, ShoalError, type Padding2dOption, type Size2dOption, type Value, type Variable } from '@shoal/core';
import { conv2d } from '@shoal/conv';
import { dropout, kaimingNormal, matmul, nameHash, uniform, type Initialiser, type Update } from '@shoal/math';
import { batchNorm } from '../batch-norm.ts';
import type { Scope } from './scope.ts';

/** What every block is built in. */
export interface BlockContext {
  /** Names and makes the block's variables. */
  readonly scope: Scope;
  /** Whether batch norm normalises by the batch and moves its running statistics. */
  readonly train: boolean;
  /** Whether dropout drops; default: while training. */
  readonly dropout?: boolean | undefined;
}

/** The options that every block takes. */
export const contextKeys = ['scope', 'train', 'dropout'] as const satisfies readonly (keyof BlockContext)[];

/** A value with a name: the result of a layer, of a block, or a point on the way that somebody wants to look at. */
export interface Tap {
  /** In full, as variables are named: `layer1.0.conv1`, `layer1.0`, `maxpool`. */
  readonly name: string;
  readonly value: Value;
  /** What the value is the result of; left out where it is only a point on the way. */
  readonly kind?: 'convolution' | 'batch norm' | 'dense' | 'dropout' | 'block';
  /** What the layer or block reads: everything between these and the value is its own. */
  readonly inputs?: readonly Value[];
}

/** What every block returns. */
export interface BlockResult {
  readonly output: Value;
  /** New running statistics: put them into the training program. Empty in evaluation. */
  readonly updates: readonly Update[];
  /** What to differentiate to, in the order it was made. */
  readonly parameters: readonly Variable[];
  /** The named values, inner ones before outer ones, in the order they were made. A name can stand for one value only. */
  readonly taps: readonly Tap[];
}

export interface ConvLayerOptions {
  /** Output channels. */
  readonly channels: number;
  /** Default 1. */
  readonly window?: number;
  /** Default 1. */
  readonly stride?: Size2dOption;
  /** Default none. */
  readonly padding?: Padding2dOption;
  /** Default 1. */
  readonly dilation?: number;
  /** Default 1. */
  readonly groups?: number;
  /** Default false. */
  readonly bias?: boolean;
  /** Default: Kaiming normal over the fan out (He et al., 2015). */
  readonly initialiser?: Initialiser;
}

/**
 * Builds layers and remembers what they own, so that a block or a network reads from top to bottom:
 *
 *     const net = layers({ scope, train }, x);
 *     const y = relu(net.batchNorm('bn1', net.conv('conv1', x, { channels: 64, window: 7, stride: 2, padding: 3 })));
 *     const z = net.use(basicBlock(y, { ...net.at('layer1.0'), channels: 64 }));
 *     return net.result(z);
 */
export class Layers {
  readonly #scope: Scope;
  readonly #train: boolean;
  readonly #dropout: boolean;
  readonly #names = new Set<string>();
  readonly #updates: Update[] = [];
  readonly #parameters: Variable[] = [];
  readonly #taps: Tap[] = [];
  readonly #inputs: readonly Value[];

  constructor({ scope, train, dropout: drop = train }: BlockContext, inputs: readonly Value[] = []) {
    this.#scope = scope;
    this.#train = train;
    this.#dropout = drop;
    this.#inputs = inputs;
  }

  /** A convolution: parameters `NAME.weight` [window, window, in / groups, channels] and, with a bias, `NAME.bias` [channels]. */
  conv(name: string, x: Value, options: ConvLayerOptions): Value {
    const { channels, window = 1, stride, padding, dilation, groups = 1, bias = false } = options;
    const scope = this.#claim(name);
    const initialiser = options.initialiser ?? kaimingNormal({ seed: scope.seed, fan: 'out' });
    const weight = this.#own(scope.parameter('weight', [window, window, x.shape.at(-1)! / groups, channels], initialiser));
    const own = bias ? this.#own(scope.parameter('bias', [channels], 0)) : undefined;
    return this.#layer(name, 'convolution', x, conv2d(x, weight, { stride, padding, dilation, groups, bias: own }));
  }

  /** Batch norm: parameters `NAME.weight` and `NAME.bias`, buffers `NAME.running_mean` and `NAME.running_var`, each [c]. */
  batchNorm(name: string, x: Value, options: { readonly momentum?: number; readonly epsilon?: number } = {}): Value {
    const scope = this.#claim(name);
    const channels = [x.shape.at(-1)!];
    const state = {
      gamma: this.#own(scope.parameter('weight', channels, 1)),
      beta: this.#own(scope.parameter('bias', channels, 0)),
      mean: scope.buffer('running_mean', channels, 0),
      variance: scope.buffer('running_var', channels, 1),
    };
    const { output, updates } = batchNorm(x, state, { ...options, train: this.#train });
    this.#updates.push(...updates);
    return this.#layer(name, 'batch norm', x, output);
  }

  /** A fully connected layer on [..., in]: parameters `NAME.weight` [in, units] and `NAME.bias` [units], uniform within 1 / sqrt(in). */
  dense(name: string, x: Value, options: { readonly units: number }): Value {
    const scope = this.#claim(name);
    const inputs = x.shape.at(-1)!;
    const initialiser = uniform({ seed: scope.seed, bound: 1 / Math.sqrt(inputs) });
    const weight = this.#own(scope.parameter('weight', [inputs, options.units], initialiser));
    const bias = this.#own(scope.parameter('bias', [options.units], initialiser));
    return this.#layer(name, 'dense', x, matmul(x, weight, { bias }));
  }

  /**
   * Dropout ({@link dropout}), which draws anew at every step of the program: it counts them in a buffer `NAME.step`. The value itself
   * where nothing is dropped.
   */
  dropout(name: string, x: Value, options: { readonly rate: number }): Value {
    const scope = this.#claim(name);
    if (!this.#dropout) return x;
    const step = scope.counter('step');
    this.#updates.push([step, map([step], (count) => e.add(count, 1))]);
    const dropped = dropout(x, { ...options, step, seed: scope.seed, stream: nameHash(`${scope.prefix}step`) });
    return this.#layer(name, 'dropout', x, dropped);
  }

  /** Gives a value a name by which results list it ({@link BlockResult.taps}), and returns it. */
  tap(name: string, value: Value): Value {
    this.#taps.push({ name: `${this.#scope.prefix}${name}`, value });
    return value;
  }

  /** The context for a part of this network. */
  at(name: string): BlockContext {
    return { scope: this.#claim(name), train: this.#train, dropout: this.#dropout };
  }

  /** Takes over what a part owns and gives its output. */
  use({ output, updates, parameters, taps }: BlockResult): Value {
    this.#updates.push(...updates);
    this.#parameters.push(...parameters);
    this.#taps.push(...taps);
    return output;
  }

  /** Everything built so far, around the output, which gets the name of this part. */
  result(output: Value): BlockResult {
    const whole = this.#scope.prefix.slice(0, -1);
    const own: Tap = { name: whole, value: output, kind: 'block', inputs: this.#inputs };
    const taps = whole === '' ? this.#taps : [...this.#taps, own];
    return { output, updates: [...this.#updates], parameters: [...this.#parameters], taps: [...taps] };
  }

  /** Within one network a name is used once: two layers of equal shape would silently share their weights. */
  #claim(name: string): Scope {
    if (this.#names.has(name)) {
      throw new ShoalError('GRAPH', {
        op: 'layers',
        fact: `'${this.#scope.prefix}${name}' is used twice`,
        next: 'Give each layer its own name',
      });
    }
    this.#names.add(name);
    return this.#scope.in(name);
  }

  #layer(name: string, kind: NonNullable<Tap['kind']>, x: Value, value: Value): Value {
    this.#taps.push({ name: `${this.#scope.prefix}${name}`, value, kind, inputs: [x] });
    return value;
  }

  #own(variable: Variable): Variable {
    this.#parameters.push(variable);
    return variable;
  }
}

/** Starts a block or a network. `inputs` are what it reads, so that results can tell its own nodes from those before it. */
export function layers(context: BlockContext, ...inputs: readonly Value[]): Layers {
  return new Layers(context, inputs);
}
