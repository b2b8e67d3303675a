import type { Asked, NetworkCount } from '@shoal/analyze';
import { formatBytes, formatCount, formatMarkdown, formatTable, type Column } from '../table.ts';

const right = 'right' as const;
const unlessZero = (count: number, text: (count: number) => string): string => (count === 0 ? '' : text(count));
const ratio = (asked: number, least: number): string => (asked === 0 || least === 0 ? '' : (asked / least).toFixed(2));

const columns: readonly Column<Asked>[] = [
  { title: 'launches', align: right, text: ({ launches }) => String(launches) },
  { title: 'MACs', align: right, text: ({ macs }) => unlessZero(macs, formatCount) },
  { title: 'in products', align: right, text: ({ productMacs }) => unlessZero(productMacs, formatCount) },
  { title: 'ratio', align: right, text: ({ productMacs, macs }) => ratio(productMacs, macs) },
  { title: 'moved', align: right, text: ({ bytes }) => formatBytes(bytes) },
  { title: 'least', align: right, text: ({ leastBytes }) => formatBytes(leastBytes) },
  { title: 'ratio', align: right, text: ({ bytes, leastBytes }) => ratio(bytes, leastBytes) },
  { title: 'workgroup', align: right, text: ({ workgroupBytes }) => unlessZero(workgroupBytes, (bytes) => `${bytes / 1024} KiB`) },
  { title: 'sums', align: right, text: ({ accumulators }) => unlessZero(accumulators, String) },
];

const footnotes = [
  'launches: dispatches of one run. MACs: of the graph. in products: those that the tiles of matrix products compute, with what lies outside of the product; Winograd needs fewer than the graph has.',
  'moved: the tensors that each launch reads and writes, each whole and once. least: inputs, parameters and output of the row once. workgroup: the most memory that one workgroup shares. sums: the most that',
  'one thread keeps in registers. What weights alone decide is done once, and is in no row.',
];

const headline = ({ model, phase, backend, input: [n, h, w] }: NetworkCount): string =>
  `${model}, ${phase === 'fwd' ? 'inference' : 'a training step'}, ${n} image${n === 1 ? '' : 's'} of ${h}x${w}, backend ${backend}`;

const byKind = ({ kinds, total }: NetworkCount): readonly (Asked & { readonly kind: string })[] => [...kinds, { ...total, kind: 'total' }];
const kindColumns: readonly Column<Asked & { readonly kind: string }>[] = [{ title: 'kind', text: ({ kind }) => kind }, ...columns];

export function countText(counted: NetworkCount): string {
  const layers = formatTable([{ title: 'layer', text: ({ name }) => name }, ...columns], counted.layers);
  return [layers, '', formatTable(kindColumns, byKind(counted)), '', `${headline(counted)}.`, ...footnotes, ''].join('\n');
}

export const countMarkdown = (counted: NetworkCount): string =>
  `**${headline(counted)}**\n\n${formatMarkdown(kindColumns, byKind(counted))}`;
