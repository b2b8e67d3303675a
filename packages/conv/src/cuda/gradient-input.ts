import { cudaKernel, elements, gemm, overWindows, ravel, unravel } from '@shoal/backend-cuda';
import { conv2dGradientInput as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { byLibrary } from './library.ts';
import { cellIndex, fewColumns, phasesOf } from './products.ts';

/**
 * A gather: rows are input cells, columns input channels, and the depth runs over the windows that hold the cell and their channels.
 * With a stride, one product for each phase of cells that lie under the same places of a window.
 */
export const conv2dGradientInput = cudaKernel(op, {
  fusion: { epilogue: true },
  lower([dy, weight], attributes, lowering) {
    const geometry = conv2dGeometry(op.name, attributes.inputShape, weight!.shape, attributes);
    return byLibrary('backward-data', { weight: weight!, y: dy! }, geometry, attributes, lowering);
  },
  emit(site) {
    const {
      inputs: [dy, weight],
      outputs: [dx],
      attributes,
    } = site;
    const geometry = conv2dGeometry(op.name, attributes.inputShape, weight!.shape, attributes);
    const { batch, input, output, groups, channelsPerGroup, outputChannelsPerGroup } = geometry;
    const { window, stride, dilation, padding } = attributes;
    if (channelsPerGroup < fewColumns) {
      const visit = `for (int o = first; o < first + ${outputChannelsPerGroup}; o++) {
      total = shoal_fma(${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'o']))}, ${weight!.read(ravel(weight!.shape, ['r', 's', `c % ${channelsPerGroup}`, 'o']))}, total);
    }`;
      const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}const int first = c / ${channelsPerGroup} * ${outputChannelsPerGroup};
float total = 0.0f;
${overWindows(attributes, output, visit)}${dx!.write('i', 'total')}`;
      return [elements(dx!.size, body)];
    }
    const rows = phasesOf({
      input: input.height,
      window: window.height,
      stride: stride.height,
      dilation: dilation.height,
      padding: padding.top,
    });
    const columns = phasesOf({
      input: input.width,
      window: window.width,
      stride: stride.width,
      dilation: dilation.width,
      padding: padding.left,
    });
    const channel = `batch * ${outputChannelsPerGroup} + o`;
    return rows.flatMap((vertical) =>
      columns.flatMap((horizontal) => {
        const inner = unravel('k', [vertical.taps, horizontal.taps, outputChannelsPerGroup], ['tap', 'side', 'o']);
        const cell = unravel('row', [batch, vertical.cells, horizontal.cells], ['n', 'down', 'across']);
        return gemm(site, {
          batch: groups,
          rows: batch * vertical.cells * horizontal.cells,
          columns: channelsPerGroup,
          depth: vertical.taps * horizontal.taps * outputChannelsPerGroup,
          left: {
            tensor: dy!,
            index: `${cell}${inner}const int oh = down + (${vertical.offset}) - tap * ${vertical.outputStep};
const int ow = across + (${horizontal.offset}) - side * ${horizontal.outputStep};
${cellIndex('oh', 'ow', output, ravel(dy!.shape, ['n', 'oh', 'ow', channel]))}`,
            adjacent: 'k',
            inFours: outputChannelsPerGroup % 4 === 0,
          },
          right: {
            tensor: weight!,
            index: `${inner}const int r = ${vertical.place} + tap * ${vertical.placeStep};
const int s = ${horizontal.place} + side * ${horizontal.placeStep};
return ${ravel(weight!.shape, ['r', 's', 'column', channel])};`,
            adjacent: 'k',
            inFours: outputChannelsPerGroup % 4 === 0,
          },
          write({ batch: group, row, column }, value) {
            const h = `(${row} / ${horizontal.cells}) % ${vertical.cells} * ${stride.height} + ${vertical.first}`;
            const w = `${row} % ${horizontal.cells} * ${stride.width} + ${horizontal.first}`;
            const n = `${row} / ${vertical.cells * horizontal.cells}`;
            return dx!.write(ravel(dx!.shape, [n, h, w, `${group} * ${channelsPerGroup} + ${column}`]), value);
          },
        });
      }),
    );
  },
});
