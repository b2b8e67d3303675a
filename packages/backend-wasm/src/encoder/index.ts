export type { Arguments, FunctionBuilder, FunctionReference, Label, Locals, Parameters } from './function.ts';
export { ModuleBuilder, PAGE_BYTES } from './module.ts';
export type { FunctionSpecification, ModuleOptions } from './module.ts';
export { EncodeError } from './values.ts';
export type { F32, F64, I32, I64, Local, Operand, V128, Value, ValueType } from './values.ts';
export { compile, CompilationError, detectFeatures } from './features.ts';
export type { Features } from './features.ts';
export { exp, log, pow, sigmoid, tanh } from './transcendental.ts';
export { i16x8, i8x16 } from './small-integers.ts';
