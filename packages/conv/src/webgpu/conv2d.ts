import { elements, gemm, overCells, ravel, readAt, unravel, wgslKernel, writeAt } from '@shoal/backend-webgpu';
import { conv2dOp } from '../conv2d.ts';
import { conv2dGeometry, outputShape } from '../geometry.ts';
import { depthwise } from './depthwise.ts';
import { along, fewColumns, isPointwise, isWideDepthwise, widthOf, cellOrZero } from './products.ts';
import { applyWinograd } from './winograd/choice.ts';

/**
 * An implicit matrix product per group: rows are output cells of the whole batch, columns output channels, and the depth runs over the
 * window and the group's input channels. Groups of few output channels would waste its tiles: there a thread computes one element, or
 * four channels of some cells of a depthwise convolution. Plain 3x3 ones may go Winograd's way.
 */
export const conv2d = wgslKernel(conv2dOp, {
  fusion: { epilogue: true },
  lower([x, weight, bias], attributes, lowering) {
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
    const target = { outputShape: outputShape(geometry), transposed: false };
    return applyWinograd({ source: x!, weight: weight!, bias }, attributes, target, lowering);
  },
  emit(site) {
    const {
      inputs: [x, weight, bias],
      outputs: [y],
      attributes,
    } = site;
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
    const { batch, input, channels, output, groups, channelsPerGroup, outputChannelsPerGroup, outputChannels } = geometry;
    const { window, stride, dilation, padding } = attributes;
    if (isWideDepthwise(geometry)) return [depthwise(geometry, attributes, { x: x!, weight: weight!, bias, y: y! })];
    if (outputChannelsPerGroup < fewColumns) {
      const visit = `for (var c = 0; c < ${channelsPerGroup}; c++) {
      total += ${x!.read(ravel(x!.shape, ['n', 'h', 'w', 'first + c']))} * ${weight!.read(ravel(weight!.shape, ['r', 's', 'c', 'o']))};
    }`;
      const body = `${unravel('i', y!.shape, ['n', 'oh', 'ow', 'o'])}let first = o / ${outputChannelsPerGroup} * ${channelsPerGroup};
var total = 0.0;
${overCells(attributes, input, visit)}${y!.write('i', bias ? `total + ${bias.read('o')}` : 'total')}`;
      return [elements(y!.size, body)];
    }
    const [inner, outer] = [widthOf(channelsPerGroup), widthOf(outputChannelsPerGroup)];
    const sourceAt = (cell: string, c: string): string => readAt(x!, `(${cell}) * ${channels} + batch * ${channelsPerGroup} + ${c}`, inner);
    const source = isPointwise(attributes)
      ? { load: `return ${sourceAt('origin.x', 'k')};` }
      : {
          origin: `${unravel('side', [batch, output.height, output.width], ['n', 'oh', 'ow'])}return vec4<i32>(n * ${input.height}, oh * ${stride.height} - ${padding.top}, ow * ${stride.width} - ${padding.left}, 0);`,
          load: `${unravel('k', [window.height, window.width, channelsPerGroup], ['r', 's', 'c'])}let h = origin.y + r * ${dilation.height};
let w = origin.z + s * ${dilation.width};
${cellOrZero(input, inner, (row, column) => sourceAt(`(origin.x + ${row}) * ${input.width} + ${column}`, 'c'))}`,
        };
    return gemm(site, {
      batch: groups,
      rows: batch * output.height * output.width,
      columns: outputChannelsPerGroup,
      depth: window.height * window.width * channelsPerGroup,
      left: along('depth', inner, source),
      right: along('side', outer, {
        load: `return ${readAt(weight!, `k * ${outputChannels} + batch * ${outputChannelsPerGroup} + origin.x`, outer)};`,
      }),
      vectorWrite: outer === 4,
      write({ batch: group, row, column }, value) {
        const channel = `${group} * ${outputChannelsPerGroup} + ${column}`;
        const biased = bias ? `${value} + ${readAt(bias, channel, outer)}` : value;
        return writeAt(y!, `${row} * ${outputChannels} + ${channel}`, biased, outer);
      },
    });
  },
});
