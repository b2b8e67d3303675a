import { expression as e, mapOp, stridesOf } from '@shoal/core';
import { printExpression } from '../expression.ts';
import { elements, readAt, wgslKernel } from '../kernel.ts';
import { broadcastIndex } from './broadcast.ts';

/** A thread computes an element, or four where the last axis divides by four and no expression asks where it is. */
export const mapKernel = wgslKernel(mapOp, {
  emit({ inputs, outputs: [y], attributes: { expression, shape } }) {
    const last = shape.at(-1) ?? 1;
    if (last % 4 === 0 && !e.usesCoordinates(expression)) {
      const { statements, result } = printExpression(expression, { input: (k) => `x${k}` });
      const reads = inputs.map((x, k) => {
        const index = broadcastIndex('(i * 4)', x.shape, shape);
        const isRepeated = x.shape.at(-1) !== last;
        return `let x${k} = ${isRepeated ? `vec4<${x.dtype}>(${x.read(index)})` : readAt(x, index, 4)};\n`;
      });
      const lane = (component: string): string => `map_lane(${inputs.map((_, k) => `x${k}.${component}`).join(', ')})`;
      const declarations = `fn map_lane(${inputs.map(({ dtype }, k) => `x${k}: ${dtype}`).join(', ')}) -> ${y!.dtype} {\n${statements}return ${result};\n}\n`;
      const value = `vec4<${y!.dtype}>(${['x', 'y', 'z', 'w'].map(lane).join(', ')})`;
      return [elements(y!.size / 4, `${reads.join('')}${y!.write4('i', value)}`, declarations)];
    }
    const strides = stridesOf(shape);
    const { statements, result } = printExpression(expression, {
      input: (k) => inputs[k]!.read(broadcastIndex('i', inputs[k]!.shape, shape)),
      coordinate: (axis) => `(i / ${strides[axis]!}) % ${shape[axis]!}`,
    });
    return [elements(y!.size, `${statements}${y!.write('i', result)}`)];
  },
});
