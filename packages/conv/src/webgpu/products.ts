import type { Size2d, Window2d } from '@shoal/core';

/** Below this many columns the tiles of a matrix product are mostly empty. */
export const fewColumns = 8;

/** Statements of a function: the input cell `h`, `w` under place `r`, `s` of window `oh`, `ow`; padding returns 0. */
export function inputCell({ stride, dilation, padding }: Window2d, input: Size2d): string {
  return `let h = oh * ${stride.height} - ${padding.top} + r * ${dilation.height};
let w = ow * ${stride.width} - ${padding.left} + s * ${dilation.width};
if (h < 0 || h >= ${input.height} || w < 0 || w >= ${input.width}) { return 0.0; }
`;
}

/** Statements of a function: the window `oh`, `ow` that has cell `h`, `w` at place `r`, `s`; where there is none it returns 0. */
export function outputCell({ stride, dilation, padding }: Window2d, output: Size2d): string {
  return `let down = h + ${padding.top} - r * ${dilation.height};
let across = w + ${padding.left} - s * ${dilation.width};
if (down < 0 || across < 0 || down % ${stride.height} != 0 || across % ${stride.width} != 0) { return 0.0; }
let oh = down / ${stride.height};
let ow = across / ${stride.width};
if (oh >= ${output.height} || ow >= ${output.width}) { return 0.0; }
`;
}
