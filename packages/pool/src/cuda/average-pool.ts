import { constantTable, elements, overCells, overWindows, ravel, unravel, cudaKernel } from '@shoal/backend-cuda';
import { nhwc } from '@shoal/core';
import { averagePool as op, averagePoolGradient as gradient, windowDivisors } from '../average-pool.ts';

export const averagePool = cudaKernel(op, {
  fusion: { epilogue: true },
  emit({ inputs: [x], outputs: [y], attributes }) {
    const [, height, width] = nhwc(op.name, x!.shape);
    const divisors = windowDivisors(x!.shape, y!.shape, attributes);
    const [rows, columns] = [constantTable('rows', 'f32', divisors.rows), constantTable('columns', 'f32', divisors.columns)];
    const body = `${unravel('i', y!.shape, ['n', 'oh', 'ow', 'c'])}float total = 0.0f;
${overCells(attributes, { height, width }, `total += ${x!.read(ravel(x!.shape, ['n', 'h', 'w', 'c']))};`)}
${y!.write('i', `total / (${rows.at('oh')} * ${columns.at('ow')})`)}`;
    return [elements(y!.size, body, { tables: [rows, columns] })];
  },
});

/** Each cell adds up its share of the windows that hold it. */
export const averagePoolGradient = cudaKernel(gradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy], outputs: [dx], attributes }) {
    const [, height, width] = nhwc(gradient.name, dy!.shape);
    const divisors = windowDivisors(dx!.shape, dy!.shape, attributes);
    const [rows, columns] = [constantTable('rows', 'f32', divisors.rows), constantTable('columns', 'f32', divisors.columns)];
    const visit = `total += ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'c']))} / (${rows.at('oh')} * ${columns.at('ow')});`;
    const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}float total = 0.0f;
${overWindows(attributes, { height, width }, visit)}${dx!.write('i', 'total')}`;
    return [elements(dx!.size, body, { tables: [rows, columns] })];
  },
});
