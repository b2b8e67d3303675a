import type { ProfiledKind, ProfiledLayer, ProfileReport } from '@shoal/analyze';
import type { Mode } from '../bench/environment.ts';
import { formatBytes, formatCount, formatMs, formatTable, type Column } from '../table.ts';

export type Profiled = ProfileReport & Mode;

const right = 'right' as const;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const msText = (ms: number): string => (ms === 0 ? '' : formatMs(ms));
/** No step is as short as a microsecond: smaller floors say no more than that, and are not worth a ratio. */
export const leastFloor = 1e-3;
const floorText = ({ floorMs }: { readonly floorMs: number }): string =>
  floorMs > 0 && floorMs < leastFloor ? `< ${leastFloor}` : msText(floorMs);
const ratioText = ({ ratio, floorMs }: { readonly ratio: number | null; readonly floorMs: number }): string =>
  ratio === null || floorMs < leastFloor ? '-' : ratio < 10 ? ratio.toFixed(1) : ratio.toFixed(0);

/** How many layers that a kernel does as well are named before the rest is counted. */
const mostNamed = 3;

/** Which layers its kernels do as well; for a layer without kernels, in which layers' kernels it is. Without the block that they share with it. */
function others(layer: ProfiledLayer): string {
  const { name, includes, within } = layer;
  const block = name.slice(0, name.lastIndexOf('.') + 1);
  const short = (isWorking(layer) ? includes : within).map((each) =>
    block !== '' && each.startsWith(block) ? each.slice(block.length) : each,
  );
  const more = short.length - mostNamed;
  const text = [...short.slice(0, mostNamed), ...(more > 0 ? [`${more} more`] : [])].join(', ');
  return isWorking(layer) || text === '' ? text : `in ${text}`;
}

/** Whether a layer has a kernel of its own. */
const isWorking = ({ parts }: ProfiledLayer): boolean => parts.some(({ steps }) => steps > 0);
export const working = ({ layers }: ProfileReport): readonly ProfiledLayer[] => layers.filter(isWorking);

const directions = ['forward', 'backward', 'update'] as const;

/** The columns of a report's layers; those of a training step tell its directions apart. */
export function layerColumns({ phase }: ProfileReport): readonly Column<ProfiledLayer>[] {
  const times = directions.map((direction): Column<ProfiledLayer> => ({
    title: direction,
    align: right,
    text: ({ parts }) => msText(parts.find((part) => part.direction === direction)?.medianMs ?? 0),
  }));
  return [
    { title: 'layer', text: ({ name }) => name },
    { title: 'kind', text: ({ kind }) => kind },
    { title: 'output', align: right, text: ({ shape }) => shape.slice(1).join('x') },
    { title: 'MACs', align: right, text: ({ macs }) => (macs === 0 ? '' : formatCount(macs)) },
    { title: 'moved', align: right, text: ({ bytes }) => (bytes === 0 ? '' : formatBytes(bytes)) },
    ...(phase === 'step' ? times : []),
    { title: 'ms', align: right, text: ({ medianMs }) => msText(medianMs) },
    { title: 'share', align: right, text: ({ share }) => (share === 0 ? '' : percent(share)) },
    { title: 'floor', align: right, text: floorText },
    { title: 'by', text: ({ floorBy }) => floorBy ?? '' },
    { title: 'ratio', align: right, text: ratioText },
    { title: 'with', text: others },
  ];
}

export const kindColumns: readonly Column<ProfiledKind>[] = [
  { title: 'kind', text: ({ kind }) => kind },
  { title: 'layers', align: right, text: ({ layers }) => String(layers) },
  { title: 'MACs', align: right, text: ({ macs }) => (macs === 0 ? '' : formatCount(macs)) },
  { title: 'ms', align: right, text: ({ medianMs }) => formatMs(medianMs) },
  { title: 'share', align: right, text: ({ share }) => percent(share) },
  { title: 'floor', align: right, text: floorText },
  { title: 'ratio', align: right, text: ratioText },
];

/** What was measured, and what stands as the floor. */
export function headline(report: Profiled): readonly string[] {
  const { model, phase, input, backend, threads, wide, clock, limits, whole, stepwise, floorMs, macs } = report;
  const [n, h, w] = input;
  const copies = limits.copies.map(({ bytes, gbps }) => `${gbps.toPrecision(2)} GB/s for ${(bytes / 1e6).toFixed(0)} MB`).join(', ');
  return [
    `${model}, ${phase === 'fwd' ? 'inference' : 'a training step'}, ${n} image${n === 1 ? '' : 's'} of ${h}x${w}; backend ${backend}, ` +
      `${threads} thread${threads === 1 ? '' : 's'}${wide ? ', wide' : ''}, clock: ${clock}, ${whole.samplesNs.length} runs.`,
    `Whole: ${formatMs(whole.medianMs)} ms (${formatMs(whole.q1Ms)} .. ${formatMs(whole.q3Ms)}), ${((2 * macs) / whole.medianMs / 1e6).toPrecision(3)} GFLOP/s. ` +
      `Step by step: ${formatMs(stepwise.medianMs)} ms, the start of each step included. Floors: ${formatMs(floorMs)} ms.`,
    `The floor is the longer of arithmetic at ${limits.gflops.toPrecision(3)} GFLOP/s (${limits.fastest}) and moving inputs, ` +
      `parameters and output once, at the speed of a copy: ${copies}. Both were measured just before, on the same threads.`,
    ...tunedText(report),
  ];
}

/** How often each variant of a kernel ran, where the device chooses. */
function tunedText({ tuned }: Profiled): readonly string[] {
  if (tuned.length === 0) return [];
  const launches = new Map<string, number>();
  for (const { variant, launches: count } of tuned) launches.set(variant, (launches.get(variant) ?? 0) + count);
  const timed = tuned.filter(({ by }) => by !== 'estimate').length;
  const counts = [...launches].toSorted(([, a], [, b]) => b - a).map(([variant, count]) => `${count} of ${variant}`);
  return [`Launches by variant: ${counts.join(', ')}. Of ${tuned.length} kernels ${timed} were chosen by timing.`];
}

export const footnotes: readonly string[] = [
  'with: layers that the same kernels do; their time is in that row. moved: inputs, parameters and output once. ratio: time over floor. Below 1 is possible where a kernel needs fewer',
  'operations than the graph has (Winograd), or finds its data in a cache closer than the copy did. What weights alone decide is done once.',
];

export function profileText(report: Profiled): string {
  const rest = report.layers.length - working(report).length;
  return [
    formatTable(layerColumns(report), working(report)),
    ...(rest > 0 ? [`${rest} more layers are done by the kernels of those above.`] : []),
    '',
    formatTable(
      kindColumns,
      report.kinds.filter(({ medianMs }) => medianMs > 0),
    ),
    '',
    ...headline(report),
    ...footnotes,
    '',
  ].join('\n');
}
