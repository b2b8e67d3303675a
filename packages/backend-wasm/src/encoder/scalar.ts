import { load, store } from './memory.ts';
import type { Emit } from './memory.ts';
import { binary, constF32, constF64, constI32, constI64, toF32, toF64, toI32, toI64, unary } from './values.ts';
import type { ValueType } from './values.ts';

const i32Unary = (name: string, code: number) => unary(`i32.${name}`, toI32, 'i32', [code]);
const i32Binary = (name: string, code: number) => binary(`i32.${name}`, toI32, 'i32', [code]);
const i64Binary = (name: string, code: number) => binary(`i64.${name}`, toI64, 'i64', [code]);
const i64Compare = (name: string, code: number) => binary(`i64.${name}`, toI64, 'i32', [code]);
const f32Unary = (name: string, code: number) => unary(`f32.${name}`, toF32, 'f32', [code]);
const f32Binary = <R extends ValueType>(name: string, type: R, code: number) => binary(`f32.${name}`, toF32, type, [code]);
const f64Unary = (name: string, code: number) => unary(`f64.${name}`, toF64, 'f64', [code]);
const f64Binary = <R extends ValueType>(name: string, type: R, code: number) => binary(`f64.${name}`, toF64, type, [code]);

const i32 = {
  const: constI32,
  load: load('i32.load', 'i32', [0x28], 4),
  load8S: load('i32.load8_s', 'i32', [0x2c], 1),
  load8U: load('i32.load8_u', 'i32', [0x2d], 1),
  load16S: load('i32.load16_s', 'i32', [0x2e], 2),
  load16U: load('i32.load16_u', 'i32', [0x2f], 2),
  eqz: i32Unary('eqz', 0x45),
  eq: i32Binary('eq', 0x46),
  ne: i32Binary('ne', 0x47),
  ltS: i32Binary('lt_s', 0x48),
  ltU: i32Binary('lt_u', 0x49),
  gtS: i32Binary('gt_s', 0x4a),
  gtU: i32Binary('gt_u', 0x4b),
  leS: i32Binary('le_s', 0x4c),
  leU: i32Binary('le_u', 0x4d),
  geS: i32Binary('ge_s', 0x4e),
  geU: i32Binary('ge_u', 0x4f),
  clz: i32Unary('clz', 0x67),
  ctz: i32Unary('ctz', 0x68),
  popcnt: i32Unary('popcnt', 0x69),
  add: i32Binary('add', 0x6a),
  sub: i32Binary('sub', 0x6b),
  mul: i32Binary('mul', 0x6c),
  divS: i32Binary('div_s', 0x6d),
  divU: i32Binary('div_u', 0x6e),
  remS: i32Binary('rem_s', 0x6f),
  remU: i32Binary('rem_u', 0x70),
  and: i32Binary('and', 0x71),
  or: i32Binary('or', 0x72),
  xor: i32Binary('xor', 0x73),
  shl: i32Binary('shl', 0x74),
  shrS: i32Binary('shr_s', 0x75),
  shrU: i32Binary('shr_u', 0x76),
  rotl: i32Binary('rotl', 0x77),
  rotr: i32Binary('rotr', 0x78),
  wrapI64: unary('i32.wrap_i64', toI64, 'i32', [0xa7]),
  reinterpretF32: unary('i32.reinterpret_f32', toF32, 'i32', [0xbc]),
  truncSatF32S: unary('i32.trunc_sat_f32_s', toF32, 'i32', [0xfc, 0]),
  truncSatF32U: unary('i32.trunc_sat_f32_u', toF32, 'i32', [0xfc, 1]),
  truncSatF64S: unary('i32.trunc_sat_f64_s', toF64, 'i32', [0xfc, 2]),
  truncSatF64U: unary('i32.trunc_sat_f64_u', toF64, 'i32', [0xfc, 3]),
};

const i64 = {
  const: constI64,
  load: load('i64.load', 'i64', [0x29], 8),
  eqz: unary('i64.eqz', toI64, 'i32', [0x50]),
  eq: i64Compare('eq', 0x51),
  ne: i64Compare('ne', 0x52),
  ltU: i64Compare('lt_u', 0x54),
  add: i64Binary('add', 0x7c),
  sub: i64Binary('sub', 0x7d),
  mul: i64Binary('mul', 0x7e),
  and: i64Binary('and', 0x83),
  or: i64Binary('or', 0x84),
  xor: i64Binary('xor', 0x85),
  shl: i64Binary('shl', 0x86),
  shrS: i64Binary('shr_s', 0x87),
  shrU: i64Binary('shr_u', 0x88),
  extendI32S: unary('i64.extend_i32_s', toI32, 'i64', [0xac]),
  extendI32U: unary('i64.extend_i32_u', toI32, 'i64', [0xad]),
  reinterpretF64: unary('i64.reinterpret_f64', toF64, 'i64', [0xbd]),
};

const f32 = {
  const: constF32,
  load: load('f32.load', 'f32', [0x2a], 4),
  eq: f32Binary('eq', 'i32', 0x5b),
  ne: f32Binary('ne', 'i32', 0x5c),
  lt: f32Binary('lt', 'i32', 0x5d),
  gt: f32Binary('gt', 'i32', 0x5e),
  le: f32Binary('le', 'i32', 0x5f),
  ge: f32Binary('ge', 'i32', 0x60),
  abs: f32Unary('abs', 0x8b),
  neg: f32Unary('neg', 0x8c),
  ceil: f32Unary('ceil', 0x8d),
  floor: f32Unary('floor', 0x8e),
  trunc: f32Unary('trunc', 0x8f),
  nearest: f32Unary('nearest', 0x90),
  sqrt: f32Unary('sqrt', 0x91),
  add: f32Binary('add', 'f32', 0x92),
  sub: f32Binary('sub', 'f32', 0x93),
  mul: f32Binary('mul', 'f32', 0x94),
  div: f32Binary('div', 'f32', 0x95),
  min: f32Binary('min', 'f32', 0x96),
  max: f32Binary('max', 'f32', 0x97),
  copysign: f32Binary('copysign', 'f32', 0x98),
  convertI32S: unary('f32.convert_i32_s', toI32, 'f32', [0xb2]),
  convertI32U: unary('f32.convert_i32_u', toI32, 'f32', [0xb3]),
  demoteF64: unary('f32.demote_f64', toF64, 'f32', [0xb6]),
  reinterpretI32: unary('f32.reinterpret_i32', toI32, 'f32', [0xbe]),
};

const f64 = {
  const: constF64,
  load: load('f64.load', 'f64', [0x2b], 8),
  eq: f64Binary('eq', 'i32', 0x61),
  ne: f64Binary('ne', 'i32', 0x62),
  lt: f64Binary('lt', 'i32', 0x63),
  gt: f64Binary('gt', 'i32', 0x64),
  le: f64Binary('le', 'i32', 0x65),
  ge: f64Binary('ge', 'i32', 0x66),
  abs: f64Unary('abs', 0x99),
  neg: f64Unary('neg', 0x9a),
  ceil: f64Unary('ceil', 0x9b),
  floor: f64Unary('floor', 0x9c),
  trunc: f64Unary('trunc', 0x9d),
  nearest: f64Unary('nearest', 0x9e),
  sqrt: f64Unary('sqrt', 0x9f),
  add: f64Binary('add', 'f64', 0xa0),
  sub: f64Binary('sub', 'f64', 0xa1),
  mul: f64Binary('mul', 'f64', 0xa2),
  div: f64Binary('div', 'f64', 0xa3),
  min: f64Binary('min', 'f64', 0xa4),
  max: f64Binary('max', 'f64', 0xa5),
  copysign: f64Binary('copysign', 'f64', 0xa6),
  convertI32S: unary('f64.convert_i32_s', toI32, 'f64', [0xb7]),
  convertI32U: unary('f64.convert_i32_u', toI32, 'f64', [0xb8]),
  promoteF32: unary('f64.promote_f32', toF32, 'f64', [0xbb]),
  reinterpretI64: unary('f64.reinterpret_i64', toI64, 'f64', [0xbf]),
};

/** Scalar instructions: WebAssembly's mnemonics in camelCase. Loads and stores take `(address, [value,] offset = 0, align = natural)`. */
export function scalarInstructions(emit: Emit) {
  return {
    i32: {
      ...i32,
      store: store(emit, toI32, [0x36], 4),
      store8: store(emit, toI32, [0x3a], 1),
      store16: store(emit, toI32, [0x3b], 2),
    },
    i64: { ...i64, store: store(emit, toI64, [0x37], 8) },
    f32: { ...f32, store: store(emit, toF32, [0x38], 4) },
    f64: { ...f64, store: store(emit, toF64, [0x39], 8) },
  };
}
