import type { Case, CaseTable } from '../case.ts';
import * as e from '../expression/index.ts';
import type { Expression } from '../expression/index.ts';
import type { Dtype } from '../tensor.ts';
import { broadcastTo, map, mapOp } from './map.ts';

type Build = (...operands: readonly Expression[]) => Expression;

/** An expression of one or more lists of equal length. */
const on = (
  name: string,
  build: Build,
  columns: readonly (readonly number[])[],
  expected: readonly number[],
  dtype: Dtype = 'f32',
  more: Partial<Case> = {},
): Case => ({
  name,
  inputs: columns.map((data) => ({ shape: [data.length], dtype, data })),
  build: (...values) => map(values, build),
  expect: [expected],
  ...more,
});
const kink: Partial<Case> = { gradient: { none: 'the inputs lie on kinks or poles' } };
const nan: Partial<Case> = { ...kink, needs: 'nan' };
const flag = (condition: Expression): Expression => e.select(condition, 1, 0);

const broadcasting: readonly Case[] = [
  {
    name: 'one shape',
    inputs: [{ shape: [2, 3, 5] }, { shape: [2, 3, 5] }],
    build: (x, y) => map([x, y], (a, b) => e.mul(a, e.tanh(b))),
    secondOrder: true,
  },
  {
    name: 'a vector along the channels',
    inputs: [
      { shape: [2, 3], data: [1, 2, 3, 4, 5, 6] },
      { shape: [3], data: [10, 20, 30] },
    ],
    build: (x, y) => map([x, y], (a, b) => e.add(a, b)),
    expect: [[11, 22, 33, 14, 25, 36]],
  },
  {
    name: 'a vector along the channels, of no multiple of four',
    inputs: [{ shape: [2, 3, 4, 7] }, { shape: [7] }],
    build: (x, y) => map([x, y], (a, b) => e.mul(a, b)),
  },
  {
    name: 'a scalar',
    inputs: [
      { shape: [5], data: [1, 2, 3, 4, 5] },
      { shape: [], data: [0.5] },
    ],
    build: (x, y) => map([x, y], (a, b) => e.mul(a, b)),
    expect: [[0.5, 1, 1.5, 2, 2.5]],
  },
  {
    name: 'a column times a row',
    inputs: [
      { shape: [3, 1], data: [1, 2, 3] },
      { shape: [2], data: [10, 100] },
    ],
    build: (x, y) => map([x, y], (a, b) => e.mul(a, b)),
    expect: [[10, 100, 20, 200, 30, 300]],
  },
  {
    name: 'sizes of 1 in the middle',
    inputs: [{ shape: [2, 1, 3, 5] }, { shape: [4, 1, 5] }],
    build: (x, y) => map([x, y], (a, b) => e.sub(a, b)),
  },
  {
    name: 'a value per row',
    inputs: [{ shape: [3, 2, 6] }, { shape: [3, 2, 1] }],
    build: (x, y) => map([x, y], (a, b) => e.div(a, e.add(3, b))),
    secondOrder: true,
  },
  {
    name: 'repeated to new axes',
    inputs: [{ shape: [1, 3], data: [1, 2, 3] }],
    build: (x) => broadcastTo(x, [2, 2, 3]),
    expect: [[1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]],
  },
  { name: 'rank 0', inputs: [{ shape: [], data: [3] }], build: (x) => map([x], (a) => e.mul(a, a)), expect: [[9]], secondOrder: true },
  { name: 'no elements', inputs: [{ shape: [0, 3] }], build: (x) => map([x], (a) => e.neg(a)), expect: [[]] },
  {
    name: 'coordinates',
    inputs: [],
    build: () => map([], () => e.add(e.mul(10, e.coordinate(0)), e.coordinate(2)), [2, 1, 5]),
    expect: [[0, 1, 2, 3, 4, 10, 11, 12, 13, 14]],
  },
  {
    name: 'coordinates beside an input',
    inputs: [{ shape: [3, 2], data: [5, 5, 5, 5, 5, 5] }],
    build: (x) => map([x], (a) => e.select(e.eq(e.coordinate(0), e.coordinate(1)), a, 0)),
    expect: [[5, 0, 0, 5, 0, 0]],
  },
];

const float: readonly Case[] = [
  on('neg and abs', (a) => e.add(e.neg(a), e.mul(10, e.abs(a))), [[-2, 3, 0.5, -0.25]], [22, 27, 4.5, 2.75]),
  on(
    'exp',
    (a) => e.exp(a),
    [[0, 1, -1, 10, 88]],
    [1, 2.718281828459045, 0.36787944117144233, 22026.465794806718, 1.6516362549940018e38],
    'f32',
    { gradient: { none: 'e^88 drowns the differences of the others' } },
  ),
  on('exp beyond the ends', (a) => e.exp(a), [[Infinity, -Infinity, 1000, -1000]], [Infinity, 0, Infinity, 0], 'f32', kink),
  on('log', (a) => e.log(a), [[1, 2, 0.5, 10]], [0, 0.6931471805599453, -0.6931471805599453, 2.302585092994046]),
  on('log at the ends', (a) => e.log(a), [[0, Infinity]], [-Infinity, Infinity], 'f32', kink),
  on('log of a negative', (a) => e.log(a), [[-1]], [NaN], 'f32', nan),
  on('sqrt', (a) => e.sqrt(a), [[4, 2, 0.25]], [2, 1.4142135623730951, 0.5]),
  on('tanh', (a) => e.tanh(a), [[0, 0.5, -1, 20]], [0, 0.4621171572600098, -0.7615941559557649, 1]),
  on(
    'floor, ceil, round',
    (a) => e.add(e.floor(a), e.add(e.mul(100, e.ceil(a)), e.mul(10000, e.round(a)))),
    [[1.25, -1.25, 1.75]],
    [10201, -10102, 20201],
  ),
  on('round goes to the even neighbour', (a) => e.round(a), [[0.5, 1.5, 2.5, -0.5, -1.5]], [0, 2, 2, -0, -2], 'f32', kink),
  on(
    'four operations',
    (a, b) => e.div(e.sub(e.mul(a, b), e.add(a, b)), b),
    [
      [3, -2, 0.5, 8, 1],
      [2, 4, -1, 0.5, 8],
    ],
    [0.5, -2.5, 0, -9, -0.125],
  ),
  on(
    'pow',
    (a, b) => e.pow(a, b),
    [
      [2, 9, 4, 1.5],
      [10, 0.5, -1.5, 0],
    ],
    [1024, 3, 0.125, 1],
  ),
  on(
    'max and min',
    (a, b) => e.add(e.max(a, b), e.mul(100, e.min(a, b))),
    [
      [1, 5, -3],
      [2, -4, -2.5],
    ],
    [102, -395, -302.5],
  ),
  on(
    'max and min of a NaN on either side',
    (a, b) => e.add(e.max(a, b), e.min(a, b)),
    [
      [NaN, 1, 2],
      [1, NaN, 3],
    ],
    [NaN, NaN, 5],
    'f32',
    nan,
  ),
  on('relu and clamp keep a NaN', (a) => e.add(e.max(a, 0), e.min(e.max(0, a), 6)), [[NaN, -1, 2, 8]], [NaN, 0, 4, 14], 'f32', nan),
  on(
    'comparisons',
    (a, b) => [e.lt, e.le, e.gt, e.ge, e.eq, e.ne].map((compare) => flag(compare(a, b))).reduce((sum, x) => e.add(e.mul(sum, 2), x)),
    [
      [1, 2, 3],
      [2, 2, 2],
    ],
    [0b110001, 0b010110, 0b001101],
    'f32',
    kink,
  ),
  on(
    'comparisons with a NaN',
    (a, b) => [e.lt, e.le, e.gt, e.ge, e.eq, e.ne].map((compare) => flag(compare(a, b))).reduce((sum, x) => e.add(e.mul(sum, 2), x)),
    [
      [NaN, 1],
      [1, NaN],
    ],
    [1, 1],
    'f32',
    nan,
  ),
  on('a subexpression used twice', (a) => e.mul(e.exp(a), e.add(1, e.exp(a))), [[0, 1]], [2, 10.107337927389695], 'f32', {
    secondOrder: true,
  }),
];

const whole: readonly Case[] = [
  on(
    'i32 wraps',
    (a, b) => e.add(e.mul(a, b), 1),
    [
      [0x7fffffff, -5, 65536],
      [2, 3, 65536],
    ],
    [-1, -14, 1],
    'i32',
  ),
  on(
    'u32 wraps',
    (a, b) => e.sub(e.mul(a, b), 1),
    [
      [0xffffffff, 5, 65536],
      [2, 3, 65536],
    ],
    [4294967293, 14, 4294967295],
    'u32',
  ),
  on(
    'i32 neg, abs, max, min',
    (a, b) => e.add(e.abs(e.neg(a)), e.mul(100, e.sub(e.max(a, b), e.min(a, b)))),
    [
      [-3, 4],
      [2, 9],
    ],
    [503, 504],
    'i32',
  ),
  on(
    'u32 max, min above 2^31',
    (a, b) => e.sub(e.max(a, b), e.min(a, b)),
    [
      [0x80000001, 7],
      [1, 9],
    ],
    [0x80000000, 2],
    'u32',
  ),
  on(
    'bits',
    (a, b) => e.bitXor(e.bitAnd(a, b), 1),
    [
      [0b1100, 7],
      [0b1010, 2],
    ],
    [0b1001, 3],
    'i32',
  ),
  on('shifts: arithmetic on i32', (a) => e.shiftRight(a, 1), [[-8, 9]], [-4, 4], 'i32'),
  on('shifts: logical on u32', (a) => e.shiftRight(a, 31), [[0x80000000, 9]], [1, 0], 'u32'),
  on(
    'each element shifted by its own amount',
    (a, b) => e.shiftRight(a, b),
    [
      [256, 256, 256, 256, 0xffffffff],
      [0, 1, 4, 8, 31],
    ],
    [256, 128, 16, 1, 1],
    'u32',
  ),
  on(
    'u32 comparisons above 2^31',
    (a, b) => e.select(e.gt(a, b), a, 0),
    [
      [0x80000001, 1],
      [1, 0x80000001],
    ],
    [0x80000001, 0],
    'u32',
  ),
  on(
    'i32 comparisons',
    (a, b) => e.select(e.lt(a, b), a, b),
    [
      [-1, 5],
      [1, 4],
    ],
    [-1, 4],
    'i32',
  ),
  on('i32 to f32', (a) => e.cast(a, 'f32'), [[-3, 0, 16777216]], [-3, 0, 16777216], 'i32'),
  on('u32 to f32', (a) => e.cast(a, 'f32'), [[3, 0x80000000]], [3, 2147483648], 'u32'),
  on(
    'f32 to i32 truncates and saturates',
    (a) => e.cast(a, 'i32'),
    [[1.9, -1.9, 3e9, -3e9, Infinity]],
    [1, -1, 2147483647, -2147483648, 2147483647],
  ),
  on('f32 to u32 truncates and saturates', (a) => e.cast(a, 'u32'), [[1.9, -1.9, 3e9, 1e10]], [1, 0, 3000000000, 4294967295]),
  on('NaN to i32 is 0', (a) => e.cast(a, 'i32'), [[NaN, 2]], [0, 2], 'f32', { needs: 'nan' }),
  on('i32 and u32 share their bits', (a) => e.cast(e.cast(a, 'u32'), 'f32'), [[-1, 1]], [4294967296, 1], 'i32'),
];

export const mapCases: CaseTable = { name: 'core/map', op: mapOp, cases: [...broadcasting, ...float, ...whole] };
