import { ShoalError, sizeOf } from '@shoal/core';

/** A tensor of an external case: flat, row-major, in the layout of its source. */
export interface ExternalTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'float64' | 'int64' | 'int32' | 'bool';
  /** float32 values are exact in float32; booleans are 0 and 1. */
  readonly data: readonly number[];
}

/** An attribute: a number, text, boolean, null, or lists of them. */
export type Attribute = number | string | boolean | null | readonly Attribute[];

export interface ExternalCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Null: an optional input that was left out. */
  readonly inputs: readonly (ExternalTensor | null)[];
  /** Null: an output that is not asserted. */
  readonly outputs: readonly (ExternalTensor | null)[];
  /** ONNX: the version of the operator set that gives attributes their meaning. */
  readonly opset: number;
  /** PyTorch: gradients arriving at outputs, by the outputs' names. */
  readonly upstream: readonly ExternalTensor[];
  /** PyTorch: the gradients of sum(output * upstream) to inputs, by the inputs' names. */
  readonly gradients: readonly ExternalTensor[];
  /** PyTorch: how far its own float32 result is from the numbers of the case, per output and per gradient. */
  readonly float32Error: { readonly outputs: readonly number[]; readonly gradients: readonly number[] } | null;
}

export type Source = 'onnx' | 'torch' | 'tfjs';

export interface ExternalFile {
  /** How reports name the file: `onnx/Conv.json`. */
  readonly path: string;
  readonly source: Source;
  readonly cases: readonly ExternalCase[];
}

/** Reads one file of cases. Throws a ShoalError that names the file where it is not one. */
export function parseFile(path: string, text: string): ExternalFile {
  const fail = (fact: string, cause?: unknown): never => {
    throw new ShoalError('FEED', {
      op: 'conformance',
      fact: `${path}: ${fact}`,
      next: 'Give a file of cases as ONNX, PyTorch or tfjs write them',
      cause,
    });
  };
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    return fail('not JSON', cause);
  }
  if (!isRecord(file) || !Array.isArray(file['cases']) || typeof file['source'] !== 'string')
    return fail("no 'source' and list of 'cases'");
  const source = sourceOf(file['source']) ?? fail(`unknown source '${file['source']}'`);
  return { path, source, cases: file['cases'].map((one: unknown, i) => parseCase(one, (fact) => fail(`case ${i}: ${fact}`))) };
}

function sourceOf(source: string): Source | null {
  if (/onnx/i.test(source)) return 'onnx';
  if (/tfjs|tensorflow/i.test(source)) return 'tfjs';
  return /torch/i.test(source) ? 'torch' : null;
}

type Fail = (fact: string) => never;

function parseCase(one: unknown, fail: Fail): ExternalCase {
  if (!isRecord(one)) return fail('not an object');
  const { name, op, attrs, inputs, outputs, opset } = one;
  if (typeof name !== 'string' || typeof op !== 'string') return fail("no 'name' and 'op'");
  if (!isRecord(attrs)) return fail("no 'attrs'");
  const list = (field: string): readonly (ExternalTensor | null)[] => {
    const tensors = one[field] ?? [];
    if (!Array.isArray(tensors)) return fail(`'${field}' is not a list`);
    return tensors.map((tensor: unknown, i) => (tensor === null ? null : parseTensor(tensor, (fact) => fail(`${field} ${i}: ${fact}`))));
  };
  if (inputs === undefined || outputs === undefined) return fail("no 'inputs' and 'outputs'");
  const present = (field: string): readonly ExternalTensor[] => list(field).filter((tensor) => tensor !== null);
  const error = one['torch_f32_max_abs_err'];
  return {
    name,
    op,
    attributes: Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, parseAttribute(value, fail)])),
    inputs: list('inputs'),
    outputs: list('outputs'),
    opset: typeof opset === 'number' ? opset : 0,
    upstream: present('upstream'),
    gradients: present('grads'),
    float32Error: isRecord(error) ? { outputs: numbers(error['outputs'], fail), gradients: numbers(error['grads'], fail) } : null,
  };
}

const dtypes = new Set(['float32', 'float64', 'int64', 'int32', 'bool']);

function parseTensor(tensor: unknown, fail: Fail): ExternalTensor {
  if (!isRecord(tensor)) return fail('not a tensor');
  const { name, dtype } = tensor;
  const shape = numbers(tensor['shape'], fail);
  const read = numbers(tensor['data'], fail);
  if (typeof dtype !== 'string' || !dtypes.has(dtype)) return fail(`unknown dtype '${String(dtype)}'`);
  if (read.length !== sizeOf(shape)) return fail(`${read.length} numbers for shape [${shape.join(',')}]`);
  const data = dtype === 'float32' ? read.map(Math.fround) : read;
  return { name: typeof name === 'string' ? name : '', shape, dtype: dtype as ExternalTensor['dtype'], data };
}

function numbers(list: unknown, fail: Fail): readonly number[] {
  if (!Array.isArray(list)) return fail('a list of numbers is missing');
  return list.map((value: unknown) => parseNumber(value) ?? fail(`'${String(value)}' is not a number`));
}

/** JSON has no NaN and no infinities: the files spell them. */
function parseNumber(value: unknown): number | null {
  if (typeof value === 'number') return value;
  if (value === 'NaN') return NaN;
  return value === 'Infinity' ? Infinity : value === '-Infinity' ? -Infinity : null;
}

function parseAttribute(value: unknown, fail: Fail): Attribute {
  const number = parseNumber(value);
  if (number !== null) return number;
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  return Array.isArray(value) ? value.map((each: unknown) => parseAttribute(each, fail)) : fail('an attribute is an object');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
