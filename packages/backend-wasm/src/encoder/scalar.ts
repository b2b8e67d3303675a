import { load, store } from './memory.ts';
import type { Emit } from './memory.ts';
import { binary, each, constF32, constF64, constI32, constI64, toF32, toF64, toI32, toI64, unary } from './values.ts';

const i32Unary = (name: string, code: number) => unary(`i32.${name}`, toI32, 'i32', [code]);
const i32Binary = (name: string, code: number) => binary(`i32.${name}`, toI32, 'i32', [code]);
const i64Binary = (name: string, code: number) => binary(`i64.${name}`, toI64, 'i64', [code]);
const i64Compare = (name: string, code: number) => binary(`i64.${name}`, toI64, 'i32', [code]);
const f32Unary = (name: string, code: number) => unary(`f32.${name}`, toF32, 'f32', [code]);
const f32Binary = (name: string, code: number) => binary(`f32.${name}`, toF32, 'f32', [code]);
const f32Compare = (name: string, code: number) => binary(`f32.${name}`, toF32, 'i32', [code]);
const f64Unary = (name: string, code: number) => unary(`f64.${name}`, toF64, 'f64', [code]);
const f64Binary = (name: string, code: number) => binary(`f64.${name}`, toF64, 'f64', [code]);
const f64Compare = (name: string, code: number) => binary(`f64.${name}`, toF64, 'i32', [code]);

const i32 = {
  const: constI32,
  load: load('i32.load', 'i32', [0x28], 4),
  load8S: load('i32.load8_s', 'i32', [0x2c], 1),
  load8U: load('i32.load8_u', 'i32', [0x2d], 1),
  load16S: load('i32.load16_s', 'i32', [0x2e], 2),
  load16U: load('i32.load16_u', 'i32', [0x2f], 2),
  ...each(i32Unary, {
    eqz: 0x45,
    clz: 0x67,
    ctz: 0x68,
    popcnt: 0x69,
  }),
  ...each(i32Binary, {
    eq: 0x46,
    ne: 0x47,
    ltS: 0x48,
    ltU: 0x49,
    gtS: 0x4a,
    gtU: 0x4b,
    leS: 0x4c,
    leU: 0x4d,
    geS: 0x4e,
    geU: 0x4f,
    add: 0x6a,
    sub: 0x6b,
    mul: 0x6c,
    divS: 0x6d,
    divU: 0x6e,
    remS: 0x6f,
    remU: 0x70,
    and: 0x71,
    or: 0x72,
    xor: 0x73,
    shl: 0x74,
    shrS: 0x75,
    shrU: 0x76,
    rotl: 0x77,
    rotr: 0x78,
  }),
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
  ...each(i64Compare, {
    eq: 0x51,
    ne: 0x52,
    ltU: 0x54,
  }),
  ...each(i64Binary, {
    add: 0x7c,
    sub: 0x7d,
    mul: 0x7e,
    and: 0x83,
    or: 0x84,
    xor: 0x85,
    shl: 0x86,
    shrS: 0x87,
    shrU: 0x88,
  }),
  extendI32S: unary('i64.extend_i32_s', toI32, 'i64', [0xac]),
  extendI32U: unary('i64.extend_i32_u', toI32, 'i64', [0xad]),
  reinterpretF64: unary('i64.reinterpret_f64', toF64, 'i64', [0xbd]),
};

const f32 = {
  const: constF32,
  load: load('f32.load', 'f32', [0x2a], 4),
  ...each(f32Compare, {
    eq: 0x5b,
    ne: 0x5c,
    lt: 0x5d,
    gt: 0x5e,
    le: 0x5f,
    ge: 0x60,
  }),
  ...each(f32Unary, {
    abs: 0x8b,
    neg: 0x8c,
    ceil: 0x8d,
    floor: 0x8e,
    trunc: 0x8f,
    nearest: 0x90,
    sqrt: 0x91,
  }),
  ...each(f32Binary, {
    add: 0x92,
    sub: 0x93,
    mul: 0x94,
    div: 0x95,
    min: 0x96,
    max: 0x97,
    copysign: 0x98,
  }),
  convertI32S: unary('f32.convert_i32_s', toI32, 'f32', [0xb2]),
  convertI32U: unary('f32.convert_i32_u', toI32, 'f32', [0xb3]),
  demoteF64: unary('f32.demote_f64', toF64, 'f32', [0xb6]),
  reinterpretI32: unary('f32.reinterpret_i32', toI32, 'f32', [0xbe]),
};

const f64 = {
  const: constF64,
  load: load('f64.load', 'f64', [0x2b], 8),
  ...each(f64Compare, {
    eq: 0x61,
    ne: 0x62,
    lt: 0x63,
    gt: 0x64,
    le: 0x65,
    ge: 0x66,
  }),
  ...each(f64Unary, {
    abs: 0x99,
    neg: 0x9a,
    ceil: 0x9b,
    floor: 0x9c,
    trunc: 0x9d,
    nearest: 0x9e,
    sqrt: 0x9f,
  }),
  ...each(f64Binary, {
    add: 0xa0,
    sub: 0xa1,
    mul: 0xa2,
    div: 0xa3,
    min: 0xa4,
    max: 0xa5,
    copysign: 0xa6,
  }),
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
