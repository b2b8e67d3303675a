import { elements, gemm, overWindows, ravel, unravel, wgslKernel } from '@shoal/backend-webgpu';
import { conv2dGradientInput as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { fewColumns, outputCell } from './products.ts';

/** A gather: rows are input cells, columns input channels, and the depth runs over the windows that hold the cell and their channels. */
export const conv2dGradientInput = wgslKernel(op, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [dy, weight],
      outputs: [dx],
      attributes,
    } = site;
    const geometry = conv2dGeometry(op.name, attributes.inputShape, weight!.shape, attributes);
    const { batch, input, channels, output, groups, channelsPerGroup, outputChannelsPerGroup } = geometry;
    const { window } = attributes;
    if (channelsPerGroup < fewColumns) {
      const visit = `for (var o = first; o < first + ${outputChannelsPerGroup}; o++) {
      total += ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'o']))} * ${weight!.read(ravel(weight!.shape, ['r', 's', `c % ${channelsPerGroup}`, 'o']))};
    }`;
      const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}let first = c / ${channelsPerGroup} * ${outputChannelsPerGroup};
var total = 0.0;
${overWindows(attributes, output, visit)}${dx!.write('i', 'total')}`;
      return [elements(dx!.size, body)];
    }
    const inner = unravel('k', [window.height, window.width, outputChannelsPerGroup], ['r', 's', 'o']);
    const channel = `batch * ${outputChannelsPerGroup} + o`;
    return gemm(site, {
      batch: groups,
      rows: batch * input.height * input.width,
      columns: channelsPerGroup,
      depth: window.height * window.width * outputChannelsPerGroup,
      left: `${unravel('row', [batch, input.height, input.width], ['n', 'h', 'w'])}${inner}${outputCell(attributes, output)}
return ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', channel]))};`,
      right: `${inner}return ${weight!.read(ravel(weight!.shape, ['r', 's', 'column', channel]))};`,
      write: ({ batch: group, row, column }, value) =>
        dx!.write(`${row} * ${channels} + ${group} * ${channelsPerGroup} + ${column}`, value),
    });
  },
});
