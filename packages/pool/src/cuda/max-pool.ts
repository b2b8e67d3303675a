import { cudaKernel, elements, overCells, overWindows, ravel, unravel } from '@shoal/backend-cuda';
import { nhwc } from '@shoal/core';
import { maxPool as op, maxPoolGather as gather, maxPoolGradient as gradient } from '../max-pool.ts';

export const maxPool = cudaKernel(op, {
  emit({ inputs: [x], outputs: [y, winner], attributes }) {
    const [, height, width] = nhwc(op.name, x!.shape);
    const visit = `const float value = ${x!.read(ravel(x!.shape, ['n', 'h', 'w', 'c']))};
    if (at < 0 || value > best || (shoal_nan(value) && !shoal_nan(best))) { best = value; at = h * ${width} + w; }`;
    const body = `${unravel('i', y!.shape, ['n', 'oh', 'ow', 'c'])}float best = 0.0f;
int at = -1;
${overCells(attributes, { height, width }, visit)}${y!.write('i', 'best')}
${winner!.write('i', 'at')}`;
    return [elements(y!.size, body)];
  },
});

/** Each cell asks the windows that hold it whether it won them. */
export const maxPoolGradient = cudaKernel(gradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy, winner], outputs: [dx], attributes }) {
    const [, , width] = nhwc(gradient.name, dx!.shape);
    const [, oh, ow] = nhwc(gradient.name, dy!.shape);
    const visit = `const int at = ${ravel(dy!.shape, ['n', 'oh', 'ow', 'c'])};
    if (${winner!.read('at')} == h * ${width} + w) { total += ${dy!.read('at')}; }`;
    const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}float total = 0.0f;
${overWindows(attributes, { height: oh, width: ow }, visit)}${dx!.write('i', 'total')}`;
    return [elements(dx!.size, body)];
  },
});

export const maxPoolGather = cudaKernel(gather, {
  fusion: { epilogue: true },
  emit({ inputs: [x, winner], outputs: [y] }) {
    const [, height, width, channels] = nhwc(gather.name, x!.shape);
    const body = `${unravel('i', y!.shape, ['n', null, null, 'c'])}${y!.write('i', x!.read(`(n * ${height * width} + ${winner!.read('i')}) * ${channels} + c`))}`;
    return [elements(y!.size, body)];
  },
});
