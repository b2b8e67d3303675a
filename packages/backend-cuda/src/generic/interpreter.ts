import { expression as e, ShoalError, sizeOf, type Dtype, type Shape, type Value } from '@shoal/core';
import { plainLoad, plainStore, type Accessor, type EmittedLaunch } from '../emit.ts';
import { printExpression, typeNames } from '../expression.ts';
import { constantTable, elements } from '../kernel.ts';
import type { IndexTerm } from '../kernels/broadcast.ts';
import { fixed, fixedText } from '../text.ts';

/** A tensor that an expression reads, and which of its elements. */
export interface InterpretedInput {
  readonly value: Value;
  readonly terms: readonly IndexTerm[];
}

const dtypes: readonly Dtype[] = ['f32', 'i32', 'u32'];
const [x, y] = [(dtype: Dtype) => e.operand(0, dtype), (dtype: Dtype) => e.operand(1, dtype)];
const integers = dtypes.slice(1);

/** Every operation on numbers of the expression language, on inputs 0 and 1. Their order is their code. */
const operations: readonly e.Expression[] = [
  ...[e.neg, e.abs].flatMap((make) => dtypes.map((dtype) => make(x(dtype)))),
  ...[e.exp, e.log, e.sqrt, e.tanh, e.floor, e.ceil, e.round].map((make) => make(x('f32'))),
  ...[e.add, e.sub, e.mul, e.max, e.min, e.lt, e.le, e.gt, e.ge, e.eq, e.ne].flatMap((make) =>
    dtypes.map((dtype) => make(x(dtype), y(dtype))),
  ),
  ...[e.div, e.pow].map((make) => make(x('f32'), y('f32'))),
  ...[e.bitAnd, e.bitXor, e.shiftRight].flatMap((make) => integers.map((dtype) => make(x(dtype), y(dtype)))),
  ...dtypes.flatMap((from) => dtypes.filter((to) => to !== from).map((to) => e.cast(x(from), to))),
];

const keyOf = (of: e.Expression): string => `${of.kind} ${'op' in of ? of.op : ''} ${'a' in of ? of.a.dtype : ''} ${of.dtype}`;

/** The first codes are those of what is no operation on numbers. */
const [constantCode, coordinateCode, inputCode, selectCode, firstOperation] = [0, 1, 2, 3, 4];
const codes = new Map(operations.map((operation, k) => [keyOf(operation), firstOperation + k]));

/** Values that are alive at once, at most. The fusion of maps stays below it by far. */
const registerCount = 128;
const mostInputs = 32;

const asBits = (text: string, dtype: Dtype | 'bool'): string => (dtype === 'f32' ? `shoal_bits(${text})` : `(unsigned)${text}`);
const fromBits = (text: string, dtype: Dtype): string => (dtype === 'f32' ? `shoal_float(${text})` : `(${typeNames[dtype]})${text}`);

const operationCases = operations
  .map((operation, k) => {
    const { statements, result } = printExpression(operation, {
      input: (index, dtype) => fromBits(`registers[${index === 0 ? 'a' : 'b'}]`, dtype),
    });
    return `case ${firstOperation + k}: {\n${statements}registers[to] = ${asBits(result, operation.dtype)};\nbreak;\n}\n`;
  })
  .join('');

/**
 * One element of the expression that the table `program` spells out, five words an instruction: code, register of the result, operands. Words of
 * an input's index follow it, three a term. All threads of a warp take the same way.
 */
const body = (inputs: number, length: number, result: number): string => fixed`unsigned registers[${registerCount}];
for (int at = 0; at < ${String(length)};) {
const int code = program[at], to = program[at + 1], a = program[at + 2], b = program[at + 3], c = program[at + 4];
at += 5;
switch (code) {
case ${constantCode}: registers[to] = (unsigned)a; break;
case ${coordinateCode}: registers[to] = (unsigned)(i / a % b); break;
case ${inputCode}: {
int from = 0;
for (int term = 0; term < b; term++, at += 3) from += i / program[at] % program[at + 1] * program[at + 2];
switch (a) {
${Array.from({ length: inputs }, (_, k) => fixed`case ${k}: registers[to] = ${`x${k}`}(from); break;\n`).join('')}}
break;
}
case ${selectCode}: registers[to] = registers[a] != 0u ? registers[b] : registers[c]; break;
${fixedText(operationCases)}}
}
z(i, registers[${String(result)}]);`;

function limit(fact: string): ShoalError {
  return new ShoalError('UNSUPPORTED', { op: 'core/map', fact, next: 'Install NVRTC, which compiles it, or split the expression' });
}

/** The words of the table `program`, and the register with the result. A register is free again after its last use. */
function assembleProgram(expression: e.Expression, inputs: readonly InterpretedInput[], shape: Shape): { words: number[]; result: number } {
  const instructions = e.linearize(expression);
  const lastUse = new Map<number, number>();
  instructions.forEach(({ children }, at) => children.forEach((child) => lastUse.set(child, at)));
  const free = Array.from({ length: registerCount }, (_, k) => registerCount - 1 - k);
  const registers: number[] = [];
  const words = instructions.flatMap(({ expression: each, children }, at) => {
    const [a = 0, b = 0, c = 0] = children.map((child) => registers[child]!);
    new Set(children).forEach((child) => lastUse.get(child) === at && free.push(registers[child]!));
    const to = free.pop();
    if (to === undefined) throw limit(`an expression has more than ${registerCount} values at a time`);
    registers.push(to);
    switch (each.kind) {
      case 'constant':
        return [constantCode, to, wordOf(each.value, each.dtype), 0, 0];
      case 'coordinate': {
        const inner = shape.slice(each.axis + 1).reduce((product, n) => product * n, 1);
        return [coordinateCode, to, inner, shape[each.axis]!, 0];
      }
      case 'input': {
        const { terms } = inputs[each.index]!;
        return [inputCode, to, each.index, terms.length, 0, ...terms.flatMap(({ inner, size, stride }) => [inner, size, stride])];
      }
      case 'select':
        return [selectCode, to, a, b, c];
      default:
        return [codes.get(keyOf(each))!, to, a, b, 0];
    }
  });
  return { words, result: registers.at(-1)! };
}

function wordOf(value: number, dtype: Dtype): number {
  return dtype === 'f32' ? new Int32Array(Float32Array.of(value).buffer)[0]! : value | 0;
}

const bits = (accessor: Accessor): Accessor => ({ ...accessor, pointer: 'u32' });

/** Evaluates an expression for every element of `target`, by a kernel that takes it as data: slower than its text compiled, and the same for all. */
export function interpretation(expression: e.Expression, inputs: readonly InterpretedInput[], shape: Shape, target: Value): EmittedLaunch {
  if (inputs.length > mostInputs) throw limit(`an expression reads ${inputs.length} tensors, more than ${mostInputs}`);
  // The number of pointers is a power of two; those that are too many are never followed.
  const count = 2 ** Math.ceil(Math.log2(Math.max(1, inputs.length)));
  const loads = Array.from({ length: count }, (_, k) => bits(plainLoad(`x${k}`, inputs[k]?.value ?? target, 'u32')));
  const store = bits({
    ...plainStore('z', target),
    print: ({ at }) => `auto z = [&](const int i, const unsigned value) { ${at(target, 'i')} = value; };\n`,
  });
  const { words, result } = assembleProgram(expression, inputs, shape);
  const launch = elements(sizeOf(shape), body(count, words.length, result), { tables: [constantTable('program', 'i32', words)] });
  return { op: 'interpreter', launch, accessors: [...loads, store] };
}
