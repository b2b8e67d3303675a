import { unsigned } from './bytes.ts';
import { load, memoryArgument, store } from './memory.ts';
import type { Emit } from './memory.ts';
import {
  binary,
  constLanes,
  constV128,
  each,
  EncodeError,
  extended,
  toF32,
  toF32x4,
  toF64,
  toF64x2,
  toI16x8,
  toI32,
  toI32x4,
  toI64x2,
  unary,
  Value,
} from './values.ts';
import type { Lift, Operand, V128, ValueType } from './values.ts';

export const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
const laneIndex = (lane: number, lanes: number, mnemonic: string): number => {
  if (!Number.isInteger(lane) || lane < 0 || lane >= lanes) throw new EncodeError(`${mnemonic}: lane ${lane} is outside 0..${lanes - 1}`);
  return lane;
};

export function vector(shape: string, lifted: Lift<'v128'>) {
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
  load32Splat: load('v128.load32_splat', 'v128', simd(9), 4),
  load32Zero: load('v128.load32_zero', 'v128', simd(92), 4),
  load32Lane: loadLane(32, 86),
  ...each(bits.one, {
    not: 77,
  }),
  ...each(bits.two, {
    and: 78,
    /** a and not b. */
    andnot: 79,
    or: 80,
    xor: 81,
  }),
  ...each(bits.three, {
    /** Bits of `a` where the mask is 1, of `b` where it is 0. */
    bitselect: 82,
  }),
  ...each(bits.test, {
    anyTrue: 83,
  }),
};

const float = (shape: 'f32x4' | 'f64x2', lifted: Lift<'v128'>, base: number, compare: number) => {
  const { one, two } = vector(shape, lifted);
  return {
    ...each(two, {
      eq: compare,
      ne: compare + 1,
      lt: compare + 2,
      gt: compare + 3,
      le: compare + 4,
      ge: compare + 5,
      add: base + 4,
      sub: base + 5,
      mul: base + 6,
      div: base + 7,
      /** IEEE minimum with NaN and -0 handled: about nine times the price of `pmin` on x64. */
      min: base + 8,
      max: base + 9,
      /** b < a ? b : a. A NaN in `b` is lost, one in `a` stays. */
      pmin: base + 10,
      /** a < b ? b : a. A NaN in `b` is lost, one in `a` stays: `pmax(x, 0)` is the ReLU that keeps NaN. */
      pmax: base + 11,
    }),
    ...each(one, {
      abs: base,
      neg: base + 1,
      sqrt: base + 3,
    }),
  };
};

const v4 = vector('f32x4', toF32x4);
const f32x4 = {
  ...float('f32x4', toF32x4, 224, 65),
  const: (a: number, b: number, c: number, d: number): V128 => constLanes(Float32Array.of(a, b, c, d)),
  splat: unary('f32x4.splat', toF32, 'v128', simd(19)),
  extractLane: v4.extract('extract_lane', 'f32', 4, 31),
  replaceLane: v4.replace(toF32, 4, 32),
  shuffle: v4.shuffle(4),
  ...each(v4.one, {
    ceil: 103,
    floor: 104,
    trunc: 105,
    /** Rounds halves to even. */
    nearest: 106,
  }),
  convertI32x4S: unary('f32x4.convert_i32x4_s', toI32x4, 'v128', simd(250)),
  convertI32x4U: unary('f32x4.convert_i32x4_u', toI32x4, 'v128', simd(251)),
  demoteF64x2Zero: unary('f32x4.demote_f64x2_zero', toF64x2, 'v128', simd(94)),
  ...each(v4.three, {
    /** Relaxed instructions: what they do with NaN, -0 or the intermediate rounding is the engine's choice. */
    relaxedMadd: 261,
    relaxedNmadd: 262,
  }),
};

const v2 = vector('f64x2', toF64x2);
const f64x2 = {
  ...float('f64x2', toF64x2, 236, 71),
  const: (a: number, b: number): V128 => constLanes(Float64Array.of(a, b)),
  splat: unary('f64x2.splat', toF64, 'v128', simd(20)),
  extractLane: v2.extract('extract_lane', 'f64', 2, 33),
  replaceLane: v2.replace(toF64, 2, 34),
  shuffle: v2.shuffle(2),
  ...each(v2.one, {
    ceil: 116,
    floor: 117,
    trunc: 122,
    nearest: 148,
  }),
  convertLowI32x4S: unary('f64x2.convert_low_i32x4_s', toI32x4, 'v128', simd(254)),
  promoteLowF32x4: unary('f64x2.promote_low_f32x4', toF32x4, 'v128', simd(95)),
  ...each(v2.three, {
    relaxedMadd: 263,
  }),
};

const n4 = vector('i32x4', toI32x4);
const i32x4 = {
  const: (a: number, b: number, c: number, d: number): V128 => constLanes(Int32Array.of(a, b, c, d)),
  splat: unary('i32x4.splat', toI32, 'v128', simd(17)),
  extractLane: n4.extract('extract_lane', 'i32', 4, 27),
  replaceLane: n4.replace(toI32, 4, 28),
  shuffle: n4.shuffle(4),
  ...each(n4.two, {
    eq: 55,
    ne: 56,
    ltS: 57,
    ltU: 58,
    gtS: 59,
    gtU: 60,
    leS: 61,
    leU: 62,
    geS: 63,
    geU: 64,
    add: 174,
    sub: 177,
    mul: 181,
    minS: 182,
    minU: 183,
    maxS: 184,
    maxU: 185,
  }),
  ...each(n4.one, {
    abs: 160,
    neg: 161,
  }),
  extendLowI16x8U: unary('i32x4.extend_low_i16x8_u', toI16x8, 'v128', simd(169)),
  extendHighI16x8U: unary('i32x4.extend_high_i16x8_u', toI16x8, 'v128', simd(170)),
  ...each(n4.shift, {
    shl: 171,
    shrS: 172,
    shrU: 173,
  }),
  truncSatF32x4S: unary('i32x4.trunc_sat_f32x4_s', toF32x4, 'v128', simd(248)),
  truncSatF32x4U: unary('i32x4.trunc_sat_f32x4_u', toF32x4, 'v128', simd(249)),
  truncSatF64x2SZero: unary('i32x4.trunc_sat_f64x2_s_zero', toF64x2, 'v128', simd(252)),
};

const d2 = vector('i64x2', toI64x2);
const i64x2 = {
  ...each(d2.two, {
    add: 206,
    sub: 209,
  }),
  ...each(d2.shift, {
    shl: 203,
    shrU: 205,
  }),
  extendLowI32x4U: unary('i64x2.extend_low_i32x4_u', toI32x4, 'v128', simd(201)),
  extendHighI32x4U: unary('i64x2.extend_high_i32x4_u', toI32x4, 'v128', simd(202)),
  /** 64-bit products of unsigned lanes 0 and 1 (low) or 2 and 3 (high): what a counter-based generator needs. */
  extmulLowI32x4U: binary('i64x2.extmul_low_i32x4_u', toI32x4, 'v128', simd(222)),
  extmulHighI32x4U: binary('i64x2.extmul_high_i32x4_u', toI32x4, 'v128', simd(223)),
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
    v128: extended(v128, {
      store: store(emit, toI32x4, simd(11), 16),
      store32Lane: storeLane(emit, 32, 90),
      store64Lane: storeLane(emit, 64, 91),
    }),
    f32x4: extended(f32x4, {
      madd,
      nmadd,
      select: (mask: V128, a: Operand<'v128'>, b: Operand<'v128'>): V128 => select(mask, a, b, toF32x4),
    }),
    i32x4: extended(i32x4, { select: (mask: V128, a: Operand<'v128'>, b: Operand<'v128'>): V128 => select(mask, a, b, toI32x4) }),
    f64x2: extended(f64x2, { madd: maddDouble }),
    i64x2,
  };
}
