import * as Plot from '@observablehq/plot';
import type { ProfiledLayer } from '@shoal/analyze';
import type { Environment } from '../bench/environment.ts';
import { escapeHtml } from '../html.ts';
import { factList, htmlPage, htmlTable, plotDocument } from '../page.ts';
import { formatMs } from '../table.ts';
import { footnotes, headline, kindColumns, layerColumns, leastFloor, working, type Profiled } from './tables.ts';

/** A box of the icicle: from `x1` to `x2` milliseconds, at a depth. */
export interface Box {
  readonly name: string;
  readonly title: string;
  readonly depth: number;
  readonly x1: number;
  readonly x2: number;
  /** Time over floor; null for what holds layers, and without a floor that is worth a ratio. */
  readonly ratio: number | null;
}

const boxHeight = 34;
const plotWidth = 1100;

const ratioOf = ({ medianMs, floorMs }: { readonly medianMs: number; readonly floorMs: number }): number | null =>
  floorMs < leastFloor ? null : medianMs / floorMs;
const beside = (ratio: number | null): string => (ratio === null ? '' : `, ${ratio.toFixed(1)} times its floor`);

/** Network, stages, layers, and in training the directions of each layer, side by side in the order in which they stand in the network. */
export function boxesOf(report: Profiled): readonly Box[] {
  const total = report.layers.reduce((sum, { medianMs }) => sum + medianMs, 0);
  const share = (ms: number): string => `${formatMs(ms)} ms, ${((100 * ms) / total).toFixed(1)} %`;
  const boxes: Box[] = [{ name: report.model, title: `${report.model}: ${share(total)}`, depth: 0, x1: 0, x2: total, ratio: null }];
  let at = 0;
  for (const { stage, layers } of stagesOf(working(report))) {
    const start = at;
    for (const layer of layers) {
      const { name, kind, medianMs, parts } = layer;
      const ratio = ratioOf(layer);
      boxes.push({ name, title: `${name}, ${kind}: ${share(medianMs)}${beside(ratio)}`, depth: 2, x1: at, x2: at + medianMs, ratio });
      // Medians of parts do not add up to the median of the layer: they divide its box in proportion.
      const whole = parts.reduce((sum, part) => sum + part.medianMs, 0);
      let from = at;
      for (const part of report.phase === 'step' ? parts : []) {
        const x2 = from + (part.medianMs * medianMs) / (whole || 1);
        const own = ratioOf(part);
        const title = `${name}, ${part.direction}: ${share(part.medianMs)}${beside(own)}`;
        boxes.push({ name: part.direction, title, depth: 3, x1: from, x2, ratio: own });
        from = x2;
      }
      at += medianMs;
    }
    boxes.push({ name: stage, title: `${stage}: ${share(at - start)}`, depth: 1, x1: start, x2: at, ratio: null });
  }
  return boxes;
}

/** Layers of one stage that follow each other. */
function stagesOf(layers: readonly ProfiledLayer[]): readonly { readonly stage: string; readonly layers: readonly ProfiledLayer[] }[] {
  const stages: { stage: string; layers: ProfiledLayer[] }[] = [];
  for (const layer of layers) {
    const last = stages.at(-1);
    if (last?.stage === layer.stage) last.layers.push(layer);
    else stages.push({ stage: layer.stage, layers: [layer] });
  }
  return stages;
}

/** From at the floor to ten times above it. */
const scale = { type: 'log', domain: [1, 10], scheme: 'YlOrRd', clamp: true, unknown: '#e4e9ef' } as const;

/** Where the scale is too dark for black letters. */
const darkFrom = 4;

function icicle(report: Profiled): string {
  const boxes = boxesOf(report);
  const total = boxes[0]!.x2;
  const depth = Math.max(...boxes.map((box) => box.depth)) + 1;
  /** As much of the end of a name as the box has room for, at about seven pixels a letter; a bare number says nothing. */
  const label = ({ name, x1, x2 }: Box): string => {
    const room = Math.floor((((x2 - x1) / total) * plotWidth - 4) / 6.5);
    const words = name.split('.');
    const ends = words.map((_, i) => words.slice(i).join('.'));
    return ends.find((end) => end.length <= room && !/^\d/.test(end)) ?? (name.length <= room ? name : '');
  };
  const plot = Plot.plot({
    document: plotDocument(),
    width: plotWidth,
    height: 40 + boxHeight * depth,
    marginLeft: 8,
    marginRight: 8,
    marginTop: 0,
    x: { label: 'milliseconds, step by step', domain: [0, total] },
    y: { axis: null, domain: [0, depth], reverse: true },
    color: scale,
    marks: [
      Plot.rect(boxes, {
        x1: 'x1',
        x2: 'x2',
        y1: 'depth',
        y2: ({ depth: row }: Box) => row + 1,
        fill: 'ratio',
        stroke: 'white',
        strokeWidth: 0.5,
        title: 'title',
      }),
      Plot.text(boxes, {
        x: ({ x1, x2 }: Box) => (x1 + x2) / 2,
        y: ({ depth: row }: Box) => row + 0.5,
        text: label,
        fill: ({ ratio }: Box) => (ratio !== null && ratio > darkFrom ? 'white' : 'black'),
        fontSize: 11,
        pointerEvents: 'none',
      }),
    ],
  });
  const colour = plot.scale('color')!;
  const key = [1, 2, 3, 5, 10].map((ratio) => `<b style="background:${String(colour.apply(ratio))}"></b> ${ratio}`);
  return `${plot.outerHTML}\n<p class="note key">time over floor: ${key.join(' &nbsp; ')} and more</p>`;
}

export function profilePage(report: Profiled, environment: Environment): string {
  const { model, phase, threads, backend, clock } = report;
  const title = `${model}, ${phase === 'fwd' ? 'inference' : 'a training step'}`;
  return htmlPage(
    `Shoal profile: ${title}`,
    `<h1>${escapeHtml(title)}: where the time goes</h1>
${headline(report)
  .map((line) => `<p>${escapeHtml(line)}</p>`)
  .join('\n')}
${icicle(report)}
<p class="note">The network, its stages, its layers${phase === 'step' ? ', and the directions of each' : ''}: width is time, colour how far from the floor; grey has no floor of a microsecond. Point at a box for its numbers.</p>
<h2>By kind</h2>
${htmlTable(
  kindColumns,
  report.kinds.filter(({ medianMs }) => medianMs > 0),
)}
<h2>Layer by layer</h2>
${htmlTable(layerColumns(report), report.layers)}
<p class="note">${escapeHtml(footnotes.join(' '))}</p>
<h2>Measured on</h2>
${factList({ backend, threads, clock }, environment)}`,
  );
}
