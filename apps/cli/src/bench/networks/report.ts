import * as Plot from '@observablehq/plot';
import { escapeHtml } from '../../html.ts';
import { factList, htmlPage, htmlTable, plotDocument } from '../../page.ts';
import { formatBytes, formatCount, formatMs, type Column } from '../../table.ts';
import type { Environment } from '../environment.ts';
import type { NetworkRow } from './measure.ts';

const right = 'right' as const;

export const networkColumns: readonly Column<NetworkRow>[] = [
  { title: 'model', text: ({ model }) => model },
  { title: 'phase', text: ({ phase }) => phase },
  { title: 'images', align: right, text: ({ input: [n, h, w] }) => `${n} of ${h}x${w}` },
  { title: 'params', align: right, text: ({ params }) => formatCount(params) },
  { title: 'MACs', align: right, text: ({ macs }) => formatCount(macs) },
  { title: 'median ms', align: right, text: ({ medianMs }) => formatMs(medianMs) },
  { title: 'quartiles', align: right, text: ({ q1Ms, q3Ms }) => `${formatMs(q1Ms)} .. ${formatMs(q3Ms)}` },
  { title: 'images/s', align: right, text: ({ imagesPerSecond }) => imagesPerSecond.toPrecision(3) },
  { title: 'GFLOP/s', align: right, text: ({ gflops }) => gflops.toPrecision(3) },
  { title: 'start ms', align: right, text: ({ startMs }) => formatMs(startMs) },
  { title: 'holds', align: right, text: ({ peakBytes }) => formatBytes(peakBytes) },
];

export const networkNotes: readonly string[] = [
  'fwd is inference with folded batch norm. step is forward, backward and gradient descent with momentum, in one program, on random labels.',
  'GFLOP/s counts two operations for each multiply-accumulate of the graph; a kernel that needs fewer (Winograd) can exceed the machine.',
  'Start: from the program to its first result, weights being there; rows after the first find the code generator warm.',
  'Holds: everything that exists during a run, variables (parameters, statistics, velocities), and what is packed or folded ahead.',
];

/** What handing each row's work to the device costs the host; nothing for backends that compute where it does. */
export function encodingNotes(rows: readonly NetworkRow[]): readonly string[] {
  return rows.flatMap(({ model, phase, encoding }) =>
    encoding
      ? [`${model} ${phase}: ${encoding.dispatches} dispatches, ${encoding.microsecondsPerDispatch.toFixed(2)} us of the host for each.`]
      : [],
  );
}

/** How it was measured, in one line. */
export function networkHeadline({ backend, threads, clock, wide, precision, samplesNs }: NetworkRow): string {
  const mode = [wide ? 'wide' : null, precision === 'default' ? null : `${precision} precision`].filter((each) => each !== null);
  return (
    [`Backend ${backend}`, `${threads} thread${threads === 1 ? '' : 's'}`, ...mode, `clock: ${clock}`].join(', ') +
    `, ${samplesNs.length} interleaved samples a row.`
  );
}

const nameOf = ({ model, phase }: NetworkRow): string => `${model} ${phase}`;

/** Every sample as a tick, the median as a dot. */
function timesPlot(rows: readonly NetworkRow[]): string {
  const samples = rows.flatMap((row) => row.samplesNs.map((ns) => ({ name: nameOf(row), phase: row.phase, ms: ns / 1e6 })));
  const medians = rows.map((row) => ({ name: nameOf(row), phase: row.phase, ms: row.medianMs }));
  return Plot.plot({
    document: plotDocument(),
    width: 900,
    height: 60 + 26 * rows.length,
    marginLeft: 180,
    x: { type: 'log', label: 'milliseconds (logarithmic)', grid: true, tickFormat: '~g' },
    y: { label: null, domain: rows.map(nameOf) },
    color: { domain: ['fwd', 'step'], range: ['#0f6ab4', '#c2571a'] },
    marks: [
      Plot.tickX(samples, { x: 'ms', y: 'name', stroke: 'phase', strokeOpacity: 0.35 }),
      Plot.dot(medians, { x: 'ms', y: 'name', fill: 'phase', r: 5, stroke: 'white' }),
    ],
  }).outerHTML;
}

export function networksPage(rows: readonly NetworkRow[], environment: Environment): string {
  return htmlPage(
    'Shoal bench: whole networks',
    `<h1>Whole networks</h1>
<p>${escapeHtml(networkHeadline(rows[0]!))}</p>
${timesPlot(rows)}
<p class="note key"><b style="background:#0f6ab4"></b> fwd <b style="background:#c2571a"></b> step; a tick is one sample, the dot is the median</p>
${htmlTable(networkColumns, rows)}
${[...encodingNotes(rows), ...networkNotes].map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n')}
<h2>Measured on</h2>
${factList({}, environment)}`,
  );
}
