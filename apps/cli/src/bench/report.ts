import * as Plot from '@observablehq/plot';
import { escapeHtml } from '../html.ts';
import { factList, htmlPage, htmlTable, plotDocument } from '../page.ts';
import type { Claim } from './answer.ts';
import type { Environment } from './environment.ts';
import type { BenchRow } from './measure.ts';
import type { Picture } from './pictures.ts';
import { columns, groupRows, type TableGroup } from './tables.ts';

export interface Report {
  readonly environment: Environment;
  readonly rows: readonly BenchRow[];
  readonly claims: readonly Claim[];
  readonly answer: readonly string[];
  readonly pictures: readonly Picture[];
  readonly credit: string;
}

/** Every sample as a tick, the median as a dot: spread is seen, not summarised away. */
function timesPlot({ rows }: TableGroup): string {
  const samples = rows.flatMap((row) => row.samplesNs.map((ns) => ({ way: row.name, phase: row.phase, ms: ns / 1e6 })));
  const medians = rows.map((row) => ({ way: row.name, phase: row.phase, ms: row.medianMs }));
  const plot = Plot.plot({
    document: plotDocument(),
    width: 900,
    height: 60 + 26 * new Set(rows.map((row) => row.name)).size,
    marginLeft: 210,
    x: { type: 'log', label: 'milliseconds (logarithmic)', grid: true, tickFormat: String },
    y: { label: null, domain: [...new Set(rows.map((row) => row.name))] },
    color: { domain: ['fwd', 'bwd'], range: ['#0f6ab4', '#c2571a'] },
    marks: [
      Plot.tickX(samples, { x: 'ms', y: 'way', stroke: 'phase', strokeOpacity: 0.35 }),
      Plot.dot(medians, { x: 'ms', y: 'way', fill: 'phase', r: 5, stroke: 'white' }),
    ],
  });
  return plot.outerHTML;
}

/** Row numbers in sentences become links to the rows. */
const linked = (sentence: string, rows: readonly BenchRow[]): string =>
  escapeHtml(sentence).replaceAll(/\b[LN]\d+\b/g, (id) => (rows.some((row) => row.id === id) ? `<a href="#${id}">${id}</a>` : id));

/** One page that needs nothing from anywhere: styles, plots and pictures are inside. */
export function htmlReport({ environment, rows, claims, answer, pictures, credit }: Report): string {
  const { backend, threads, clock, samplesNs } = rows[0]!;
  return htmlPage(
    'Pool or stride? Shoal bench',
    `<h1>Pool or stride?</h1>
<ol>${answer.map((sentence) => `<li>${linked(sentence, rows)}</li>`).join('\n')}</ol>
<h2>What each reduction keeps</h2>
${pictures.map(({ name, url }) => `<figure><img alt="${escapeHtml(name)}" src="${url}"><figcaption>${escapeHtml(name)}</figcaption></figure>`).join('\n')}
${credit ? `<p class="note">${escapeHtml(credit)}</p>` : ''}
${groupRows(rows)
  .map(
    (group) => `<h2>${escapeHtml(group.title)}</h2>
${timesPlot(group)}
<p class="note key"><b style="background:#0f6ab4"></b> forward <b style="background:#c2571a"></b> backward; a tick is one sample, the dot is the median</p>
${htmlTable(columns, group.rows, ({ id }) => id)}`,
  )
  .join('\n')}
${claims.length > 0 ? `<h2>Claims, checked</h2><ul>${claims.map(({ claim, found, holds }) => `<li><b>${holds ? 'holds' : 'does not hold'}</b>: ${escapeHtml(claim)}. Found: ${linked(found, rows)}</li>`).join('\n')}</ul>` : ''}
<h2>Measured on</h2>
${factList({ backend, threads, clock, 'samples a row': `${samplesNs.length}, interleaved` }, environment)}
<p class="note">Backward reads what forward saved and computes none of it again. "moved" counts every op's inputs once and outputs once in float32, before fusion.</p>`,
  );
}
