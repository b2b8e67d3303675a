import type { FlowReport } from '@shoal/analyze';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Environment } from '../bench/environment.ts';
import { escapeHtml } from '../html.ts';
import {
  comparisonTable,
  edgeNote,
  edgeTable,
  headline,
  isolatedText,
  poolTable,
  reachNote,
  reachTable,
  shownEdges,
  stageTable,
  trunkText,
  type Table,
} from './tables.ts';

interface Named {
  readonly name: string;
  readonly summary: { readonly values: readonly number[]; readonly mean: number; readonly interval: readonly [number, number] | null };
}

interface PlotOptions {
  readonly label: string;
  readonly domain: readonly [number, number];
  /** Where a line is drawn, if that is within the domain. */
  readonly reference?: number;
}

const colour = '#0f6ab4';

/** Every run as a tick, the mean as a dot, the interval as a bar. Logarithmic; what is exactly 0 has no place and stays out. */
function ticks(rows: readonly Named[], { label, domain, reference }: PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const runs = rows.flatMap(({ name, summary }) => summary.values.filter((value) => value > 0).map((value) => ({ name, value })));
  const means = rows.filter(({ summary }) => summary.mean > 0).map(({ name, summary }) => ({ name, value: summary.mean }));
  const bars = rows.flatMap(({ name, summary: { interval } }) =>
    interval && interval[0] > 0 ? [{ name, low: interval[0], high: interval[1] }] : [],
  );
  return Plot.plot({
    document,
    width: 460,
    height: 60 + 22 * rows.length,
    marginLeft: 150,
    x: { type: 'log', label, grid: true, domain, tickFormat: '~g' },
    y: { label: null, domain: rows.map(({ name }) => name) },
    marks: [
      ...(reference === undefined ? [] : [Plot.ruleX([reference], { stroke: '#c2571a', strokeDasharray: '4 3' })]),
      Plot.tickX(runs, { x: 'value', y: 'name', stroke: colour, strokeOpacity: 0.45 }),
      Plot.ruleY(bars, { x1: 'low', x2: 'high', y: 'name', stroke: colour, strokeWidth: 3, strokeOpacity: 0.5 }),
      Plot.dot(means, { x: 'value', y: 'name', fill: colour, r: 4, stroke: 'white' }),
    ],
  }).outerHTML;
}

const stageRows = ({ activations }: FlowReport): readonly Named[] => activations.map(({ name, l2 }) => ({ name, summary: l2 }));
const edgeRows = (report: FlowReport): readonly Named[] => shownEdges(report).map(({ name, gain }) => ({ name, summary: gain }));

/** One axis for all, so that networks can be compared by eye. */
function domainOf(rows: readonly Named[], include: readonly number[] = []): readonly [number, number] {
  const values = [...include, ...rows.flatMap(({ summary }) => summary.values.filter((value) => value > 0))];
  return values.length > 0 ? [Math.min(...values) / 1.1, Math.max(...values) * 1.1] : [0.1, 10];
}

/** One plot for each network, side by side. */
function panels(
  reports: readonly FlowReport[],
  rowsOf: (report: FlowReport) => readonly Named[],
  options: Omit<PlotOptions, 'domain'>,
): string {
  const domain = domainOf(reports.flatMap(rowsOf), options.reference === undefined ? [] : [options.reference]);
  const figures = reports
    .filter((report) => rowsOf(report).length > 0)
    .map(
      (report) => `<figure><figcaption>${escapeHtml(report.network)}</figcaption>${ticks(rowsOf(report), { ...options, domain })}</figure>`,
    );
  return `<div class="panels">${figures.join('\n')}</div>`;
}

function htmlTable({ title, columns, rows }: Table): string {
  if (rows.length === 0) return `<p>${escapeHtml(title)}: none</p>`;
  const cells = (tag: string, row: readonly string[]): string => row.map((text) => `<${tag}>${escapeHtml(text)}</${tag}>`).join('');
  return `<h3>${escapeHtml(title)}</h3><table><thead><tr>${cells('th', columns)}</tr></thead><tbody>${rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')}</tbody></table>`;
}

const paragraph = (text: string): string => `<p>${escapeHtml(text)}</p>`;

function section(report: FlowReport): string {
  return `<h2>${escapeHtml(report.network)}</h2>
${paragraph(headline(report))}
${paragraph(isolatedText(report))}
${paragraph(trunkText(report))}
${htmlTable(stageTable(report))}
${htmlTable(edgeTable(report))}
${paragraph(edgeNote(report))}
${htmlTable(reachTable(report))}
${paragraph(reachNote(report))}
${htmlTable(poolTable(report))}`;
}

/** One page that needs nothing from anywhere. */
export function flowPage(reports: readonly FlowReport[], conclusions: readonly string[], environment: Environment): string {
  const facts = Object.entries(environment).map(
    ([key, value]) => `<dt>${escapeHtml(key)}</dt><dd>${escapeHtml(typeof value === 'string' ? value : JSON.stringify(value))}</dd>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Gradient flow: ${escapeHtml(reports.map(({ network }) => network).join(', '))}</title>
<style>
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; }
body { max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid #dde3ea; white-space: nowrap; text-align: right; } th:first-child, td:first-child { text-align: left; }
.panels { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; } figure { margin: 0; } svg { max-width: 100%; height: auto; }
figcaption { font-weight: 600; } .note { color: #55606e; font-size: 13px; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: 13px; } dd { margin: 0; overflow-wrap: anywhere; }
</style>
<h1>Where gradients go</h1>
<ol>${conclusions.map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join('\n')}</ol>
<h2>Gradient norm by stage</h2>
${panels(reports, stageRows, { label: 'L2 norm of the gradient of the loss (logarithmic)' })}
<p class="note">A tick is one run (its own weights, images and labels), the dot the mean, the bar its 95 % interval over runs.</p>
<h2>What one way passes</h2>
${panels(reports, edgeRows, { label: 'gain: norm at the input over norm at the output (logarithmic)', reference: 1 })}
<p class="note">The dashed line is the identity.</p>
${reports.length > 1 ? htmlTable(comparisonTable(reports)) : ''}
${reports.map(section).join('\n')}
<h2>Measured on</h2>
<dl>${facts.join('\n')}</dl>
</html>
`;
}
