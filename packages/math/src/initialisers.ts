import { philoxBlock, ShoalError, sizeOf, variable, type Shape, type Variable } from '@shoal/core';

/**
 * Makes the first value of a parameter. The numbers depend on the seed and the parameter's name alone, so one seed serves a whole
 * network, and adding a layer leaves the others as they were. They are exact in float32: every backend starts from the same bits.
 */
export type Initialiser = (shape: Shape, name: string) => ArrayLike<number>;

/** A u32 that tells names apart where random numbers are drawn: FNV-1a, 32 bits, over the UTF-8 bytes. */
export function nameHash(name: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** Element i is word `i mod 4` of Philox block `floor(i / 4)`. */
function words(size: number, seed: number, name: string): Uint32Array {
  const key = [seed >>> 0, nameHash(name)] as const;
  const drawn = new Uint32Array(Math.ceil(size / 4) * 4);
  for (let block = 0; block * 4 < size; block++) {
    drawn[block * 4] = block; // the counter [block, 0, 0, 0]
    philoxBlock(drawn, block * 4, key);
  }
  return drawn;
}

export interface NormalOptions {
  readonly seed: number;
  /** Standard deviation. */
  readonly deviation: number;
}

/** Normal numbers around 0 (Box and Muller, 1958: two words make two numbers). */
export function normal({ seed, deviation }: NormalOptions): Initialiser {
  return (shape, name) => {
    const size = sizeOf(shape);
    const drawn = words(size, seed, name);
    const values = new Float32Array(drawn.length);
    for (let i = 0; i < size; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log((drawn[i]! + 1) / 2 ** 32)); // in (0, 1]: the logarithm is finite
      const angle = (2 * Math.PI * drawn[i + 1]!) / 2 ** 32;
      values[i] = radius * Math.cos(angle);
      values[i + 1] = radius * Math.sin(angle);
    }
    return values.subarray(0, size);
  };
}

export interface UniformOptions {
  readonly seed: number;
  /** Numbers are in [-bound, bound). */
  readonly bound: number;
}

/** Uniform numbers in [-bound, bound). */
export function uniform({ seed, bound }: UniformOptions): Initialiser {
  return (shape, name) =>
    Float32Array.from(words(sizeOf(shape), seed, name).subarray(0, sizeOf(shape)), (word) => bound * (word / 2 ** 31 - 1));
}

export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/**
 * How many inputs an output sums, and how many outputs an input reaches: weights are [..., in, out], the leading axes being the window.
 *
 * @throws ShoalError `SHAPE` for fewer than two axes
 */
export function fansOf(shape: Shape): Fans {
  if (shape.length < 2) {
    throw new ShoalError('SHAPE', {
      op: 'math/initialiser',
      fact: `a parameter of shape [${shape.join(',')}] has no fan`,
      next: 'Use normal, uniform or a number',
    });
  }
  const window = sizeOf(shape.slice(0, -2));
  return { fanIn: window * shape.at(-2)!, fanOut: window * shape.at(-1)! };
}

export interface KaimingOptions {
  readonly seed: number;
  /** Keep the variance of activations (`in`, default) or of gradients (`out`). */
  readonly fan?: 'in' | 'out';
  /** Negative slope of the (leaky) ReLU behind the weights; default 0. */
  readonly slope?: number;
}

function kaimingDeviation({ fan = 'in', slope = 0 }: KaimingOptions, shape: Shape): number {
  const { fanIn, fanOut } = fansOf(shape);
  return Math.sqrt(2 / (1 + slope * slope) / (fan === 'in' ? fanIn : fanOut));
}

/** Normal, variance 2 / ((1 + slope^2) fan): He et al., "Delving deep into rectifiers", 2015. */
export function kaimingNormal(options: KaimingOptions): Initialiser {
  return (shape, name) => normal({ seed: options.seed, deviation: kaimingDeviation(options, shape) })(shape, name);
}

/** Uniform with the variance of {@link kaimingNormal}. */
export function kaimingUniform(options: KaimingOptions): Initialiser {
  return (shape, name) => uniform({ seed: options.seed, bound: Math.sqrt(3) * kaimingDeviation(options, shape) })(shape, name);
}

export interface XavierOptions {
  readonly seed: number;
  /** Multiplies the deviation; default 1. */
  readonly gain?: number;
}

function xavierDeviation({ gain = 1 }: XavierOptions, shape: Shape): number {
  const { fanIn, fanOut } = fansOf(shape);
  return gain * Math.sqrt(2 / (fanIn + fanOut));
}

/** Normal, variance 2 gain^2 / (fan in + fan out): Glorot and Bengio, "Understanding the difficulty of training deep networks", 2010. */
export function xavierNormal(options: XavierOptions): Initialiser {
  return (shape, name) => normal({ seed: options.seed, deviation: xavierDeviation(options, shape) })(shape, name);
}

/** Uniform with the variance of {@link xavierNormal}. */
export function xavierUniform(options: XavierOptions): Initialiser {
  return (shape, name) => uniform({ seed: options.seed, bound: Math.sqrt(3) * xavierDeviation(options, shape) })(shape, name);
}

/** An f32 variable under a name, its first value from an initialiser or one number everywhere. */
export function parameter(name: string, shape: Shape, initialiser: Initialiser | number): Variable {
  return variable(name, shape, typeof initialiser === 'number' ? initialiser : () => initialiser(shape, name));
}
