import { cudaKernel, elements, gemm, overCells, ravel, unravel } from '@shoal/backend-cuda';
import { conv2dOp } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { byLibrary } from './library.ts';
import { cellIndex, fewColumns, inputCell } from './products.ts';

/**
 * An implicit matrix product per group: rows are output cells, columns output channels, and the depth runs over the window and the
 * group's input channels. Groups of few output channels (depthwise) would waste its tiles: there a thread computes one element.
 */
export const conv2d = cudaKernel(conv2dOp, {
  fusion: { epilogue: true },
  lower([x, weight, bias], attributes, lowering) {
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
    return byLibrary('forward', { x: x!, weight: weight!, bias }, geometry, attributes, lowering);
  },
  emit(site) {
    const {
      inputs: [x, weight, bias],
      outputs: [y],
      attributes,
    } = site;
    const geometry = conv2dGeometry(conv2dOp.name, x!.shape, weight!.shape, attributes);
    const { batch, input, output, groups, channelsPerGroup, outputChannelsPerGroup, outputChannels } = geometry;
    const { window } = attributes;
    const biased = (value: string, channel: string): string => (bias ? `${value} + ${bias.read(channel)}` : value);
    if (outputChannelsPerGroup < fewColumns) {
      const visit = `for (int c = 0; c < ${channelsPerGroup}; c++) {
      total = shoal_fma(${x!.read(ravel(x!.shape, ['n', 'h', 'w', 'first + c']))}, ${weight!.read(ravel(weight!.shape, ['r', 's', 'c', 'o']))}, total);
    }`;
      const body = `${unravel('i', y!.shape, ['n', 'oh', 'ow', 'o'])}const int first = o / ${outputChannelsPerGroup} * ${channelsPerGroup};
float total = 0.0f;
${overCells(attributes, input, visit)}${y!.write('i', biased('total', 'o'))}`;
      return [elements(y!.size, body)];
    }
    return gemm(site, {
      batch: groups,
      rows: batch * output.height * output.width,
      columns: outputChannelsPerGroup,
      depth: window.height * window.width * channelsPerGroup,
      left: {
        tensor: x!,
        index: `${unravel('row', [batch, output.height, output.width], ['n', 'oh', 'ow'])}${unravel('k', [window.height, window.width, channelsPerGroup], ['r', 's', 'c'])}${inputCell(attributes)}${cellIndex('h', 'w', input, ravel(x!.shape, ['n', 'h', 'w', `batch * ${channelsPerGroup} + c`]))}`,
        adjacent: 'k',
        inFours: channelsPerGroup % 4 === 0,
      },
      right: {
        tensor: weight!,
        index: `return k * ${outputChannels} + batch * ${outputChannelsPerGroup} + column;`,
        adjacent: 'across',
        inFours: outputChannelsPerGroup % 4 === 0,
      },
      write({ batch: group, row, column }, value) {
        const channel = `${group} * ${outputChannelsPerGroup} + ${column}`;
        return y!.write(`${row} * ${outputChannels} + ${channel}`, biased(value, channel));
      },
    });
  },
});
