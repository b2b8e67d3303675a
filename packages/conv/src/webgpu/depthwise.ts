import { elements, ravel, unravel, variants, type Dispatch, type Variant, type WgslInput, type WgslOutput } from '@shoal/backend-webgpu';
import type { Conv2dAttributes, Conv2dGeometry } from '../geometry.ts';

interface Tensors {
  readonly x: WgslInput;
  readonly weight: WgslInput;
  readonly bias: WgslInput | undefined;
  readonly y: WgslOutput;
}

/** A thread computes four channels of some neighbouring cells of a row, for which it reads the weights once. */
export function depthwise(geometry: Conv2dGeometry, attributes: Conv2dAttributes, tensors: Tensors): Dispatch {
  const ofCells = (cells: number): Variant => ({
    name: cells === 1 ? '1 cell' : `${cells} cells`,
    print: () => rowPieces(geometry, attributes, tensors, cells),
  });
  return variants([ofCells(1), ofCells(2), ofCells(4)]);
}

function rowPieces(
  { batch, input, channels, output }: Conv2dGeometry,
  { window, stride, dilation, padding }: Conv2dAttributes,
  { x, weight, bias, y }: Tensors,
  cells: number,
): Dispatch {
  const quads = channels / 4;
  const pieces = Math.ceil(output.width / cells);
  const each = (print: (cell: number) => string): string => Array.from({ length: cells }, (_, cell) => print(cell)).join('');
  const visit = (cell: number): string => `{
      let w = (ow + ${cell}) * ${stride.width} - ${padding.left} + s * ${dilation.width};
      if (w >= 0 && w < ${input.width}) { total_${cell} = fma(${x.read4(ravel([batch, input.height, input.width, quads], ['n', 'h', 'w', 'c']))}, weights, total_${cell}); }
    }
`;
  const store = (cell: number): string => {
    const place = ravel([batch, output.height, output.width, quads], ['n', 'oh', `ow + ${cell}`, 'c']);
    const write = y.write4(place, bias ? `total_${cell} + ${bias.read4('c')}` : `total_${cell}`);
    return output.width % cells === 0 ? `${write}\n` : `if (ow + ${cell} < ${output.width}) { ${write} }\n`;
  };
  const body = `${unravel('i', [batch, output.height, pieces, quads], ['n', 'oh', 'piece', 'c'])}let ow = piece * ${cells};
${each((cell) => `var total_${cell} = vec4<f32>();\n`)}for (var r = 0; r < ${window.height}; r++) {
  let h = oh * ${stride.height} - ${padding.top} + r * ${dilation.height};
  if (h < 0 || h >= ${input.height}) { continue; }
  for (var s = 0; s < ${window.width}; s++) {
    let weights = ${weight.read4(ravel([window.height, window.width, quads], ['r', 's', 'c']))};
    ${each(visit)}}
}
${each(store)}`;
  return elements(batch * output.height * pieces * quads, body);
}
