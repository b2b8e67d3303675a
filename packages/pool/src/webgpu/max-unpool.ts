import { elements, unravel, wgslKernel } from '@shoal/backend-webgpu';
import { nhwc } from '@shoal/core';
import { maxUnpool as op, maxUnpoolGradient as gradient } from '../max-unpool.ts';

/** One thread owns a plane of one channel and puts its values in row-major order: the last of several is the one that stays. */
export const maxUnpool = wgslKernel(op, {
  emit({ inputs: [x, winner], outputs: [y, source] }) {
    const [batch, height, width, channels] = nhwc(op.name, x!.shape);
    const [, oh, ow] = nhwc(op.name, y!.shape);
    const put = `let n = i / ${channels};
let c = i % ${channels};
for (var cell = 0; cell < ${height * width}; cell++) {
  let origin = (n * ${height * width} + cell) * ${channels} + c;
  let at = ${winner!.read('origin')};
  if (at < 0 || at >= ${oh * ow}) { continue; }
  let to = (n * ${oh * ow} + at) * ${channels} + c;
  ${y!.write('to', x!.read('origin'))}
  ${source!.write('to', 'cell')}
}`;
    return [elements(y!.size, `${y!.write('i', '0.0')}\n${source!.write('i', '-1')}`), elements(batch * channels, put)];
  },
});

export const maxUnpoolGradient = wgslKernel(gradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy, winner, source], outputs: [dx] }) {
    const [, , width, channels] = nhwc(gradient.name, dx!.shape);
    const [, oh, ow] = nhwc(gradient.name, dy!.shape);
    const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}let at = ${winner!.read('i')};
var value = 0.0;
if (at >= 0 && at < ${oh * ow}) {
  let origin = (n * ${oh * ow} + at) * ${channels} + c;
  if (${source!.read('origin')} == h * ${width} + w) { value = ${dy!.read('origin')}; }
}
${dx!.write('i', 'value')}`;
    return [elements(dx!.size, body)];
  },
});
