import { gemm, ravel, readAt, reduction, unravel, wgslKernel, writeAt } from '@shoal/backend-webgpu';
import { conv2dGradientWeight as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { along, fewColumns, inputCell, isPointwise, widthOf, cellOrZero } from './products.ts';

/** Rows are places in the window and input channels, columns output channels, and the depth runs over all output cells of the batch. */
export const conv2dGradientWeight = wgslKernel(op, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [x, dy],
      outputs: [dw],
      attributes,
    } = site;
    const geometry = conv2dGeometry(op.name, x!.shape, attributes.weightShape, attributes);
    const { batch, input, channels, output, groups, channelsPerGroup, outputChannelsPerGroup, outputChannels } = geometry;
    const { window, stride, dilation, padding } = attributes;
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
        term: `let term = r;
{
  ${unravel('o', dw!.shape, ['r', 's', 'c', 'channel'])}${cellOf('term')}
  return ${x!.read(ravel(x!.shape, ['n', 'h', 'w', channel]))} * ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'channel']))};
}`,
        write: (o, value) => dw!.write(o, value),
      });
    }
    const [inner, outer] = [widthOf(channelsPerGroup), widthOf(outputChannelsPerGroup)];
    const sourceAt = (cell: string, c: string): string => readAt(x!, `(${cell}) * ${channels} + batch * ${channelsPerGroup} + ${c}`, inner);
    const source = isPointwise(attributes)
      ? { load: `return ${sourceAt('k', 'origin.x')};` }
      : {
          origin: `${unravel('side', [window.height, window.width, channelsPerGroup], ['r', 's', 'c'])}return vec4<i32>(r * ${dilation.height} - ${padding.top}, s * ${dilation.width} - ${padding.left}, c, 0);`,
          load: `${unravel('k', cells, ['n', 'oh', 'ow'])}let h = oh * ${stride.height} + origin.x;
let w = ow * ${stride.width} + origin.y;
${cellOrZero(input, inner, (row, column) => sourceAt(`(n * ${input.height} + ${row}) * ${input.width} + ${column}`, 'origin.z'))}`,
        };
    return gemm(site, {
      batch: groups,
      rows: window.height * window.width * channelsPerGroup,
      columns: outputChannelsPerGroup,
      depth,
      left: along('side', inner, source),
      right: along('side', outer, {
        load: `return ${readAt(dy!, `k * ${outputChannels} + batch * ${outputChannelsPerGroup} + origin.x`, outer)};`,
      }),
      vectorWrite: outer === 4,
      write: ({ batch: group, row, column }, value) =>
        writeAt(dw!, `${row} * ${outputChannels} + ${group} * ${outputChannelsPerGroup} + ${column}`, value, outer),
    });
  },
});
