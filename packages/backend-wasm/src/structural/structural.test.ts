import {
  apply1,
  concat,
  createRuntime,
  expression as e,
  fill,
  input,
  map,
  pad,
  padOp,
  randomBits,
  reduce,
  slice,
  transpose,
  type Dtype,
  type Program,
  type Runtime,
  type Shape,
  type TensorData,
  type Value,
} from '@shoal/core';
import { reference } from '@shoal/core/reference';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wasm } from '../backend.ts';

// Shapes of several tiles, with incomplete vectors, rows and tiles at the end: the tables of cases are too small for those.

let oracle: Runtime;
let runtimes: readonly Runtime[];
beforeAll(async () => {
  oracle = await createRuntime(reference());
  runtimes = await Promise.all([1, 2, 3].map((threads) => createRuntime(wasm({ threads }))));
});
afterAll(async () => {
  await Promise.all([oracle, ...runtimes].map((runtime) => runtime.dispose()));
});

/** Numbers in [-1, 1) that repeat after no simple number of elements. */
const numbers = (shape: Shape, dtype: Dtype): TensorData => {
  const size = shape.reduce((product, n) => product * n, 1);
  const at = (i: number): number => ((i * 7919 + 13) % 10007) / 5003.5 - 1;
  if (dtype === 'f32') return Float32Array.from({ length: size }, (_, i) => at(i));
  return Int32Array.from({ length: size }, (_, i) => Math.floor(at(i) * 1000));
};

interface Comparison {
  /** The first element that is off by more than rounding; `none`. */
  readonly wrong: string;
  /** Whether every number of threads gives the same bits. */
  readonly same: boolean;
}

async function compare(inputs: readonly Value[], y: Value): Promise<Comparison> {
  const program: Program = { outputs: { y } };
  const feeds = Object.fromEntries(inputs.map(({ shape, dtype }, i) => [`x${i}`, numbers(shape, dtype)]));
  const run = async (runtime: Runtime): Promise<TensorData> => {
    const executable = await runtime.compile(program);
    const { y: result } = await executable.run(feeds);
    executable.dispose();
    return result!;
  };
  const expected = await run(oracle);
  const [actual, ...others] = (await Promise.all(runtimes.map(run))) as [TensorData, ...TensorData[]];
  const scale = Array.from(expected).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  const wrong = [...expected.keys()].find((i) => !(Math.abs(actual[i]! - expected[i]!) <= 5e-7 * scale));
  const bits = (data: TensorData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    wrong: wrong === undefined ? 'none' : `element ${wrong} is ${actual[wrong]}, expected ${expected[wrong]}`,
    same: others.every((other) => Buffer.compare(bits(other), bits(actual)) === 0),
  };
}

type Row = readonly [name: string, shapes: readonly Shape[], build: (...inputs: readonly Value[]) => Value, dtype?: Dtype];

const product = (...inputs: readonly Value[]): Value => map(inputs, (...xs) => xs.reduce((a, b) => e.add(e.mul(a, b), e.literal(0.5))));
const sum =
  (...axes: readonly number[]) =>
  (x: Value): Value =>
    reduce(x, { kind: 'sum', axes });

const rows: readonly Row[] = [
  [
    'map of one shape',
    [
      [3, 5, 7, 401],
      [3, 5, 7, 401],
    ],
    product,
  ],
  ['map with channels', [[9, 101, 37], [37]], product],
  ['map with channels, whole vectors', [[9, 101, 64], [64]], product],
  [
    'map with a value per row',
    [
      [300, 131],
      [300, 1],
    ],
    product,
  ],
  [
    'map with a value per long row',
    [
      [2, 30001],
      [2, 1],
    ],
    product,
  ],
  ['map with long channels', [[3, 16389], [16389]], product],
  ['map broadcast both ways', [[5, 1, 7, 3], [1, 211, 1, 3], []], product],
  ['map of narrow rows', [[5000, 3], [5000, 1], [3]], product],
  ['map of transcendentals', [[20011]], (x) => map([x], (a) => e.add(e.tanh(a), e.exp(e.mul(3, a))))],
  [
    'map of coordinates',
    [[70, 3, 91]],
    (x) => map([x], (a) => e.add(a, e.cast(e.add(e.mul(e.coordinate(0), 5), e.mul(e.coordinate(2), e.coordinate(1))), 'f32'))),
  ],
  ['sum of everything', [[100003]], sum(0)],
  ['sum of few channels', [[50021, 3]], sum(0)],
  ['sum of channels', [[3001, 37]], sum(0)],
  ['sum of many channels', [[17, 8197]], sum(0)],
  ['sum of rows', [[37, 3001]], sum(1)],
  ['sum of short rows', [[9001, 10]], sum(1)],
  ['sum of long rows', [[3, 40001]], sum(1)],
  ['sum in the middle', [[40, 25, 33]], sum(1)],
  ['sum around the middle', [[40, 25, 33]], sum(0, 2)],
  ['sum around the middle, in parts', [[400, 3, 70]], sum(0, 2)],
  ['sum over every other axis', [[50, 3, 40, 9]], sum(0, 2)],
  ['sum of integers', [[3001, 37]], sum(0), 'i32'],
  ['sum of a row of integers', [[100003]], sum(0), 'i32'],
  ['max of everything', [[100003]], (x) => reduce(x, { kind: 'max' })],
  ['max of channels', [[3001, 37]], (x) => reduce(x, { kind: 'max', axes: [0] })],
  ['min of rows', [[301, 133]], (x) => reduce(x, { kind: 'min', axes: [1] })],
  [
    'sum of an expression over channels',
    [[3001, 37], [3001, 37], [37]],
    (x, y, z) => sum(0)(map([x, y, z], (a, b, c) => e.mul(a, e.sub(b, c)))),
  ],
  ['sum of an expression over rows', [[301, 133], [133]], (x, y) => sum(1)(map([x, y], (a, b) => e.mul(a, b)))],
  ['sum of an expression over everything', [[301, 133], [133]], (x, y) => sum(0, 1)(map([x, y], (a, b) => e.mul(a, b)))],
  ['sum of an expression over images', [[30, 9, 50], [50]], (x, y) => sum(0)(map([x, y], (a, b) => e.sub(a, b)))],
  ['fill', [], () => fill(0.25, [20001])],
  ['fill of whole tiles', [], () => fill(0.25, [16384])],
  ['random', [], () => randomBits(fill(0xfffffff0, [], 'u32'), { seed: -5, stream: 3, shape: [7, 14411] })],
  ['transpose of a matrix', [[301, 203]], (x) => transpose(x, [1, 0])],
  ['transpose of few long columns', [[5001, 3]], (x) => transpose(x, [1, 0])],
  ['transpose of few long rows', [[3, 5001]], (x) => transpose(x, [1, 0])],
  ['transpose to NCHW', [[4, 31, 29, 13]], (x) => transpose(x, [0, 3, 1, 2])],
  ['transpose from NCHW', [[4, 13, 31, 29]], (x) => transpose(x, [0, 2, 3, 1])],
  ['transpose of outer axes', [[61, 83, 7]], (x) => transpose(x, [1, 0, 2])],
  ['transpose of everything', [[11, 13, 17, 19]], (x) => transpose(x, [3, 1, 0, 2])],
  ['slice of channels', [[40, 50, 37]], (x) => slice(x, { start: [0, 0, 5], size: [40, 50, 29] })],
  ['slice of a long row', [[100003]], (x) => slice(x, { start: [17], size: [65536] })],
  ['slice with strides', [[40, 51, 37]], (x) => slice(x, { start: [1, 0, 0], size: [13, 26, 19], stride: [3, 2, 2] })],
  ['pad', [[30, 41, 13]], (x) => pad(x, { before: [1, 2, 0], after: [2, 1, 3], value: -3 })],
  [
    'pad between elements',
    [[30, 41, 13]],
    (x) => apply1(padOp, [x], { before: [0, 1, 0], after: [1, 0, 0], interior: [1, 2, 1], value: 2 }),
  ],
  [
    'concat of channels',
    [
      [300, 13],
      [300, 5],
      [300, 64],
    ],
    (...xs) => concat(xs, 1),
  ],
  [
    'concat of images',
    [
      [13, 700],
      [50, 700],
    ],
    (...xs) => concat(xs, 0),
  ],
];

describe('structural ops agree with the reference, bit for bit the same on 1, 2 and 3 threads', () => {
  for (const [name, shapes, build, dtype = 'f32'] of rows) {
    test(name, async () => {
      const inputs = shapes.map((shape, i) => input(`x${i}`, shape, dtype));
      expect(await compare(inputs, build(...inputs))).toEqual({ wrong: 'none', same: true });
    });
  }
});
