import { constantTable, elements, ravel, unravel, cudaKernel, type CudaTable } from '@shoal/backend-cuda';
import { nhwc } from '@shoal/core';
import { bilinearCells, upsampleBilinearGradient as bilinearGradient, upsampleBilinearOp, type Between } from '../upsample-bilinear.ts';
import { nearestCell, upsampleNearestGradient as nearestGradient, upsampleNearestOp } from '../upsample-nearest.ts';

const range = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

export const upsampleNearest = cudaKernel(upsampleNearestOp, {
  fusion: { epilogue: true },
  emit({ inputs: [x], outputs: [y], attributes: { output, mode } }) {
    const [, height, width] = nhwc(upsampleNearestOp.name, x!.shape);
    const rows = constantTable(
      'rows',
      'i32',
      range(output.height, (j) => nearestCell(mode, j, height, output.height)),
    );
    const columns = constantTable(
      'columns',
      'i32',
      range(output.width, (j) => nearestCell(mode, j, width, output.width)),
    );
    const source = ravel(x!.shape, ['n', rows.at('oh'), columns.at('ow'), 'c']);
    return [
      elements(y!.size, `${unravel('i', y!.shape, ['n', 'oh', 'ow', 'c'])}${y!.write('i', x!.read(source))}`, { tables: [rows, columns] }),
    ];
  },
});

/** The outputs that read each input cell lie side by side: from `begin` to before `end`. */
interface Readers {
  readonly begin: CudaTable;
  readonly end: CudaTable;
}

function readersOf(name: string, length: number, size: number, reads: (j: number, cell: number) => boolean): Readers {
  const found = range(length, (cell) => range(size, (j) => j).filter((j) => reads(j, cell)));
  return {
    begin: constantTable(
      `${name}_begin`,
      'i32',
      found.map((list) => list[0] ?? 0),
    ),
    end: constantTable(
      `${name}_end`,
      'i32',
      found.map((list) => (list.at(-1) ?? -1) + 1),
    ),
  };
}

function gather(rows: Readers, columns: Readers, body: string): string {
  return `float total = 0.0f;
for (int oh = ${rows.begin.at('h')}; oh < ${rows.end.at('h')}; oh++) {
  for (int ow = ${columns.begin.at('w')}; ow < ${columns.end.at('w')}; ow++) {
    ${body}
  }
}
`;
}

export const upsampleNearestGradient = cudaKernel(nearestGradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy], outputs: [dx], attributes: { output, mode } }) {
    const [, height, width] = nhwc(nearestGradient.name, dx!.shape);
    const rows = readersOf('rows', height, output.height, (j, cell) => nearestCell(mode, j, height, output.height) === cell);
    const columns = readersOf('columns', width, output.width, (j, cell) => nearestCell(mode, j, width, output.width) === cell);
    const sum = gather(rows, columns, `total += ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'c']))};`);
    const body = `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}${sum}${dx!.write('i', 'total')}`;
    return [elements(dx!.size, body, { tables: [rows.begin, rows.end, columns.begin, columns.end] })];
  },
});

interface Betweens {
  readonly cells: readonly Between[];
  readonly low: CudaTable;
  readonly high: CudaTable;
  readonly weight: CudaTable;
}

function betweens(name: string, alignCorners: boolean, length: number, size: number): Betweens {
  const cells = range(size, (j) => bilinearCells(alignCorners, j, length, size));
  return {
    cells,
    low: constantTable(
      `${name}_low`,
      'i32',
      cells.map(({ low }) => low),
    ),
    high: constantTable(
      `${name}_high`,
      'i32',
      cells.map(({ high }) => high),
    ),
    weight: constantTable(
      `${name}_weight`,
      'f32',
      cells.map(({ weight }) => weight),
    ),
  };
}

export const upsampleBilinear = cudaKernel(upsampleBilinearOp, {
  fusion: { epilogue: true },
  emit({ inputs: [x], outputs: [y], attributes: { output, alignCorners } }) {
    const [, height, width] = nhwc(upsampleBilinearOp.name, x!.shape);
    const rows = betweens('rows', alignCorners, height, output.height);
    const columns = betweens('columns', alignCorners, width, output.width);
    const cell = (h: string, w: string): string => x!.read(ravel(x!.shape, ['n', h, w, 'c']));
    const along = (h: string): string => `${cell(h, 'left')} * (1.0f - across) + ${cell(h, 'right')} * across`;
    const body = `${unravel('i', y!.shape, ['n', 'oh', 'ow', 'c'])}const int left = ${columns.low.at('ow')};
const int right = ${columns.high.at('ow')};
const float across = ${columns.weight.at('ow')};
const float down = ${rows.weight.at('oh')};
const float upper = ${along(rows.low.at('oh'))};
const float lower = ${along(rows.high.at('oh'))};
${y!.write('i', 'upper * (1.0f - down) + lower * down')}`;
    return [elements(y!.size, body, { tables: [rows.low, rows.high, rows.weight, columns.low, columns.high, columns.weight] })];
  },
});

export const upsampleBilinearGradient = cudaKernel(bilinearGradient, {
  fusion: { epilogue: true },
  emit({ inputs: [dy], outputs: [dx], attributes: { output, alignCorners } }) {
    const [, height, width] = nhwc(bilinearGradient.name, dx!.shape);
    const axis = (name: string, length: number, size: number) => {
      const between = betweens(name, alignCorners, length, size);
      return {
        ...between,
        readers: readersOf(name, length, size, (j, cell) => between.cells[j]!.low === cell || between.cells[j]!.high === cell),
      };
    };
    const [rows, columns] = [axis('rows', height, output.height), axis('columns', width, output.width)];
    // Past the last cell, low and high are the same cell and both shares are its.
    const share = ({ low, high, weight }: Betweens, j: string, cell: string): string =>
      `((${low.at(j)} == ${cell} ? 1.0f - ${weight.at(j)} : 0.0f) + (${high.at(j)} == ${cell} ? ${weight.at(j)} : 0.0f))`;
    const sum = gather(
      rows.readers,
      columns.readers,
      `total += ${share(rows, 'oh', 'h')} * ${share(columns, 'ow', 'w')} * ${dy!.read(ravel(dy!.shape, ['n', 'oh', 'ow', 'c']))};`,
    );
    const tables = [rows, columns].flatMap(({ low, high, weight, readers }) => [low, high, weight, readers.begin, readers.end]);
    return [elements(dx!.size, `${unravel('i', dx!.shape, ['n', 'h', 'w', 'c'])}${sum}${dx!.write('i', 'total')}`, { tables })];
  },
});
