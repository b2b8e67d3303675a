import { broadcastIndex, gemm, readAt, wgslKernel, writeAt, type GemmFactor, type WgslInput } from '@shoal/backend-webgpu';
import { sizeOf } from '@shoal/core';
import { matmulOp, matmulSizes } from '../matmul.ts';

export const matmul = wgslKernel(matmulOp, {
  fusion: { epilogue: true },
  emit(site) {
    const {
      inputs: [a, b],
      outputs: [y],
      attributes,
    } = site;
    const { batch, m, k, n } = matmulSizes(a!, b!, attributes);
    const factor = (matrix: WgslInput, side: number, along: 'depth' | 'side'): GemmFactor => {
      const row = along === 'depth' ? k : side;
      const index = along === 'depth' ? `origin.x * ${row} + k` : `k * ${row} + origin.x`;
      const at = `(${broadcastIndex('batch', matrix.shape.slice(0, -2), batch)}) * ${k * side} + ${index}`;
      return row % 4 === 0 ? { vector: along, load: `return ${readAt(matrix, at, 4)};` } : { load: `return ${readAt(matrix, at, 1)};` };
    };
    const width = n % 4 === 0 ? 4 : 1;
    return gemm(site, {
      batch: sizeOf(batch),
      rows: m,
      columns: n,
      depth: k,
      left: factor(a!, m, attributes.transposeA ? 'side' : 'depth'),
      right: factor(b!, n, attributes.transposeB ? 'depth' : 'side'),
      vectorWrite: width === 4,
      write: ({ batch: at, row, column }, value) => writeAt(y!, `(${at} * ${m} + ${row}) * ${n} + ${column}`, value, width),
    });
  },
});
