import Table from 'cli-table3';

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  readonly text: (row: Row) => string;
}

/** A table for the terminal, without colours: it is as readable in a file. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    style: { head: [], border: [], compact: true },
  });
  rows.forEach((row) => table.push(columns.map(({ text }) => text(row))));
  return table.toString();
}

/** The same as Markdown. */
export function formatMarkdown<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map(({ align }) => (align === 'right' ? '--:' : '---'))),
    ...rows.map((row) => line(columns.map(({ text }) => text(row)))),
  ].join('');
}

const units = ['', ' k', ' M', ' G', ' T'];

/** `118013952` as `118.0 M`. */
export function formatCount(count: number): string {
  const power = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return power === 0 ? String(count) : `${(count / 1000 ** power).toFixed(1)}${units[power]}`;
}

export const formatBytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;

/** Three significant digits: what a median of a few dozen samples can carry. */
export const formatMs = (ms: number): string => (ms < 999.5 ? ms.toPrecision(3) : ms.toFixed(0));
