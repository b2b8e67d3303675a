import { elements, floats, readAt, reduction, wgslKernel, writeAt, type WgslInput, type Width } from '@shoal/backend-webgpu';
import { batchNormGradient as gradientOp, batchNormOp as op, valuesPerChannel } from '../batch-norm.ts';

const perChannel = (rows: number, channels: number, lanes: Width) =>
  ({ results: channels, terms: rows, adjacent: 'results', lanes }) as const;
/** The element of channel or channels `o` in row `r`. */
const cell = (channels: number, lanes: Width): string => `r * ${channels} + o * ${lanes}`;

/** The moments of each channel in one pass over x, then scale and shift. */
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
    const width: Width = channels % 4 === 0 ? 4 : 1;
    const channel = (tensor: Pick<WgslInput, 'read' | 'read4'>): string => readAt(tensor, 'c', width);
    const apply = `let at = i * ${width};
let c = at % ${channels};
let scale = ${channel(gamma!)} / sqrt(${channel(variances)} + ${epsilon.toExponential()});
${writeAt(y!, 'at', `(${readAt(x!, 'at', width)} - ${channel(means)}) * scale + ${channel(beta!)}`, width)}`;
    return [
      ...reduction(site, {
        kind: 'moments',
        ...perChannel(rows, channels, width),
        term: `return ${readAt(x!, cell(channels, width), width)};`,
        write: (o, average, squares) => `let at = ${o} * ${width};
let average = ${average};
let variance = ${squares} / ${rows}.0;
${[means, mean!].map((target) => writeAt(target, 'at', 'average', width)).join('\n')}
${[variances, variance!].map((target) => writeAt(target, 'at', 'variance', width)).join('\n')}`,
      }),
      elements(y!.size / width, apply),
    ];
  },
});

/** Both sums of each channel in one pass, then dx = gamma r (dy - (dbeta + h dgamma) / n). */
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
    const width: Width = channels % 4 === 0 ? 4 : 1;
    const root = `1.0 / sqrt(${readAt(variance!, 'c', width)} + ${epsilon.toExponential()})`;
    const normalised = `(${readAt(x!, 'at', width)} - ${readAt(mean!, 'c', width)}) * root`;
    const apply = `let at = i * ${width};
let c = at % ${channels};
let root = ${root};
let rest = (${readAt(sums, 'c', width)} + ${normalised} * ${readAt(products, 'c', width)}) / ${rows}.0;
${writeAt(dx!, 'at', `${readAt(gamma!, 'c', width)} * root * (${readAt(dy!, 'at', width)} - rest)`, width)}`;
    return [
      ...reduction(site, {
        kind: 'sum',
        sums: 2,
        ...perChannel(rows, channels, width),
        term: `let at = ${cell(channels, width)};
let c = o * ${width};
let root = ${root};
let slope = ${readAt(dy!, 'at', width)};
return array<${floats(width)}, 2>(slope, slope * ${normalised});`,
        write: (o, sum, product) => `let at = ${o} * ${width};
let sum = ${sum};
let product = ${product};
${[sums, dBeta!].map((target) => writeAt(target, 'at', 'sum', width)).join('\n')}
${[products, dGamma!].map((target) => writeAt(target, 'at', 'product', width)).join('\n')}`,
      }),
      elements(dx!.size / width, apply),
    ];
  },
});
