import type { Size2d, Window2d } from '@shoal/core';

/**
 * Loops over the cells of window `oh`, `ow` that lie inside an input plane: `body` sees the cell `h`, `w` and its place `r`, `s` in the
 * window, row-major. Padding is never visited.
 */
export function overCells({ window, stride, dilation, padding }: Window2d, input: Size2d, body: string): string {
  return `for (int r = 0; r < ${window.height}; r++) {
  const int h = oh * ${stride.height} - ${padding.top} + r * ${dilation.height};
  if (h < 0 || h >= ${input.height}) continue;
  for (int s = 0; s < ${window.width}; s++) {
    const int w = ow * ${stride.width} - ${padding.left} + s * ${dilation.width};
    if (w < 0 || w >= ${input.width}) continue;
    ${body}
  }
}
`;
}

/** The reverse of {@link overCells}: loops over the windows that hold cell `h`, `w`; `body` sees `oh`, `ow` and the cell's place `r`, `s`. */
export function overWindows({ window, stride, dilation, padding }: Window2d, output: Size2d, body: string): string {
  return `for (int r = 0; r < ${window.height}; r++) {
  const int down = h + ${padding.top} - r * ${dilation.height};
  if (down < 0 || down % ${stride.height} != 0 || down >= ${output.height * stride.height}) continue;
  const int oh = down / ${stride.height};
  for (int s = 0; s < ${window.width}; s++) {
    const int across = w + ${padding.left} - s * ${dilation.width};
    if (across < 0 || across % ${stride.width} != 0 || across >= ${output.width * stride.width}) continue;
    const int ow = across / ${stride.width};
    ${body}
  }
}
`;
}
