import { load, store } from './memory.ts';
import type { Emit } from './memory.ts';
import { binary, constF32, constF64, constI32, constI64, each, extended, toF32, toF64, toI32, unary } from './values.ts';

const i32Binary = (name: string, code: number) => binary(`i32.${name}`, toI32, 'i32', [code]);
const f32Binary = (name: string, code: number) => binary(`f32.${name}`, toF32, 'f32', [code]);
const f64Binary = (name: string, code: number) => binary(`f64.${name}`, toF64, 'f64', [code]);

const i32 = {
  const: constI32,
  load: load('i32.load', 'i32', [0x28], 4),
  eqz: unary('i32.eqz', toI32, 'i32', [0x45]),
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
  }),
};

const i64 = { const: constI64 };

const f32 = {
  const: constF32,
  load: load('f32.load', 'f32', [0x2a], 4),
  ...each(f32Binary, {
    add: 0x92,
    sub: 0x93,
    mul: 0x94,
    div: 0x95,
  }),
  sqrt: unary('f32.sqrt', toF32, 'f32', [0x91]),
  convertI32S: unary('f32.convert_i32_s', toI32, 'f32', [0xb2]),
  demoteF64: unary('f32.demote_f64', toF64, 'f32', [0xb6]),
};

const f64 = {
  const: constF64,
  load: load('f64.load', 'f64', [0x2b], 8),
  ...each(f64Binary, {
    add: 0xa0,
    sub: 0xa1,
    mul: 0xa2,
    div: 0xa3,
  }),
  convertI32S: unary('f64.convert_i32_s', toI32, 'f64', [0xb7]),
  promoteF32: unary('f64.promote_f32', toF32, 'f64', [0xbb]),
};

/**
 * Scalar instructions: WebAssembly's mnemonics in camelCase, those that kernels take, for every page loads them all. Loads and stores take
 * `(address, [value,] offset = 0, align = natural)`.
 */
export function scalarInstructions(emit: Emit) {
  return {
    i32: extended(i32, { store: store(emit, toI32, [0x36], 4) }),
    i64,
    f32: extended(f32, { store: store(emit, toF32, [0x38], 4) }),
    f64: extended(f64, { store: store(emit, toF64, [0x39], 8) }),
  };
}
