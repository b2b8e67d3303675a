import { referenceKernel } from '@shoal/core/reference';
import { batchNormGradient, batchNormOp, valuesPerChannel } from '../batch-norm.ts';

export const batchNormReference = referenceKernel(
  batchNormOp,
  ({ inputs: [x, gamma, beta], outputs: [y, mean, variance], attributes: { epsilon } }) => {
    const rows = valuesPerChannel(x!);
    const channels = gamma!.data.length;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += x!.data[row * channels + c]!;
      const centre = sum / rows;
      let squares = 0;
      for (let row = 0; row < rows; row++) squares += (x!.data[row * channels + c]! - centre) ** 2;
      mean!.data[c] = centre;
      variance!.data[c] = squares / rows;
      const scale = gamma!.data[c]! / Math.sqrt(squares / rows + epsilon);
      for (let row = 0; row < rows; row++) y!.data[row * channels + c] = (x!.data[row * channels + c]! - centre) * scale + beta!.data[c]!;
    }
  },
);

export const batchNormGradientReference = referenceKernel(
  batchNormGradient,
  ({ inputs: [x, gamma, mean, variance, dy], outputs: [dx, dGamma, dBeta], attributes: { epsilon } }) => {
    const rows = valuesPerChannel(x!);
    const channels = gamma!.data.length;
    for (let c = 0; c < channels; c++) {
      const root = 1 / Math.sqrt(variance!.data[c]! + epsilon);
      const normalised = (i: number): number => (x!.data[i]! - mean!.data[c]!) * root;
      let [sum, product] = [0, 0];
      for (let i = c; i < rows * channels; i += channels) {
        sum += dy!.data[i]!;
        product += dy!.data[i]! * normalised(i);
      }
      dBeta!.data[c] = sum;
      dGamma!.data[c] = product;
      for (let i = c; i < rows * channels; i += channels) {
        dx!.data[i] = gamma!.data[c]! * root * (dy!.data[i]! - (sum + normalised(i) * product) / rows);
      }
    }
  },
);
