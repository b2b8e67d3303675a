import { simd, vector } from './simd.ts';
import { binary, each, toI16x8, toI32, toI32x4, toI8x16, unary } from './values.ts';

const h8 = vector('i16x8', toI16x8);
/** Eight 16-bit lanes. Beside `f.i32x4` and its like, so that pages without kernels for small integers do not load them. */
export const i16x8 = {
  splat: unary('i16x8.splat', toI32, 'v128', simd(16)),
  replaceLane: h8.replace(toI32, 8, 26),
  shuffle: h8.shuffle(8),
  ...each(h8.two, {
    eq: 45,
    add: 142,
    sub: 145,
    mul: 149,
  }),
  ...each(h8.shift, {
    shl: 139,
    shrU: 141,
  }),
  extendLowI8x16U: unary('i16x8.extend_low_i8x16_u', toI8x16, 'v128', simd(137)),
  extendHighI8x16U: unary('i16x8.extend_high_i8x16_u', toI8x16, 'v128', simd(138)),
  narrowI32x4U: binary('i16x8.narrow_i32x4_u', toI32x4, 'v128', simd(134)),
};

const b16 = vector('i8x16', toI8x16);
/** Sixteen 8-bit lanes. */
export const i8x16 = {
  splat: unary('i8x16.splat', toI32, 'v128', simd(15)),
  replaceLane: b16.replace(toI32, 16, 23),
  shuffle: b16.shuffle(16),
  ...each(b16.two, {
    eq: 35,
    ne: 36,
    add: 110,
    sub: 113,
    minU: 119,
    maxU: 121,
  }),
  narrowI16x8U: binary('i8x16.narrow_i16x8_u', toI16x8, 'v128', simd(102)),
};
