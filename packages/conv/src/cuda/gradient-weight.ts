import { cudaKernel, gemm, ravel, reduction, unravel } from '@shoal/backend-cuda';
import { conv2dGradientWeight as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { byLibrary } from './library.ts';
import { cellIndex, fewColumns, inputCell, inside } from './products.ts';

/** Rows are places in the window and input channels, columns output channels, and the depth runs over all output cells of the batch. */
export const conv2dGradientWeight = cudaKernel(op, {
  fusion: { epilogue: true },
  lower([x, dy], attributes, lowering) {
    const geometry = conv2dGeometry(op.name, x!.shape, attributes.weightShape, attributes);
    return byLibrary('backward-filter', { x: x!, y: dy! }, geometry, attributes, lowering);
  },
  emit(site) {
    const {
      inputs: [x, dy],
      outputs: [dw],
      attributes,
    } = site;
    const geometry = conv2dGeometry(op.name, x!.shape, attributes.weightShape, attributes);
    const { batch, input, output, groups, channelsPerGroup, outputChannelsPerGroup, outputChannels } = geometry;
    const { window } = attributes;
    const cells = [batch, output.height, output.width];
    const depth = batch * output.height * output.width;
    if (outputChannelsPerGroup < fewColumns) {
      const channel = `channel / ${outputChannelsPerGroup} * ${channelsPerGroup} + c`;
      return reduction(site, {
        kind: 'sum',
        results: dw!.size,
        terms: depth,
        adjacent: 'results',
        term: `const int cell = r;
{
  ${unravel('o', dw!.shape, ['r', 's', 'c', 'channel'])}${unravel('cell', cells, ['n', 'oh', 'ow'])}${inputCell(attributes)}if (!${inside('h', 'w', input)}) return 0.0f;
  return ${x!.read(ravel(x!.shape, ['n', 'h', 'w', channel]))} * ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'channel']))};
}`,
        write: (o, value) => dw!.write(o, value),
      });
    }
    return gemm(site, {
      batch: groups,
      rows: window.height * window.width * channelsPerGroup,
      columns: outputChannelsPerGroup,
      depth,
      left: {
        tensor: x!,
        index: `${unravel('row', [window.height, window.width, channelsPerGroup], ['r', 's', 'c'])}${unravel('k', cells, ['n', 'oh', 'ow'])}${inputCell(attributes)}${cellIndex('h', 'w', input, ravel(x!.shape, ['n', 'h', 'w', `batch * ${channelsPerGroup} + c`]))}`,
        adjacent: 'across',
        inFours: channelsPerGroup % 4 === 0,
      },
      right: {
        tensor: dy!,
        index: `return k * ${outputChannels} + batch * ${outputChannelsPerGroup} + column;`,
        adjacent: 'across',
        inFours: outputChannelsPerGroup % 4 === 0,
      },
      write: ({ batch: group, row, column }, value) =>
        dw!.write(`${row} * ${outputChannels} + ${group} * ${outputChannelsPerGroup} + ${column}`, value),
    });
  },
});
