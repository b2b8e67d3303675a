import { gemm, ravel, readAt, reduction, unravel, wgslKernel, writeAt } from '@shoal/backend-webgpu';
import { conv2dGradientWeight as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { along, fewColumns, inputCell, isPointwise, isWideDepthwise, widthOf, cellOrZero } from './products.ts';

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
    if (outputChannelsPerGroup < fewColumns) {
      const lanes = widthOf(outputChannels);
      const sourceChannel = (channel: string): string => `(${channel}) / ${outputChannelsPerGroup} * ${channelsPerGroup} + c`;
      const sourceAt = (channel: string): string => ravel(x!.shape, ['n', 'h', 'w', channel]);
      const four = [0, 1, 2, 3].map((lane) => x!.read(sourceAt(sourceChannel(`channel + ${lane}`))));
      // Four channels of dy read four of x, or all the same, or each its own.
      const source =
        lanes === 1 || isWideDepthwise(geometry)
          ? readAt(x!, sourceAt(sourceChannel('channel')), lanes)
          : `vec4<f32>(${outputChannelsPerGroup % 4 === 0 ? four[0] : four.join(', ')})`;
      return reduction(site, {
        kind: 'sum',
        results: dw!.size,
        terms: depth,
        adjacent: 'results',
        lanes,
        term: `let term = r;
{
  ${unravel('o', [window.height, window.width, channelsPerGroup, outputChannels / lanes], ['r', 's', 'c', 'quad'])}let channel = quad * ${lanes};
  ${unravel('term', cells, ['n', 'oh', 'ow'])}${inputCell(attributes, input, lanes)}
  return ${source} * ${readAt(dy!, ravel(dy!.shape, ['n', 'oh', 'ow', 'channel']), lanes)};
}`,
        write: (o, value) => writeAt(dw!, `${o} * ${lanes}`, value, lanes),
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
