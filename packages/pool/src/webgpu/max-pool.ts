import {
  elements,
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
import { maxPool as op, maxPoolGather as gather, maxPoolGradient as gradient } from '../max-pool.ts';
import { lanesOf } from './lanes.ts';

export const maxPool = wgslKernel(op, {
  emit({ inputs: [x], outputs: [y, winner], attributes }) {
    const [, height, width] = nhwc(op.name, x!.shape);
    const { lanes, shape } = lanesOf(y!.shape);
    const component = (name: string, lane: number): string => (lanes === 1 ? name : `${name}[${lane}]`);
    const take = (lane: number): string => {
      const [value, best, at] = [component('values', lane), component('best', lane), component('at', lane)];
      return `{
      let wins = ${at} < 0 || ${value} > ${best} || (shoal_nan(${value}) && !shoal_nan(${best}));
      ${best} = select(${best}, ${value}, wins);
      ${at} = select(${at}, h * ${width} + w, wins);
    }`;
    };
    const visit = `let values = ${readAt(x!, ravel(x!.shape, ['n', 'h', 'w', `c * ${lanes}`]), lanes)};
    ${Array.from({ length: lanes }, (_, lane) => take(lane)).join('\n    ')}`;
    const body = `${unravel('i', shape, ['n', 'oh', 'ow', 'c'])}var best = ${floats(lanes)}();
var at = ${lanes === 1 ? '-1' : 'vec4<i32>(-1)'};
${overCells(attributes, { height, width }, visit)}${writeAt(y!, `i * ${lanes}`, 'best', lanes)}
${writeAt(winner!, `i * ${lanes}`, 'at', lanes)}`;
    return [tunedElements(y!.size / lanes, body)];
  },
});

/** Each cell asks the windows that hold it whether it won them. */
export const maxPoolGradient = wgslKernel(gradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy, winner], outputs: [dx], attributes }) {
    const [, , width] = nhwc(gradient.name, dx!.shape);
    const [, oh, ow] = nhwc(gradient.name, dy!.shape);
    const { lanes, shape } = lanesOf(dx!.shape);
    const isWinner = `${readAt(winner!, 'at', lanes)} == ${lanes === 1 ? '' : 'vec4<i32>'}(h * ${width} + w)`;
    const visit = `let at = ${ravel(dy!.shape, ['n', 'oh', 'ow', `c * ${lanes}`])};
    total += select(${floats(lanes)}(), ${readAt(dy!, 'at', lanes)}, ${isWinner});`;
    const body = `${unravel('i', shape, ['n', 'h', 'w', 'c'])}var total = ${floats(lanes)}();
${overWindows(attributes, { height: oh, width: ow }, visit)}${writeAt(dx!, `i * ${lanes}`, 'total', lanes)}`;
    return [tunedElements(dx!.size / lanes, body)];
  },
});

export const maxPoolGather = wgslKernel(gather, {
  fusion: { epilogue: true },
  emit({ inputs: [x, winner], outputs: [y] }) {
    const [, height, width, channels] = nhwc(gather.name, x!.shape);
    const body = `${unravel('i', y!.shape, ['n', null, null, 'c'])}${y!.write('i', x!.read(`(n * ${height * width} + ${winner!.read('i')}) * ${channels} + c`))}`;
    return [elements(y!.size, body)];
  },
});
