import { collectKernels, type KernelSource } from '@shoal/backend-cuda/testing';
import { checksOf, evaluate } from '@shoal/conformance';
import { conv2d } from '@shoal/conv';
import { convCases } from '@shoal/conv/cases';
import { convCuda } from '@shoal/conv/cuda';
import {
  apply,
  concat,
  expression as e,
  fill,
  gradients,
  input,
  mapExpression,
  pad,
  reduce,
  slice,
  stopGradient,
  transpose,
  type CaseTable,
  type Dtype,
  type Runtime,
  type Shape,
  type Value,
} from '@shoal/core';
import { coreCases } from '@shoal/core/cases';
import { matmul } from '@shoal/math';
import { mathCases } from '@shoal/math/cases';
import { mathCuda } from '@shoal/math/cuda';
import { poolCases } from '@shoal/pool/cases';
import { poolCuda } from '@shoal/pool/cuda';
import { batchNormOp } from '@shoal/residual';
import { residualCases } from '@shoal/residual/cases';
import { residualCuda } from '@shoal/residual/cuda';

const dtypes: readonly Dtype[] = ['f32', 'i32', 'u32'];
const kinds = ['sum', 'max', 'min'] as const;
const yesAndNo = [true, false] as const;

/** The gradients of a value to tensors, with the value itself for its cotangent. */
const gradientsOf = (y: Value, to: readonly Value[]): readonly Value[] => gradients(y, to, { seed: stopGradient(y) });

/** What a kernel's text depends on besides shapes: dtypes, kinds, optional inputs, and how work is cut up, which sizes decide. */
function* programs(): Generator<readonly Value[]> {
  const x = (shape: Shape, dtype: Dtype = 'f32'): Value => input('x', shape, dtype);
  for (let count = 1; count <= 32; count *= 2) {
    const inputs = Array.from({ length: count }, (_, k) => input(`x${k}`, [4]));
    yield [mapExpression(inputs.map((_, k) => e.operand(k)).reduce(e.add), inputs)];
  }
  for (const dtype of dtypes) {
    yield [fill(1, [3], dtype)];
    yield [transpose(x([2, 3], dtype), [1, 0])];
    yield [slice(x([4], dtype), { start: [1], size: [2] })];
    yield [pad(x([4], dtype), { before: [1], after: [1] })];
    yield [concat([x([4], dtype), input('y', [3], dtype)], 0)];
    for (const kind of dtype === 'f32' ? kinds : kinds.slice(0, 1)) {
      for (const terms of [3, 200, 200_000]) {
        yield [reduce(x([5, terms], dtype), { kind, axes: [1] })];
        yield [reduce(x([terms, 5], dtype), { kind, axes: [0] })];
      }
      // Neither leading nor trailing: moved first.
      yield [reduce(x([2, 3, 4], dtype), { kind, axes: [1] })];
    }
  }
  for (const depth of [3, 5000]) {
    for (const transposeA of yesAndNo) {
      for (const transposeB of yesAndNo) {
        const [a, b] = [x(transposeA ? [depth, 8] : [8, depth]), input('y', transposeB ? [9, depth] : [depth, 9])];
        yield [matmul(a, b, { transposeA, transposeB })];
      }
    }
  }
  // Few and many channels, of a convolution and of its gradients; deep enough to be split, and not.
  for (const [side, channels, filters] of [
    [6, 9, 9],
    [6, 600, 600],
    [90, 9, 9],
    [6, 3, 3],
    [90, 3, 3],
    [400, 3, 3],
  ] as const) {
    const [image, weight, bias] = [x([1, side, side, channels]), input('w', [3, 3, channels, filters]), input('b', [filters])];
    const y = conv2d(image, weight, { padding: 1 });
    yield [y, ...gradientsOf(y, [image, weight])];
    yield [conv2d(image, weight, { padding: 1, bias })];
  }
  for (const rows of [3, 200, 200_000]) {
    const [value, scale] = [x([rows, 1, 1, 5]), input('scale', [5])];
    const y = apply(batchNormOp, [value, scale, scale], { epsilon: 1e-5 })[0]!;
    yield [y, ...gradientsOf(y, [value, scale])];
  }
}

const tables: readonly CaseTable[] = [...coreCases, ...mathCases, ...convCases, ...poolCases, ...residualCases];

async function compileAll(runtime: Runtime): Promise<void> {
  for (const outputs of programs()) await runtime.compile({ outputs: Object.fromEntries(outputs.map((value, k) => [`y${k}`, value])) });
  for (const table of tables) {
    for (const one of table.cases) for (const check of checksOf(one)) await evaluate(table, one, check, runtime, runtime);
  }
}

/** The generic kernels of every op, in an order of their own: with these, any program can be run. */
export async function genericKernels(): Promise<readonly KernelSource[]> {
  const kernels = await collectKernels([convCuda, mathCuda, poolCuda, residualCuda], compileAll, { generic: true });
  return kernels.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
