/** What an engine of TensorFlow.js lacks or gets wrong by itself, and what the adapter does about it. */
export interface EngineDefect {
  readonly engines: readonly TestedEngine[];
  /** The tables of cases that it would reach. */
  readonly ops: readonly string[];
  readonly fact: string;
  readonly instead: string;
}

export type TestedEngine = 'cpu' | 'wasm' | 'webgpu';

const every: readonly TestedEngine[] = ['cpu', 'wasm', 'webgpu'];
const productPerCell = 'a matrix product for each cell of the window';
const onHost = 'integers are computed on the host';

/** Of TensorFlow.js 4.22.0. Each is shown by a test that bears the fact as its name. */
export const engineDefects = {
  weightGradient: {
    engines: ['wasm'],
    ops: ['conv2d, gradient to the weight'],
    fact: 'a convolution has no gradient to its weights, so it cannot be trained',
    instead: productPerCell,
  },
  lostMaximum: {
    engines: ['wasm'],
    ops: ['pool/max-gradient'],
    fact: 'max pooling gives no gradient to a window whose maximum is not positive',
    instead: 'the winner is found cell by cell, and the gradient reads the winner',
  },
  lastOfTies: {
    engines: ['wasm', 'webgpu'],
    ops: ['pool/max-gradient'],
    fact: 'the gradient of a tie in max pooling goes to the last cell, not to the first as on cpu',
    instead: 'the first wins, on every engine',
  },
  noMaximum: {
    engines: ['wasm'],
    ops: ['pool/max'],
    fact: '`maxPoolWithArgmax` of negative numbers gives 1e-38 at place 0',
    instead: 'cells are compared one by one',
  },
  dilatedStride: {
    engines: every,
    ops: ['conv2d'],
    fact: 'a convolution takes no stride together with a dilation, and no groups',
    instead: productPerCell,
  },
  dilatedGradient: {
    engines: every,
    ops: ['conv2d, gradient to the input', 'conv2d, gradient to the weight'],
    fact: 'a dilated convolution has no gradient',
    instead: productPerCell,
  },
  secondOrder: {
    engines: every,
    ops: ['pool/max', 'pool/average', 'conv2d'],
    fact: 'there is no second derivative through pooling or through the weights of a convolution',
    instead: "gradients are Shoal's own graph, which can be derived again",
  },
  depthToSpace: {
    engines: every,
    ops: ['pool/depth-to-space'],
    fact: 'depth-to-space has no gradient',
    instead: "gradients are Shoal's own graph",
  },
  serialSums: {
    engines: ['wasm'],
    ops: ['core/reduce'],
    fact: 'sums are carried in float32, one term after the other: the mean of two million times 0.1 is off by more than 1 %',
    instead: 'sums are done on the host, in float64',
  },
  lostNaN: {
    engines: ['wasm'],
    ops: ['core/map'],
    fact: '`maximum(1, NaN)` is 1',
    instead: 'NaN is selected where either side is NaN',
  },
  powerOfC: {
    engines: ['wasm'],
    ops: ['core/map'],
    fact: '`pow(1, NaN)` is 1 as in C, and NaN on cpu as in JavaScript',
    instead: 'NaN is selected where JavaScript has it',
  },
  roundedProducts: {
    engines: ['cpu'],
    ops: ['core/map'],
    fact: 'products of int32 are rounded to float64',
    instead: onHost,
  },
  wrappedConversion: {
    engines: ['cpu', 'wasm'],
    ops: ['core/map'],
    fact: 'a conversion to int32 wraps where it should saturate',
    instead: onHost,
  },
  sliceOfIntegers: {
    engines: ['wasm'],
    ops: ['core/slice'],
    fact: 'a strided slice of int32 comes back as float32 with the bits of the integers',
    instead: 'integers are sliced on the host',
  },
  whereOfTruth: {
    engines: ['wasm'],
    ops: ['core/map'],
    fact: '`where` selects wrongly between truth values',
    instead: 'only numbers are selected between',
  },
  integersInFloat: {
    engines: ['webgpu'],
    ops: ['core/map'],
    fact: 'int32 is computed in float32: 16777217 equals 16777216',
    instead: onHost,
  },
  rankFive: {
    engines: ['webgpu'],
    ops: ['core/slice', 'core/map'],
    fact: 'strided slices of rank 5 are wrong, and `where` of rank 5 throws',
    instead: 'neighbouring axes are joined first',
  },
} satisfies Readonly<Record<string, EngineDefect>>;
