import { elements, gemm, overWindows, ravel, readAt, tunedElements, unravel, wgslKernel, writeAt } from '@shoal/backend-webgpu';
import { conv2dGradientInput as op } from '../conv2d.ts';
import { conv2dGeometry } from '../geometry.ts';
import { along, cellOrZero, fewColumns, isPointwise, isWideDepthwise, widthOf } from './products.ts';
import { applyWinograd } from './winograd/choice.ts';

/**
 * A gather: rows are input cells, columns input channels, and the depth runs over the windows that hold the cell and their channels.
 * With a stride, cells that lie alike between the windows are a product of their own, over the places in the window that meet them.
 */
export const conv2dGradientInput = wgslKernel(op, {
  fusion: { epilogue: true },
  lower: ([dy, weight], attributes, lowering) =>
    applyWinograd({ source: dy!, weight: weight! }, attributes, { outputShape: attributes.inputShape, transposed: true }, lowering),
  emit(site) {
    const {
      inputs: [dy, weight],
      outputs: [dx],
      attributes,
    } = site;
    const geometry = conv2dGeometry(op.name, attributes.inputShape, weight!.shape, attributes);
    const { batch, input, channels, output, outputChannels, groups, channelsPerGroup, outputChannelsPerGroup } = geometry;
    const { window, stride, dilation, padding } = attributes;
    if (isWideDepthwise(geometry)) {
      const quads = channels / 4;
      const visit = `total = fma(${dy!.read4(ravel([batch, output.height, output.width, quads], ['n', 'oh', 'ow', 'c']))}, ${weight!.read4(ravel([window.height, window.width, quads], ['r', 's', 'c']))}, total);`;
      const body = `${unravel('i', [batch, input.height, input.width, quads], ['n', 'h', 'w', 'c'])}var total = vec4<f32>();
${overWindows(attributes, output, visit)}${dx!.write4('i', 'total')}`;
      return [tunedElements(dx!.size / 4, body)];
    }
    if (channelsPerGroup < fewColumns) {
      const visit = `for (var o = first; o < first + ${outputChannelsPerGroup}; o++) {
      total += ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'o']))} * ${weight!.read(ravel(weight!.shape, ['r', 's', `c % ${channelsPerGroup}`, 'o']))};
    }`;
      const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}let first = c / ${channelsPerGroup} * ${outputChannelsPerGroup};
var total = 0.0;
${overWindows(attributes, output, visit)}${dx!.write('i', 'total')}`;
      return [elements(dx!.size, body)];
    }
    const [inner, outer] = [widthOf(outputChannelsPerGroup), widthOf(channelsPerGroup)];
    const pointwise = isPointwise(attributes);
    const gradientAt = (cell: string, o: string): string =>
      readAt(dy!, `(${cell}) * ${outputChannels} + batch * ${outputChannelsPerGroup} + ${o}`, inner);
    const down = phasesOf(input.height, window.height, stride.height, dilation.height, padding.top);
    const across = phasesOf(input.width, window.width, stride.width, dilation.width, padding.left);
    const phases = down.flatMap((rows) => across.map((columns) => [rows, columns] as const));
    return phases.flatMap(([rows, columns]) => {
      const cells = [batch, rows.cells, columns.cells];
      const place = unravel('k', [rows.taps, columns.taps, outputChannelsPerGroup], ['i', 'j', 'o']);
      const source = pointwise
        ? { load: `return ${gradientAt('origin.x', 'k')};` }
        : {
            origin: `${unravel('side', cells, ['n', 'a', 'b'])}return vec4<i32>(n * ${output.height}, a + ${rows.window}, b + ${columns.window}, 0);`,
            load: `${place}let h = origin.y - i * ${rows.windowStep};
let w = origin.z - j * ${columns.windowStep};
${cellOrZero(output, inner, (row, column) => gradientAt(`(origin.x + ${row}) * ${output.width} + ${column}`, 'o'))}`,
          };
      const tap = `(${rows.tap} + i * ${rows.tapStep}) * ${window.width} + ${columns.tap} + j * ${columns.tapStep}`;
      return gemm(site, {
        batch: groups,
        rows: batch * rows.cells * columns.cells,
        columns: channelsPerGroup,
        depth: rows.taps * columns.taps * outputChannelsPerGroup,
        left: along('depth', inner, source),
        right: along('depth', inner, {
          load: `${place}return ${readAt(weight!, `((${tap}) * ${channelsPerGroup} + origin.x) * ${outputChannels} + batch * ${outputChannelsPerGroup} + o`, inner)};`,
        }),
        vectorWrite: outer === 4,
        write({ batch: group, row, column }, value) {
          const channel = `${group} * ${channelsPerGroup} + ${column}`;
          if (phases.length === 1) return writeAt(dx!, `${row} * ${channels} + ${channel}`, value, outer);
          const cell = ravel(
            [batch, input.height, input.width],
            ['n', `a * ${stride.height} + ${rows.first}`, `b * ${stride.width} + ${columns.first}`],
          );
          return `{ ${unravel(row, cells, ['n', 'a', 'b'])}${writeAt(dx!, `(${cell}) * ${channels} + ${channel}`, value, outer)} }`;
        },
      });
    });
  },
});

/**
 * The cells `first + stride * a` of one axis. Tap `tap + tapStep * i` of window `window + a - windowStep * i` lies on cell `a`, and
 * there are `taps` of them.
 */
interface Phase {
  readonly first: number;
  readonly cells: number;
  readonly tap: number;
  readonly tapStep: number;
  readonly taps: number;
  readonly window: number;
  readonly windowStep: number;
}

function phasesOf(size: number, window: number, stride: number, dilation: number, before: number): readonly Phase[] {
  return Array.from({ length: Math.min(stride, size) }, (_, first) => {
    const distance = (tap: number): number => first + before - tap * dilation;
    const taps = Array.from({ length: window }, (_unused, tap) => tap).filter((tap) => distance(tap) % stride === 0);
    const [tap = 0, next = tap] = taps;
    const tapStep = next - tap;
    return {
      first,
      cells: Math.ceil((size - first) / stride),
      tap,
      tapStep,
      taps: taps.length,
      window: distance(tap) / stride,
      windowStep: (tapStep * dilation) / stride,
    };
  });
}
