import { cudaKernel, elements, printConstant, reduction } from '@shoal/backend-cuda';
import { batchNormGradient as gradientOp, batchNormOp as op, valuesPerChannel } from '../batch-norm.ts';

/** Mean, then the mean square of what is left, then scale and shift: three passes over x. */
export const batchNorm = cudaKernel(op, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [x, gamma, beta],
      outputs: [y, mean, variance],
      attributes: { epsilon },
    } = site;
    const [rows, channels] = [valuesPerChannel(x!), gamma!.size];
    const [means, variances] = [site.scratch('f32', channels), site.scratch('f32', channels)];
    const perChannel = { kind: 'sum', results: channels, terms: rows, adjacent: 'results' } as const;
    const value = x!.read(`r * ${channels} + o`);
    const apply = `const int c = i % ${channels};
const float scale = ${gamma!.read('c')} / sqrtf(${variances.read('c')} + ${printConstant(epsilon, 'f32')});
${y!.write('i', `(${x!.read('i')} - ${means.read('c')}) * scale + ${beta!.read('c')}`)}`;
    return [
      ...reduction(site, {
        ...perChannel,
        term: `return ${value};`,
        write: (o, total) => `const float mean = ${total} / ${rows}.0f;\n${means.write(o, 'mean')}\n${mean!.write(o, 'mean')}`,
      }),
      ...reduction(site, {
        ...perChannel,
        term: `const float off = ${value} - ${means.read('o')};\nreturn off * off;`,
        write: (o, total) =>
          `const float variance = ${total} / ${rows}.0f;\n${variances.write(o, 'variance')}\n${variance!.write(o, 'variance')}`,
      }),
      elements(y!.size, apply),
    ];
  },
});

/** The two sums of each channel, then dx = gamma r (dy - (dbeta + h dgamma) / n). */
export const batchNormGradient = cudaKernel(gradientOp, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [x, gamma, mean, variance, dy],
      outputs: [dx, dGamma, dBeta],
      attributes: { epsilon },
    } = site;
    const [rows, channels] = [valuesPerChannel(x!), gamma!.size];
    const [sums, products] = [site.scratch('f32', channels), site.scratch('f32', channels)];
    const perChannel = { kind: 'sum', results: channels, terms: rows, adjacent: 'results' } as const;
    const root = (c: string): string => `1.0f / sqrtf(${variance!.read(c)} + ${printConstant(epsilon, 'f32')})`;
    const normalised = (i: string, c: string): string => `(${x!.read(i)} - ${mean!.read(c)}) * root`;
    const at = `r * ${channels} + o`;
    const apply = `const int c = i % ${channels};
const float root = ${root('c')};
const float rest = (${sums.read('c')} + ${normalised('i', 'c')} * ${products.read('c')}) / ${rows}.0f;
${dx!.write('i', `${gamma!.read('c')} * root * (${dy!.read('i')} - rest)`)}`;
    return [
      ...reduction(site, {
        ...perChannel,
        term: `return ${dy!.read(at)};`,
        write: (o, total) => `const float sum = ${total};\n${sums.write(o, 'sum')}\n${dBeta!.write(o, 'sum')}`,
      }),
      ...reduction(site, {
        ...perChannel,
        term: `const float root = ${root('o')};\nreturn ${dy!.read(at)} * ${normalised(at, 'o')};`,
        write: (o, total) => `const float product = ${total};\n${products.write(o, 'product')}\n${dGamma!.write(o, 'product')}`,
      }),
      elements(dx!.size, apply),
    ];
  },
});
