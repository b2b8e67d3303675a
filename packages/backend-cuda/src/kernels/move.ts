import { concatOp, fillOp, padOp, reshapeOp, sizeOf, sliceOp, stopGradientOp, stridesOf, transposeOp, type Fusion } from '@shoal/core';
import { printConstant, typeNames } from '../expression.ts';
import { cudaKernel, elements, unravel } from '../kernel.ts';
import { gatherIndex } from './gather.ts';

/** Each element is read and written at most once, so elementwise neighbours cost nothing here. */
const fusion: Fusion = { epilogue: true, load: { 0: 'masked' } };

export const transposeKernel = cudaKernel(transposeOp, {
  fusion,
  emit({ inputs: [x], outputs: [y], attributes: { permutation } }) {
    const strides = stridesOf(x!.shape);
    const source = gatherIndex(
      'i',
      y!.shape,
      permutation.map((axis) => ({ stride: strides[axis]! })),
    );
    return [elements(y!.size, y!.write('i', x!.read(source)))];
  },
});

export const sliceKernel = cudaKernel(sliceOp, {
  fusion,
  emit({ inputs: [x], outputs: [y], attributes: { start, stride } }) {
    const source = gatherIndex(
      'i',
      y!.shape,
      stridesOf(x!.shape).map((each, axis) => ({ stride: each, start: start[axis]!, step: stride[axis]! })),
    );
    return [elements(y!.size, y!.write('i', x!.read(source)))];
  },
});

export const padKernel = cudaKernel(padOp, {
  fusion,
  emit({ inputs: [x], outputs: [y], attributes: { before, interior, value } }) {
    const strides = stridesOf(x!.shape);
    const axes = y!.shape.map((_, axis) => axis);
    const tests = axes.flatMap((axis) => {
      const [n, step] = [x!.shape[axis]!, interior[axis]! + 1];
      if (n === y!.shape[axis] && before[axis] === 0) return [];
      return [`q${axis} >= 0`, `q${axis} <= ${(n - 1) * step}`, ...(step > 1 ? [`q${axis} % ${step} == 0`] : [])];
    });
    const source = axes.map((axis) => `q${axis} / ${interior[axis]! + 1} * ${strides[axis]!}`).join(' + ');
    const inside = x!.size === 0 ? 'false' : tests.join(' && ') || 'true';
    const body = `${unravel(
      'i',
      y!.shape,
      axes.map((axis) => `p${axis}`),
    )}${axes.map((axis) => `const int q${axis} = p${axis} - (${before[axis]!});\n`).join('')}${typeNames[y!.dtype]} value = ${printConstant(value, y!.dtype)};
if (${inside}) { value = ${x!.read(source || '0')}; }
${y!.write('i', 'value')}`;
    return [elements(y!.size, body)];
  },
});

/** One launch for each part. */
export const concatKernel = cudaKernel(concatOp, {
  fusion: { epilogue: true, load: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [i, 'masked' as const])) },
  emit({ inputs, outputs: [y], attributes: { axis } }) {
    const row = sizeOf(y!.shape.slice(axis));
    let offset = 0;
    return inputs.map((x) => {
      const part = sizeOf(x.shape.slice(axis));
      const at = `i / ${part} * ${row} + ${offset} + i % ${part}`;
      offset += part;
      return elements(x.size, y!.write(at, x.read('i')));
    });
  },
});

export const fillKernel = cudaKernel(fillOp, {
  emit: ({ outputs: [y], attributes: { value } }) => [elements(y!.size, y!.write('i', printConstant(value, y!.dtype)))],
});

export const reshapeKernel = cudaKernel(reshapeOp, {
  emit: ({ inputs: [x], outputs: [y] }) => [elements(y!.size, y!.write('i', x!.read('i')))],
});

export const stopGradientKernel = cudaKernel(stopGradientOp, {
  emit: ({ inputs: [x], outputs: [y] }) => [elements(y!.size, y!.write('i', x!.read('i')))],
});
