import { formatBytes, formatCount, formatMs, formatTable, type Column } from '../table.ts';
import type { BenchRow } from './measure.ts';

const shape = (row: BenchRow): string => row.shape.output.slice(1).join('x');
const right = 'right' as const;

/** What is counted, then what is measured. Both phases of an arm have a row each. */
export const columns: readonly Column<BenchRow>[] = [
  { title: '#', text: (row) => row.id },
  { title: 'way', text: (row) => row.name },
  { title: 'phase', text: (row) => row.phase },
  { title: 'output', align: right, text: shape },
  { title: 'params', align: right, text: (row) => formatCount(row.params) },
  { title: 'MACs', align: right, text: (row) => formatCount(row.macs) },
  { title: 'compare', align: right, text: (row) => formatCount(row.comparisons) },
  { title: 'add', align: right, text: (row) => formatCount(row.additions) },
  { title: 'moved', align: right, text: (row) => formatBytes(row.bytes) },
  { title: 'field', align: right, text: (row) => `${row.receptiveField}x${row.receptiveField}` },
  { title: 'median ms', align: right, text: (row) => formatMs(row.medianMs) },
  { title: 'quartiles', align: right, text: (row) => `${formatMs(row.q1Ms)} .. ${formatMs(row.q3Ms)}` },
];

export interface TableGroup {
  readonly title: string;
  readonly rows: readonly BenchRow[];
}

export function groupRows(rows: readonly BenchRow[]): readonly TableGroup[] {
  return [...Map.groupBy(rows, (row) => `${row.question === 'one layer' ? 'One layer' : 'One network'}: ${row.group}`)].map(
    ([title, own]) => ({
      title,
      rows: own,
    }),
  );
}

export function benchTables(rows: readonly BenchRow[]): string {
  return groupRows(rows)
    .map(({ title, rows: own }) => `${title}\n${formatTable(columns, own)}\n`)
    .join('\n');
}
