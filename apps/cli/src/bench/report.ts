import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escapeHtml } from '../html.ts';
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
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const samples = rows.flatMap((row) => row.samplesNs.map((ns) => ({ way: row.name, phase: row.phase, ms: ns / 1e6 })));
  const medians = rows.map((row) => ({ way: row.name, phase: row.phase, ms: row.medianMs }));
  const plot = Plot.plot({
    document,
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

function table({ rows }: TableGroup): string {
  const head = columns.map(({ title }) => `<th>${escapeHtml(title)}</th>`).join('');
  const body = rows.map(
    (row) =>
      `<tr id="${row.id}">${columns.map(({ align, text }) => `<td class="${align ?? 'left'}">${escapeHtml(text(row))}</td>`).join('')}</tr>`,
  );
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

/** Row numbers in sentences become links to the rows. */
const linked = (sentence: string, rows: readonly BenchRow[]): string =>
  escapeHtml(sentence).replaceAll(/\b[LN]\d+\b/g, (id) => (rows.some((row) => row.id === id) ? `<a href="#${id}">${id}</a>` : id));

/** One page that needs nothing from anywhere: styles, plots and pictures are inside. */
export function htmlReport({ environment, rows, claims, answer, pictures, credit }: Report): string {
  const { backend, threads, clock, samplesNs } = rows[0]!;
  const { flags, notes, ...machine } = environment;
  const known = {
    backend,
    threads,
    clock,
    'samples a row': `${samplesNs.length}, interleaved`,
    ...machine,
    flags: Object.entries(flags)
      .map(([flag, value]) => `${flag}=${value}`)
      .join(' '),
    ...(notes.length > 0 && { notes: notes.join('; ') }),
  };
  const facts = Object.entries(known).map(([key, value]) => `<dt>${escapeHtml(key)}</dt><dd>${escapeHtml(String(value))}</dd>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pool or stride? Shoal bench</title>
<style>
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; }
body { max-width: 1140px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid #dde3ea; white-space: nowrap; }
td.right { text-align: right; } tr:target { background: #fff3cd; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } figure img { width: 200px; height: 200px; image-rendering: pixelated; display: block; }
figcaption, .note { color: #55606e; font-size: 13px; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: 13px; } dd { margin: 0; overflow-wrap: anywhere; }
.key b { display: inline-block; width: .8em; height: .8em; border-radius: 50%; }
svg { max-width: 100%; height: auto; }
</style>
<h1>Pool or stride?</h1>
<ol>${answer.map((sentence) => `<li>${linked(sentence, rows)}</li>`).join('\n')}</ol>
<h2>What each reduction keeps</h2>
${pictures.map(({ name, url }) => `<figure><img alt="${escapeHtml(name)}" src="${url}"><figcaption>${escapeHtml(name)}</figcaption></figure>`).join('\n')}
${credit ? `<p class="note">${escapeHtml(credit)}</p>` : ''}
${groupRows(rows)
  .map(
    (group) => `<h2>${escapeHtml(group.title)}</h2>
${timesPlot(group)}
<p class="note key"><b style="background:#0f6ab4"></b> forward <b style="background:#c2571a"></b> backward; a tick is one sample, the dot is the median</p>
${table(group)}`,
  )
  .join('\n')}
${claims.length > 0 ? `<h2>Claims, checked</h2><ul>${claims.map(({ claim, found, holds }) => `<li><b>${holds ? 'holds' : 'does not hold'}</b>: ${escapeHtml(claim)}. Found: ${linked(found, rows)}</li>`).join('\n')}</ul>` : ''}
<h2>Measured on</h2>
<dl>${facts.join('\n')}</dl>
<p class="note">Backward reads what forward saved and computes none of it again. "moved" counts every op's inputs once and outputs once in float32, before fusion.</p>
</html>
`;
}
