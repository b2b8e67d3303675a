import { nhwc } from '@shoal/core';
import { forEachPosition, referenceKernel } from '@shoal/core/reference';
import { bilinearCells, upsampleBilinearGradient, upsampleBilinearOp } from '../upsample-bilinear.ts';
import { nearestCell, upsampleNearestGradient, upsampleNearestOp } from '../upsample-nearest.ts';

export const upsampleNearestReference = referenceKernel(
  upsampleNearestOp,
  ({ inputs: [x], outputs: [y], attributes: { output, mode } }) => {
    const [, height, width, channels] = nhwc(upsampleNearestOp.name, x!.shape);
    forEachPosition(y!.shape, ([n, oh, ow, c], i) => {
      const h = nearestCell(mode, oh!, height, output.height);
      const w = nearestCell(mode, ow!, width, output.width);
      y!.data[i] = x!.data[((n! * height + h) * width + w) * channels + c!]!;
    });
  },
);

export const upsampleNearestGradientReference = referenceKernel(
  upsampleNearestGradient,
  ({ inputs: [dy], outputs: [dx], attributes: { output, mode, inputShape } }) => {
    const [, height, width, channels] = nhwc(upsampleNearestGradient.name, inputShape);
    forEachPosition(dy!.shape, ([n, oh, ow, c], i) => {
      const h = nearestCell(mode, oh!, height, output.height);
      const w = nearestCell(mode, ow!, width, output.width);
      dx!.data[((n! * height + h) * width + w) * channels + c!]! += dy!.data[i]!;
    });
  },
);

export const upsampleBilinearReference = referenceKernel(
  upsampleBilinearOp,
  ({ inputs: [x], outputs: [y], attributes: { output, alignCorners } }) => {
    const [, height, width, channels] = nhwc(upsampleBilinearOp.name, x!.shape);
    forEachPosition(y!.shape, ([n, oh, ow, c], i) => {
      const rows = bilinearCells(alignCorners, oh!, height, output.height);
      const columns = bilinearCells(alignCorners, ow!, width, output.width);
      const cell = (h: number, w: number): number => x!.data[((n! * height + h) * width + w) * channels + c!]!;
      const along = (h: number): number => cell(h, columns.low) * (1 - columns.weight) + cell(h, columns.high) * columns.weight;
      y!.data[i] = along(rows.low) * (1 - rows.weight) + along(rows.high) * rows.weight;
    });
  },
);

export const upsampleBilinearGradientReference = referenceKernel(
  upsampleBilinearGradient,
  ({ inputs: [dy], outputs: [dx], attributes: { output, alignCorners, inputShape } }) => {
    const [, height, width, channels] = nhwc(upsampleBilinearGradient.name, inputShape);
    forEachPosition(dy!.shape, ([n, oh, ow, c], i) => {
      const rows = bilinearCells(alignCorners, oh!, height, output.height);
      const columns = bilinearCells(alignCorners, ow!, width, output.width);
      const give = (h: number, w: number, share: number): void => {
        dx!.data[((n! * height + h) * width + w) * channels + c!]! += share * dy!.data[i]!;
      };
      give(rows.low, columns.low, (1 - rows.weight) * (1 - columns.weight));
      give(rows.low, columns.high, (1 - rows.weight) * columns.weight);
      give(rows.high, columns.low, rows.weight * (1 - columns.weight));
      give(rows.high, columns.high, rows.weight * columns.weight);
    });
  },
);
