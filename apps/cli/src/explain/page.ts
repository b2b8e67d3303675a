import type { Example, Plane, Way } from './example.ts';

const short = (value: number): string => String(Number(value.toFixed(3)));

/** Orange for positive, blue for negative, by strength; numbers are always written too. */
function grid({ height, width, values }: Plane, label: string): string {
  const most = Math.max(1e-9, ...values.map(Math.abs));
  const cell = (value: number): string =>
    `<td style="background:${value < 0 ? 'rgba(15,106,180,' : 'rgba(226,120,30,'}${((0.55 * Math.abs(value)) / most).toFixed(3)})">${short(value)}</td>`;
  const rows = Array.from(
    { length: height },
    (_, row) =>
      `<tr>${values
        .slice(row * width, (row + 1) * width)
        .map(cell)
        .join('')}</tr>`,
  );
  return `<figure><table>${rows.join('')}</table><figcaption>${label}</figcaption></figure>`;
}

function section(way: Way): string {
  const grids = [grid(way.output, 'forward'), grid(way.imageGradient, 'gradient to the image')];
  if (way.filterGradient) grids.push(grid(way.filterGradient, 'gradient to the filter'));
  const cost = way.parameters === 0 ? 'nothing to train' : `${way.parameters} weights to train`;
  return `<section><h2>${way.name} <small>${cost}</small></h2><p>${way.sentence[0]!.toUpperCase()}${way.sentence.slice(1)}.</p><div class="row">${grids.join('<span class="arrow" aria-hidden="true">&#8596;</span>')}</div></section>`;
}

/** One page that needs no network: the example, forward and backward. */
export function explainPage({ image, filter }: Example, ways: readonly Way[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pool or stride? A 4x4 image and a 2x2 filter</title>
<style>
body { max-width: 860px; margin: 2rem auto; padding: 0 1rem; font: 17px/1.5 system-ui, sans-serif; color: #1c2430; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: 1.2rem; } figure { margin: 0; } figcaption { color: #55606e; font-size: 14px; }
table { border-collapse: collapse; } td { border: 1px solid #c5ced8; min-width: 2.6rem; height: 2.4rem; text-align: center; font-variant-numeric: tabular-nums; }
h2 { margin: 1.6rem 0 .2rem; } small { font-weight: 400; color: #55606e; } p { margin: .2rem 0 .6rem; } .arrow { color: #8793a1; font-size: 1.6rem; }
</style>
<h1>Pool or stride?</h1>
<div class="row">${grid({ height: 4, width: 4, values: image }, 'image')}${grid({ height: 2, width: 2, values: filter }, 'filter')}</div>
${ways.map(section).join('\n')}
<p>Backward, every output asks for 1 more: a gradient says how much each cell would help. Computed by Shoal's reference backend in float64.</p>
</html>
`;
}
