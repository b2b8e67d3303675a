import {
  constantTable,
  floats,
  overCells,
  overWindows,
  ravel,
  readAt,
  tunedElements,
  unravel,
  wgslKernel,
  writeAt,
} from '@shoal/backend-webgpu';
import { nhwc } from '@shoal/core';
import { averagePool as op, averagePoolGradient as gradient, windowDivisors } from '../average-pool.ts';
import { lanesOf } from './lanes.ts';

export const averagePool = wgslKernel(op, {
  fusion: { epilogue: true },
  emit({ inputs: [x], outputs: [y], attributes }) {
    const [, height, width] = nhwc(op.name, x!.shape);
    const { lanes, shape } = lanesOf(y!.shape);
    const divisors = windowDivisors(x!.shape, y!.shape, attributes);
    const [rows, columns] = [constantTable('rows', 'f32', divisors.rows), constantTable('columns', 'f32', divisors.columns)];
    const body = `${unravel('i', shape, ['n', 'oh', 'ow', 'c'])}var total = ${floats(lanes)}();
${overCells(attributes, { height, width }, `total += ${readAt(x!, ravel(x!.shape, ['n', 'h', 'w', `c * ${lanes}`]), lanes)};`)}
${writeAt(y!, `i * ${lanes}`, `total / (${rows.at('oh')} * ${columns.at('ow')})`, lanes)}`;
    return [tunedElements(y!.size / lanes, body, rows.declaration + columns.declaration)];
  },
});

/** Each cell adds up its share of the windows that hold it. */
export const averagePoolGradient = wgslKernel(gradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy], outputs: [dx], attributes }) {
    const [, height, width] = nhwc(gradient.name, dy!.shape);
    const { lanes, shape } = lanesOf(dx!.shape);
    const divisors = windowDivisors(dx!.shape, dy!.shape, attributes);
    const [rows, columns] = [constantTable('rows', 'f32', divisors.rows), constantTable('columns', 'f32', divisors.columns)];
    const visit = `total += ${readAt(dy!, ravel(dy!.shape, ['n', 'oh', 'ow', `c * ${lanes}`]), lanes)} / (${rows.at('oh')} * ${columns.at('ow')});`;
    const body = `${unravel('i', shape, ['n', 'h', 'w', 'c'])}var total = ${floats(lanes)}();
${overWindows(attributes, { height, width }, visit)}${writeAt(dx!, `i * ${lanes}`, 'total', lanes)}`;
    return [tunedElements(dx!.size / lanes, body, rows.declaration + columns.declaration)];
  },
});
