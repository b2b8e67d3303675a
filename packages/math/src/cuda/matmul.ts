import { declareBroadcast, gemm, cudaKernel } from '@shoal/backend-cuda';
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
    const [first, second] = [
      declareBroadcast(site, 'left_matrix', 'batch', a!.shape.slice(0, -2), batch),
      declareBroadcast(site, 'right_matrix', 'batch', b!.shape.slice(0, -2), batch),
    ];
    const left = attributes.transposeA ? `k * ${m} + row` : `row * ${k} + k`;
    const right = attributes.transposeB ? `column * ${k} + k` : `k * ${n} + column`;
    return gemm(site, {
      batch: sizeOf(batch),
      rows: m,
      columns: n,
      depth: k,
      left: {
        tensor: a!,
        index: `${first.statements}return left_matrix * ${m * k} + ${left};`,
        adjacent: attributes.transposeA ? 'across' : 'k',
        inFours: (attributes.transposeA ? m : k) % 4 === 0,
      },
      right: {
        tensor: b!,
        index: `${second.statements}return right_matrix * ${k * n} + ${right};`,
        adjacent: attributes.transposeB ? 'k' : 'across',
        inFours: (attributes.transposeB ? k : n) % 4 === 0,
      },
      tables: [...first.tables, ...second.tables],
      write: ({ batch: at, row, column }, value) => y!.write(`(${at} * ${m} + ${row}) * ${n} + ${column}`, value),
    });
  },
});
