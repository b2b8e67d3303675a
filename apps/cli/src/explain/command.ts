import { checkTargets, exitCode, UsageError, writeJson, writeText, type Streams } from '../output.ts';
import { workOut, type Example, type Plane, type Way } from './example.ts';
import { explainPage } from './page.ts';

export interface ExplainOptions {
  readonly image?: string;
  readonly filter?: string;
  readonly html?: string;
  readonly json?: string;
}

const defaults: Example = { image: [1, 3, 2, 0, 4, 2, 1, 1, 0, 1, 5, 2, 2, 0, 1, 3], filter: [1, 0, 0, -1] };

/** The 4x4 image and the 2x2 filter, forward and backward. */
export async function explain(options: ExplainOptions, streams: Streams): Promise<number> {
  const example = {
    image: options.image === undefined ? defaults.image : numbers('--image', options.image, 16),
    filter: options.filter === undefined ? defaults.filter : numbers('--filter', options.filter, 4),
  };
  await checkTargets({ json: options.json, html: options.html });
  const ways = await workOut(example);
  if (options.json) await writeJson(options.json, { schema: 'shoal.explain/1', ...example, ways }, streams);
  if (options.html) {
    await writeText(options.html, explainPage(example, ways));
    streams.log(`Page: ${options.html}\n`);
  }
  if (options.json !== '-') streams.out(asText(example, ways));
  return exitCode.fine;
}

function numbers(option: string, text: string, count: number): readonly number[] {
  const values = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (values.length !== count || !values.every(Number.isFinite)) {
    throw new UsageError(`${option} needs ${count} finite numbers separated by commas, got ${values.length}: ${text}`);
  }
  return values;
}

const short = (value: number): string => String(Number(value.toFixed(3)));

/** A grid of numbers, columns aligned. */
export function gridLines({ height, width, values }: Plane): readonly string[] {
  const texts = values.map(short);
  const widest = Math.max(...texts.map((text) => text.length));
  return Array.from({ length: height }, (_, row) =>
    texts
      .slice(row * width, (row + 1) * width)
      .map((text) => text.padStart(widest))
      .join('  '),
  );
}

/** Blocks of lines beside each other, with an arrow of their own between them. */
function beside(blocks: readonly (readonly string[])[], gap: string): string {
  const height = Math.max(...blocks.map((block) => block.length));
  const widths = blocks.map((block) => Math.max(...block.map((line) => line.length)));
  return Array.from({ length: height }, (_, row) =>
    `  ${blocks.map((block, i) => (block[row] ?? '').padEnd(widths[i]!)).join(gap)}`.trimEnd(),
  ).join('\n');
}

function asText({ image, filter }: Example, ways: readonly Way[]): string {
  const picture: Plane = { height: 4, width: 4, values: image };
  const start = beside(
    [
      ['image', ...gridLines(picture)],
      ['filter', ...gridLines({ height: 2, width: 2, values: filter })],
    ],
    '     ',
  );
  const sections = ways.map((way) => {
    const backward = [
      ['forward', ...gridLines(way.output)],
      ['gradient to the image', ...gridLines(way.imageGradient)],
    ];
    if (way.filterGradient) backward.push(['gradient to the filter', ...gridLines(way.filterGradient)]);
    return `${way.name}: ${way.sentence}\n${beside(backward, '     ')}`;
  });
  return `${start}\n\n${sections.join('\n\n')}\n\nBackward, every output asks for 1 more: a gradient says how much each cell would help.\n`;
}
