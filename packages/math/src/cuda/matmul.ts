import { broadcastIndex, gemm, cudaKernel } from '@shoal/backend-cuda';
import { sizeOf } from '@shoal/core';
import { matmulOp, matmulSizes } from '../matmul.ts';

export const matmul = cudaKernel(matmulOp, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [a, b],
      outputs: [y],
      attributes,
    } = site;
    const { batch, m, k, n } = matmulSizes(a!, b!, attributes);
    const matrix = (shape: readonly number[], size: number): string => `(${broadcastIndex('batch', shape.slice(0, -2), batch)}) * ${size}`;
    const left = attributes.transposeA ? `k * ${m} + row` : `row * ${k} + k`;
    const right = attributes.transposeB ? `column * ${k} + k` : `k * ${n} + column`;
    return gemm(site, {
      batch: sizeOf(batch),
      rows: m,
      columns: n,
      depth: k,
      left: `return ${a!.read(`${matrix(a!.shape, m * k)} + ${left}`)};`,
      right: `return ${b!.read(`${matrix(b!.shape, k * n)} + ${right}`)};`,
      leftAdjacent: attributes.transposeA ? 'row' : 'k',
      rightAdjacent: attributes.transposeB ? 'k' : 'column',
      write: ({ batch: at, row, column }, value) => y!.write(`(${at} * ${m} + ${row}) * ${n} + ${column}`, value),
    });
  },
});
