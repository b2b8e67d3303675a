import { elements, readAt, reduction, wgslKernel, writeAt, type WgslInput, type Width } from '@shoal/backend-webgpu';
import { batchNormGradient as gradientOp, batchNormOp as op, valuesPerChannel } from '../batch-norm.ts';

/** Mean, then the mean square of what is left, then scale and shift: three passes over x. */
export const batchNorm = wgslKernel(op, {
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
    const width: Width = channels % 4 === 0 ? 4 : 1;
    const channel = (tensor: Pick<WgslInput, 'read' | 'read4'>): string => readAt(tensor, 'c', width);
    const apply = `let at = i * ${width};
let c = at % ${channels};
let scale = ${channel(gamma!)} / sqrt(${channel(variances)} + ${epsilon.toExponential()});
${writeAt(y!, 'at', `(${readAt(x!, 'at', width)} - ${channel(means)}) * scale + ${channel(beta!)}`, width)}`;
    return [
      ...reduction(site, {
        ...perChannel,
        term: `return ${value};`,
        write: (o, total) => `let mean = ${total} / ${rows}.0;\n${means.write(o, 'mean')}\n${mean!.write(o, 'mean')}`,
      }),
      ...reduction(site, {
        ...perChannel,
        term: `let off = ${value} - ${means.read('o')};\nreturn off * off;`,
        write: (o, total) => `let variance = ${total} / ${rows}.0;\n${variances.write(o, 'variance')}\n${variance!.write(o, 'variance')}`,
      }),
      elements(y!.size / width, apply),
    ];
  },
});

/** The two sums of each channel, then dx = gamma r (dy - (dbeta + h dgamma) / n). */
export const batchNormGradient = wgslKernel(gradientOp, {
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
    const width: Width = channels % 4 === 0 ? 4 : 1;
    const root = (c: string, lanes: Width): string => `1.0 / sqrt(${readAt(variance!, c, lanes)} + ${epsilon.toExponential()})`;
    const normalised = (i: string, c: string, lanes: Width): string => `(${readAt(x!, i, lanes)} - ${readAt(mean!, c, lanes)}) * root`;
    const at = `r * ${channels} + o`;
    const apply = `let at = i * ${width};
let c = at % ${channels};
let root = ${root('c', width)};
let rest = (${readAt(sums, 'c', width)} + ${normalised('at', 'c', width)} * ${readAt(products, 'c', width)}) / ${rows}.0;
${writeAt(dx!, 'at', `${readAt(gamma!, 'c', width)} * root * (${readAt(dy!, 'at', width)} - rest)`, width)}`;
    return [
      ...reduction(site, {
        ...perChannel,
        term: `return ${dy!.read(at)};`,
        write: (o, total) => `let sum = ${total};\n${sums.write(o, 'sum')}\n${dBeta!.write(o, 'sum')}`,
      }),
      ...reduction(site, {
        ...perChannel,
        term: `let root = ${root('o', 1)};\nreturn ${dy!.read(at)} * ${normalised(at, 'o', 1)};`,
        write: (o, total) => `let product = ${total};\n${products.write(o, 'product')}\n${dGamma!.write(o, 'product')}`,
      }),
      elements(dx!.size / width, apply),
    ];
  },
});
