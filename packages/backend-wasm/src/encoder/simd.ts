import { unsigned } from './bytes.ts';
import { load, memoryArgument, store } from './memory.ts';
import type { Emit } from './memory.ts';
import {
  binary,
  constV128,
  EncodeError,
  toF32,
  toF32x4,
  toF64,
  toF64x2,
  toI16x8,
  toI32,
  toI32x4,
  toI64x2,
  toI8x16,
  unary,
  Value,
} from './values.ts';
import type { Lift, Operand, V128, ValueType } from './values.ts';

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
const laneIndex = (lane: number, lanes: number, mnemonic: string): number => {
  if (!Number.isInteger(lane) || lane < 0 || lane >= lanes) throw new EncodeError(`${mnemonic}: lane ${lane} is outside 0..${lanes - 1}`);
  return lane;
};

function vector(shape: string, lifted: Lift<'v128'>) {
  return {
    one: (name: string, opcode: number) => unary(`${shape}.${name}`, lifted, 'v128', simd(opcode)),
    two: (name: string, opcode: number) => binary(`${shape}.${name}`, lifted, 'v128', simd(opcode)),
    three:
      (name: string, opcode: number) =>
      (a: Operand<'v128'>, b: Operand<'v128'>, c: Operand<'v128'>): V128 =>
        new Value({ type: 'v128', mnemonic: `${shape}.${name}`, code: simd(opcode), operands: [lifted(a), lifted(b), lifted(c)] }),
    test: (name: string, opcode: number) => unary(`${shape}.${name}`, lifted, 'i32', simd(opcode)),
    shift:
      (name: string, opcode: number) =>
      (a: Operand<'v128'>, bits: Operand<'i32'>): V128 =>
        new Value({ type: 'v128', mnemonic: `${shape}.${name}`, code: simd(opcode), operands: [lifted(a), toI32(bits)] }),
    extract:
      <R extends ValueType>(name: string, type: R, lanes: number, opcode: number) =>
      (a: V128, lane: number): Value<R> =>
        new Value({ type, mnemonic: `${shape}.${name}`, code: [...simd(opcode), laneIndex(lane, lanes, shape)], operands: [lifted(a)] }),
    replace:
      <S extends ValueType>(scalar: Lift<S>, lanes: number, opcode: number) =>
      (a: Operand<'v128'>, lane: number, value: Operand<S>): V128 =>
        new Value({
          type: 'v128',
          mnemonic: `${shape}.replace_lane`,
          code: [...simd(opcode), laneIndex(lane, lanes, shape)],
          operands: [lifted(a), scalar(value)],
        }),
    /** Picks lanes of `a` (0 to n - 1) and `b` (n to 2n - 1). */
    shuffle:
      (lanes: number) =>
      (a: V128, b: V128, pick: readonly number[]): V128 => {
        if (pick.length !== lanes) throw new EncodeError(`${shape}.shuffle: expected ${lanes} lanes, got ${pick.length}`);
        const width = 16 / lanes;
        const bytes = pick.flatMap((lane) =>
          Array.from({ length: width }, (_, byte) => laneIndex(lane, 2 * lanes, `${shape}.shuffle`) * width + byte),
        );
        return new Value({ type: 'v128', mnemonic: `${shape}.shuffle`, code: [...simd(13), ...bytes], operands: [lifted(a), lifted(b)] });
      },
  };
}

const loadLane =
  (bits: number, opcode: number) =>
  (address: Operand<'i32'>, into: V128, lane: number, offset = 0, align: number = bits / 8): V128 =>
    new Value({
      type: 'v128',
      mnemonic: `v128.load${bits}_lane`,
      code: [...simd(opcode), ...memoryArgument(offset, align), laneIndex(lane, 128 / bits, 'v128.load_lane')],
      operands: [toI32(address), toI32x4(into)],
    });

const storeLane =
  (emit: Emit, bits: number, opcode: number) =>
  (address: Operand<'i32'>, value: V128, lane: number, offset = 0, align: number = bits / 8): void =>
    emit(
      [...simd(opcode), ...memoryArgument(offset, align), laneIndex(lane, 128 / bits, 'v128.store_lane')],
      toI32(address),
      toI32x4(value),
    );

const bits = vector('v128', toI32x4);
const v128 = {
  const: constV128,
  load: load('v128.load', 'v128', simd(0), 16),
  load8x8S: load('v128.load8x8_s', 'v128', simd(1), 8),
  load8x8U: load('v128.load8x8_u', 'v128', simd(2), 8),
  load16x4S: load('v128.load16x4_s', 'v128', simd(3), 8),
  load16x4U: load('v128.load16x4_u', 'v128', simd(4), 8),
  load8Splat: load('v128.load8_splat', 'v128', simd(7), 1),
  load16Splat: load('v128.load16_splat', 'v128', simd(8), 2),
  load32Splat: load('v128.load32_splat', 'v128', simd(9), 4),
  load64Splat: load('v128.load64_splat', 'v128', simd(10), 8),
  load32Zero: load('v128.load32_zero', 'v128', simd(92), 4),
  load64Zero: load('v128.load64_zero', 'v128', simd(93), 8),
  load8Lane: loadLane(8, 84),
  load16Lane: loadLane(16, 85),
  load32Lane: loadLane(32, 86),
  load64Lane: loadLane(64, 87),
  not: bits.one('not', 77),
  and: bits.two('and', 78),
  /** a and not b. */
  andnot: bits.two('andnot', 79),
  or: bits.two('or', 80),
  xor: bits.two('xor', 81),
  /** Bits of `a` where the mask is 1, of `b` where it is 0. */
  bitselect: bits.three('bitselect', 82),
  anyTrue: bits.test('any_true', 83),
};

const float = (shape: 'f32x4' | 'f64x2', lifted: Lift<'v128'>, base: number, compare: number) => {
  const { one, two } = vector(shape, lifted);
  return {
    eq: two('eq', compare),
    ne: two('ne', compare + 1),
    lt: two('lt', compare + 2),
    gt: two('gt', compare + 3),
    le: two('le', compare + 4),
    ge: two('ge', compare + 5),
    abs: one('abs', base),
    neg: one('neg', base + 1),
    sqrt: one('sqrt', base + 3),
    add: two('add', base + 4),
    sub: two('sub', base + 5),
    mul: two('mul', base + 6),
    div: two('div', base + 7),
    /** IEEE minimum with NaN and -0 handled: about nine times the price of `pmin` on x64. */
    min: two('min', base + 8),
    max: two('max', base + 9),
    /** b < a ? b : a. A NaN in `b` is lost, one in `a` stays. */
    pmin: two('pmin', base + 10),
    /** a < b ? b : a. A NaN in `b` is lost, one in `a` stays: `pmax(x, 0)` is the ReLU that keeps NaN. */
    pmax: two('pmax', base + 11),
  };
};

const v4 = vector('f32x4', toF32x4);
const f32x4 = {
  ...float('f32x4', toF32x4, 224, 65),
  const: (a: number, b: number, c: number, d: number): V128 => constV128([...new Uint8Array(Float32Array.of(a, b, c, d).buffer)]),
  splat: unary('f32x4.splat', toF32, 'v128', simd(19)),
  extractLane: v4.extract('extract_lane', 'f32', 4, 31),
  replaceLane: v4.replace(toF32, 4, 32),
  shuffle: v4.shuffle(4),
  ceil: v4.one('ceil', 103),
  floor: v4.one('floor', 104),
  trunc: v4.one('trunc', 105),
  /** Rounds halves to even. */
  nearest: v4.one('nearest', 106),
  convertI32x4S: unary('f32x4.convert_i32x4_s', toI32x4, 'v128', simd(250)),
  convertI32x4U: unary('f32x4.convert_i32x4_u', toI32x4, 'v128', simd(251)),
  demoteF64x2Zero: unary('f32x4.demote_f64x2_zero', toF64x2, 'v128', simd(94)),
  /** Relaxed instructions: what they do with NaN, -0 or the intermediate rounding is the engine's choice. */
  relaxedMadd: v4.three('relaxed_madd', 261),
  relaxedNmadd: v4.three('relaxed_nmadd', 262),
  relaxedMin: v4.two('relaxed_min', 269),
  relaxedMax: v4.two('relaxed_max', 270),
};

const v2 = vector('f64x2', toF64x2);
const f64x2 = {
  ...float('f64x2', toF64x2, 236, 71),
  const: (a: number, b: number): V128 => constV128([...new Uint8Array(Float64Array.of(a, b).buffer)]),
  splat: unary('f64x2.splat', toF64, 'v128', simd(20)),
  extractLane: v2.extract('extract_lane', 'f64', 2, 33),
  replaceLane: v2.replace(toF64, 2, 34),
  shuffle: v2.shuffle(2),
  ceil: v2.one('ceil', 116),
  floor: v2.one('floor', 117),
  trunc: v2.one('trunc', 122),
  nearest: v2.one('nearest', 148),
  convertLowI32x4S: unary('f64x2.convert_low_i32x4_s', toI32x4, 'v128', simd(254)),
  convertLowI32x4U: unary('f64x2.convert_low_i32x4_u', toI32x4, 'v128', simd(255)),
  promoteLowF32x4: unary('f64x2.promote_low_f32x4', toF32x4, 'v128', simd(95)),
  relaxedMadd: v2.three('relaxed_madd', 263),
  relaxedNmadd: v2.three('relaxed_nmadd', 264),
};

const n4 = vector('i32x4', toI32x4);
const i32x4 = {
  const: (a: number, b: number, c: number, d: number): V128 => constV128([...new Uint8Array(Int32Array.of(a, b, c, d).buffer)]),
  splat: unary('i32x4.splat', toI32, 'v128', simd(17)),
  extractLane: n4.extract('extract_lane', 'i32', 4, 27),
  replaceLane: n4.replace(toI32, 4, 28),
  shuffle: n4.shuffle(4),
  eq: n4.two('eq', 55),
  ne: n4.two('ne', 56),
  ltS: n4.two('lt_s', 57),
  ltU: n4.two('lt_u', 58),
  gtS: n4.two('gt_s', 59),
  gtU: n4.two('gt_u', 60),
  leS: n4.two('le_s', 61),
  leU: n4.two('le_u', 62),
  geS: n4.two('ge_s', 63),
  geU: n4.two('ge_u', 64),
  abs: n4.one('abs', 160),
  neg: n4.one('neg', 161),
  allTrue: n4.test('all_true', 163),
  bitmask: n4.test('bitmask', 164),
  extendLowI16x8S: unary('i32x4.extend_low_i16x8_s', toI16x8, 'v128', simd(167)),
  extendHighI16x8S: unary('i32x4.extend_high_i16x8_s', toI16x8, 'v128', simd(168)),
  extendLowI16x8U: unary('i32x4.extend_low_i16x8_u', toI16x8, 'v128', simd(169)),
  extendHighI16x8U: unary('i32x4.extend_high_i16x8_u', toI16x8, 'v128', simd(170)),
  shl: n4.shift('shl', 171),
  shrS: n4.shift('shr_s', 172),
  shrU: n4.shift('shr_u', 173),
  add: n4.two('add', 174),
  sub: n4.two('sub', 177),
  mul: n4.two('mul', 181),
  minS: n4.two('min_s', 182),
  minU: n4.two('min_u', 183),
  maxS: n4.two('max_s', 184),
  maxU: n4.two('max_u', 185),
  truncSatF32x4S: unary('i32x4.trunc_sat_f32x4_s', toF32x4, 'v128', simd(248)),
  truncSatF32x4U: unary('i32x4.trunc_sat_f32x4_u', toF32x4, 'v128', simd(249)),
  truncSatF64x2SZero: unary('i32x4.trunc_sat_f64x2_s_zero', toF64x2, 'v128', simd(252)),
};

const d2 = vector('i64x2', toI64x2);
const i64x2 = {
  add: d2.two('add', 206),
  sub: d2.two('sub', 209),
  shl: d2.shift('shl', 203),
  shrU: d2.shift('shr_u', 205),
  extendLowI32x4U: unary('i64x2.extend_low_i32x4_u', toI32x4, 'v128', simd(201)),
  extendHighI32x4U: unary('i64x2.extend_high_i32x4_u', toI32x4, 'v128', simd(202)),
  /** 64-bit products of unsigned lanes 0 and 1 (low) or 2 and 3 (high): what a counter-based generator needs. */
  extmulLowI32x4U: binary('i64x2.extmul_low_i32x4_u', toI32x4, 'v128', simd(222)),
  extmulHighI32x4U: binary('i64x2.extmul_high_i32x4_u', toI32x4, 'v128', simd(223)),
};

const h8 = vector('i16x8', toI16x8);
const i16x8 = {
  splat: unary('i16x8.splat', toI32, 'v128', simd(16)),
  extractLaneS: h8.extract('extract_lane_s', 'i32', 8, 24),
  extractLaneU: h8.extract('extract_lane_u', 'i32', 8, 25),
  replaceLane: h8.replace(toI32, 8, 26),
  shuffle: h8.shuffle(8),
  eq: h8.two('eq', 45),
  add: h8.two('add', 142),
  sub: h8.two('sub', 145),
  mul: h8.two('mul', 149),
  shl: h8.shift('shl', 139),
  shrU: h8.shift('shr_u', 141),
  extendLowI8x16S: unary('i16x8.extend_low_i8x16_s', toI8x16, 'v128', simd(135)),
  extendHighI8x16S: unary('i16x8.extend_high_i8x16_s', toI8x16, 'v128', simd(136)),
  extendLowI8x16U: unary('i16x8.extend_low_i8x16_u', toI8x16, 'v128', simd(137)),
  extendHighI8x16U: unary('i16x8.extend_high_i8x16_u', toI8x16, 'v128', simd(138)),
  narrowI32x4S: binary('i16x8.narrow_i32x4_s', toI32x4, 'v128', simd(133)),
  narrowI32x4U: binary('i16x8.narrow_i32x4_u', toI32x4, 'v128', simd(134)),
};

const b16 = vector('i8x16', toI8x16);
const i8x16 = {
  splat: unary('i8x16.splat', toI32, 'v128', simd(15)),
  extractLaneS: b16.extract('extract_lane_s', 'i32', 16, 21),
  extractLaneU: b16.extract('extract_lane_u', 'i32', 16, 22),
  replaceLane: b16.replace(toI32, 16, 23),
  shuffle: b16.shuffle(16),
  swizzle: b16.two('swizzle', 14),
  eq: b16.two('eq', 35),
  ne: b16.two('ne', 36),
  add: b16.two('add', 110),
  sub: b16.two('sub', 113),
  minU: b16.two('min_u', 119),
  maxU: b16.two('max_u', 121),
  allTrue: b16.test('all_true', 99),
  bitmask: b16.test('bitmask', 100),
  narrowI16x8S: binary('i8x16.narrow_i16x8_s', toI16x8, 'v128', simd(101)),
  narrowI16x8U: binary('i8x16.narrow_i16x8_u', toI16x8, 'v128', simd(102)),
};

const laneselect = n4.three('relaxed_laneselect', 267);

export interface SimdOptions {
  /** `madd` and `nmadd` become one relaxed multiply-add, fused where the processor can; otherwise a multiply and an add, exact everywhere. */
  readonly fma: boolean;
  /** The engine has relaxed SIMD: `select` may use its one-instruction form, whose result is the same for full masks. */
  readonly relaxed: boolean;
}

/** 128-bit instructions: WebAssembly's mnemonics in camelCase. A number where a vector is expected stands in every lane. */
export function simdInstructions(emit: Emit, { fma, relaxed }: SimdOptions) {
  /** a * b + c. */
  const madd = (a: Operand<'v128'>, b: Operand<'v128'>, c: Operand<'v128'>): V128 =>
    fma ? f32x4.relaxedMadd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
  /** c - a * b. */
  const nmadd = (a: Operand<'v128'>, b: Operand<'v128'>, c: Operand<'v128'>): V128 =>
    fma ? f32x4.relaxedNmadd(a, b, c) : f32x4.sub(c, f32x4.mul(a, b));
  const maddDouble = (a: Operand<'v128'>, b: Operand<'v128'>, c: Operand<'v128'>): V128 =>
    fma ? f64x2.relaxedMadd(a, b, c) : f64x2.add(f64x2.mul(a, b), c);
  /** Lanes of `a` where the mask's 32-bit lane is all ones, of `b` where it is zero. Other masks: `v128.bitselect`. */
  const select = (mask: V128, a: Operand<'v128'>, b: Operand<'v128'>, lifted: Lift<'v128'>): V128 =>
    (relaxed ? laneselect : v128.bitselect)(lifted(a), lifted(b), mask);
  return {
    v128: {
      ...v128,
      store: store(emit, toI32x4, simd(11), 16),
      store8Lane: storeLane(emit, 8, 88),
      store16Lane: storeLane(emit, 16, 89),
      store32Lane: storeLane(emit, 32, 90),
      store64Lane: storeLane(emit, 64, 91),
    },
    f32x4: { ...f32x4, madd, nmadd, select: (mask: V128, a: Operand<'v128'>, b: Operand<'v128'>): V128 => select(mask, a, b, toF32x4) },
    i32x4: { ...i32x4, select: (mask: V128, a: Operand<'v128'>, b: Operand<'v128'>): V128 => select(mask, a, b, toI32x4) },
    f64x2: { ...f64x2, madd: maddDouble },
    i64x2,
    i16x8,
    i8x16,
  };
}
