import {
  concatOp,
  fillOp,
  padOp,
  reshapeOp,
  sizeOf,
  sliceOp,
  stopGradientOp,
  stridesOf,
  transposeOp,
  type Fusion,
  type Shape,
} from '@shoal/core';
import { printConstant, typeNames } from '../expression.ts';
import {
  constantTable,
  cudaKernel,
  elements,
  unravel,
  type CudaInput,
  type CudaOutput,
  type CudaSite,
  type CudaTable,
  type Launch,
} from '../kernel.ts';
import { declareGather, type AxisSource, type DeclaredIndex } from './gather.ts';

/** Each element is read and written at most once, so elementwise neighbours cost nothing here. */
const fusion: Fusion = { epilogue: true, load: { 0: 'masked' } };

export const transposeKernel = cudaKernel(transposeOp, {
  fusion,
  emit(site) {
    const {
      inputs: [x],
      outputs: [y],
      attributes: { permutation },
    } = site;
    const strides = stridesOf(x!.shape);
    const sources = permutation.map((axis) => ({ stride: strides[axis]! }));
    return [gather(site, x!, y!, sources)];
  },
});

export const sliceKernel = cudaKernel(sliceOp, {
  fusion,
  emit(site) {
    const {
      inputs: [x],
      outputs: [y],
      attributes: { start, stride },
    } = site;
    const sources = stridesOf(x!.shape).map((each, axis) => ({ stride: each, start: start[axis]!, step: stride[axis]! }));
    return [gather(site, x!, y!, sources)];
  },
});

function gather(site: CudaSite<unknown>, x: CudaInput, y: CudaOutput, sources: readonly AxisSource[]): Launch {
  const { statements, tables } = declareGather(site, 'source', 'i', y.shape, sources);
  return elements(y.size, `${statements}${y.write('i', x.read('source'))}`, { tables });
}

export const padKernel = cudaKernel(padOp, {
  fusion,
  emit(site) {
    const {
      inputs: [x],
      outputs: [y],
      attributes: { before, interior, value },
    } = site;
    const axes = site.generic ? padLoop(x!.shape, y!.shape, before, interior) : padAxes(x!.shape, y!.shape, before, interior);
    const inside = x!.size === 0 && !site.generic ? 'false' : axes.inside;
    const text = `${axes.statements}${typeNames[y!.dtype]} value = ${printConstant(value, y!.dtype)};
if (${inside}) { value = ${x!.read(axes.source)}; }
${y!.write('i', 'value')}`;
    return [elements(y!.size, text, { tables: axes.tables })];
  },
});

/** Which element of a padded tensor's source lies at `i`, if one does. */
interface PaddedElement extends DeclaredIndex {
  readonly inside: string;
  readonly source: string;
}

function padAxes(from: Shape, to: Shape, before: readonly number[], interior: readonly number[]): PaddedElement {
  const strides = stridesOf(from);
  const axes = to.map((_, axis) => axis);
  const tests = axes.flatMap((axis) => {
    const [n, step] = [from[axis]!, interior[axis]! + 1];
    if (n === to[axis] && before[axis] === 0) return [];
    return [`q${axis} >= 0`, `q${axis} <= ${(n - 1) * step}`, ...(step > 1 ? [`q${axis} % ${step} == 0`] : [])];
  });
  const positions = unravel(
    'i',
    to,
    axes.map((axis) => `p${axis}`),
  );
  return {
    statements: positions + axes.map((axis) => `const int q${axis} = p${axis} - (${before[axis]!});\n`).join(''),
    tables: [],
    inside: tests.join(' && ') || 'true',
    source: axes.map((axis) => `q${axis} / ${interior[axis]! + 1} * ${strides[axis]!}`).join(' + ') || '0',
  };
}

function padLoop(from: Shape, to: Shape, before: readonly number[], interior: readonly number[]): PaddedElement {
  const table = (name: string, values: readonly number[]): CudaTable => constantTable(`pad_${name}`, 'i32', values);
  const [inner, size, first] = [table('inner', stridesOf(to)), table('size', to), table('before', before)];
  const last = table(
    'last',
    from.map((n, axis) => (n - 1) * (interior[axis]! + 1)),
  );
  const step = table(
    'step',
    interior.map((each) => each + 1),
  );
  const stride = table('stride', stridesOf(from));
  const statements = `int source = 0;
bool inside = true;
for (int axis = 0; axis < ${to.length}; axis++) {
  const int q = i / ${inner.at('axis')} % ${size.at('axis')} - ${first.at('axis')};
  inside = inside && q >= 0 && q <= ${last.at('axis')} && q % ${step.at('axis')} == 0;
  source += q / ${step.at('axis')} * ${stride.at('axis')};
}
`;
  return { statements, tables: [inner, size, first, last, step, stride], inside: 'inside', source: 'source' };
}

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
