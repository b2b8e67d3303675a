import { elements, unravel, cudaKernel } from '@shoal/backend-cuda';
import { nhwc } from '@shoal/core';
import { maxUnpool as op, maxUnpoolGradient as gradient } from '../max-unpool.ts';

/** One thread owns a plane of one channel and puts its values in row-major order: the last of several is the one that stays. */
export const maxUnpool = cudaKernel(op, {
  emit({ inputs: [x, winner], outputs: [y, source] }) {
    const [batch, height, width, channels] = nhwc(op.name, x!.shape);
    const [, oh, ow] = nhwc(op.name, y!.shape);
    const put = `const int n = i / ${channels};
const int c = i % ${channels};
for (int cell = 0; cell < ${height * width}; cell++) {
  const int origin = (n * ${height * width} + cell) * ${channels} + c;
  const int at = ${winner!.read('origin')};
  if (at < 0 || at >= ${oh * ow}) continue;
  const int to = (n * ${oh * ow} + at) * ${channels} + c;
  ${y!.write('to', x!.read('origin'))}
  ${source!.write('to', 'cell')}
}`;
    return [elements(y!.size, `${y!.write('i', '0.0f')}\n${source!.write('i', '-1')}`), elements(batch * channels, put)];
  },
});

export const maxUnpoolGradient = cudaKernel(gradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy, winner, source], outputs: [dx] }) {
    const [, , width, channels] = nhwc(gradient.name, dx!.shape);
    const [, oh, ow] = nhwc(gradient.name, dy!.shape);
    const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}const int at = ${winner!.read('i')};
float value = 0.0f;
if (at >= 0 && at < ${oh * ow}) {
  const int origin = (n * ${oh * ow} + at) * ${channels} + c;
  if (${source!.read('origin')} == h * ${width} + w) { value = ${dy!.read('origin')}; }
}
${dx!.write('i', 'value')}`;
    return [elements(dx!.size, body)];
  },
});
