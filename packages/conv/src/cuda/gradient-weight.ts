import { cudaKernel, gemm, ravel, reduction, unravel } from '@shoal/backend-cuda';
import { conv2dGradientWeight as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { byLibrary } from './library.ts';
import { fewColumns, inputCell } from './products.ts';

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
    const cellOf = (index: string): string => `${unravel(index, cells, ['n', 'oh', 'ow'])}${inputCell(attributes, input)}`;
    if (outputChannelsPerGroup < fewColumns) {
      const channel = `channel / ${outputChannelsPerGroup} * ${channelsPerGroup} + c`;
      return reduction(site, {
        kind: 'sum',
        results: dw!.size,
        terms: depth,
        adjacent: 'results',
        term: `const int cell = r;
{
  ${unravel('o', dw!.shape, ['r', 's', 'c', 'channel'])}${cellOf('cell')}
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
      left: `${unravel('row', [window.height, window.width, channelsPerGroup], ['r', 's', 'c'])}${cellOf('k')}return ${x!.read(ravel(x!.shape, ['n', 'h', 'w', `batch * ${channelsPerGroup} + c`]))};`,
      right: `return ${dy!.read(`k * ${outputChannels} + batch * ${outputChannelsPerGroup} + column`)};`,
      leftAdjacent: 'row',
      write: ({ batch: group, row, column }, value) =>
        dw!.write(`${row} * ${outputChannels} + ${group} * ${outputChannelsPerGroup} + ${column}`, value),
    });
  },
});
