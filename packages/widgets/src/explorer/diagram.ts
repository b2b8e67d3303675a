import { svg, nothing, type SVGTemplateResult } from 'lit';
import { strings, type Language } from '../strings/index.ts';
import type { OperatorResult } from './calculator.ts';
import { formatShort } from './numbers.ts';
import { cellsOf, drawing, middleOf, outline, project, windowOf, type Point } from './projection.ts';
import { CELLS, OUTPUTS, SIZE, WINDOW } from './state.ts';

export interface DiagramOptions {
  readonly result: OperatorResult;
  /** The image as the operator sees it. */
  readonly image: readonly number[];
  readonly upstream: readonly number[];
  readonly language: Language;
  /** The largest gradient of all diagrams: arrows are as thick as their share of it. */
  readonly mostGradient: number;
  readonly shifted: boolean;
  /** Cells that are followed; null when none is. */
  readonly followed: ReadonlySet<number> | null;
  readonly follow: (cells: readonly number[] | null) => void;
}

/** Half the size of an output, in cells of the image. */
const TILE = { row: 0.5, column: 0.62 };
const WIDE_TILE = { row: 0.58, column: 0.86 };
const PILL = 16;
/** Where the arrows to the cells of a window start, beside the middle: in the order in which they end, so that none cross. */
const fan: readonly number[] = [-3, 9, -9, 3];

/** One operator: its outputs above, the image below, and between them what flows back. The numbers are also in tables, for who cannot see it. */
export function diagram(options: DiagramOptions): SVGTemplateResult {
  const cells = Array.from({ length: CELLS }, (_, cell) => cell);
  const side = SIZE / WINDOW;
  const rows = Array.from({ length: side }, (_, row) => Array.from({ length: side }, (_, column) => row * side + column));
  return svg`<svg viewBox="0 0 ${drawing.width} ${drawing.height}" aria-hidden="true" class=${options.followed ? 'following' : ''}
    @pointerleave=${() => options.follow(null)}>
    ${cells.toSorted((a, b) => won(options, a) - won(options, b)).map((cell) => imageCell(options, cell))}
    <polygon class="sheet" points=${outline('output', 0, 0, SIZE, SIZE)}></polygon>
    ${rows.map((outputs) => [
      outputs.map((output) => cellsOf(output).map((cell) => arrow(options, cell))),
      outputs.map((output) => outputTile(options, output)),
    ])}
    ${cells.map((cell) => imageNumbers(options, cell))}
  </svg>`;
}

const center = (cell: number): Point => project('image', Math.floor(cell / SIZE) + 0.5, (cell % SIZE) + 0.5);

function emphasis({ followed }: DiagramOptions, cells: readonly number[]): string {
  return followed === null ? '' : cells.some((cell) => followed.has(cell)) ? 'followed' : 'faded';
}

function tint(options: DiagramOptions, value: number): string {
  const [least, most] = [Math.min(...options.image), Math.max(...options.image)];
  const share = most > least ? Math.min(Math.max((value - least) / (most - least), 0), 1) : 0;
  return `--strength: ${Math.round(55 * share)}`;
}

/** 1 for the cells that won their window: they are drawn last, their outline above that of their neighbours. */
const won = ({ result }: DiagramOptions, cell: number): number => (result.winners?.includes(cell) ? 1 : 0);

function imageCell(options: DiagramOptions, cell: number): SVGTemplateResult {
  const [row, column] = [Math.floor(cell / SIZE), cell % SIZE];
  return svg`<polygon class="cell ${won(options, cell) ? 'winner' : ''} ${emphasis(options, [cell])}" data-cell=${cell}
    points=${outline('image', row + 0.03, column + 0.02, 0.94, 0.96)} style=${tint(options, options.image[cell]!)}
    @pointerenter=${() => options.follow([cell])}></polygon>`;
}

function imageNumbers(options: DiagramOptions, cell: number): SVGTemplateResult {
  const { x, y } = center(cell);
  const gradient = options.result.imageGradient[cell]!;
  return svg`<g class="numbers ${emphasis(options, [cell])}">
    <text class="value" x=${x} y=${y + (gradient === 0 ? 5 : 16)}>${formatShort(options.image[cell]!, options.language)}</text>
    ${gradient === 0 ? nothing : pill({ x, y: y - 8 }, gradient, options.language)}
  </g>`;
}

function pill({ x, y }: Point, gradient: number, language: Language): SVGTemplateResult {
  const text = formatShort(gradient, language);
  const width = Math.max(20, 10 + 6.6 * text.length);
  return svg`<g class="pill ${signOf(gradient)}">
    <rect x=${x - width / 2} y=${y - PILL / 2} width=${width} height=${PILL} rx=${PILL / 2}></rect>
    <text x=${x} y=${y + 4}>${text}</text>
  </g>`;
}

const signOf = (gradient: number): string => (gradient < 0 ? 'negative' : gradient > 0 ? 'positive' : 'zero');

function tileOf(
  options: DiagramOptions,
  output: number,
): { readonly top: number; readonly left: number; readonly height: number; readonly width: number } {
  const { row, column } = middleOf(output);
  const half = options.result.channels > 1 ? WIDE_TILE : TILE;
  return { top: row - half.row, left: column - half.column, height: 2 * half.row, width: 2 * half.column };
}

/** Where the gradient arrives at an output: the middle of the near edge of its tile. */
function arrival(options: DiagramOptions, output: number): Point {
  const { top, left, height, width } = tileOf(options, output);
  return project('output', top + height, left + width / 2);
}

/** From an output to a cell of its window, if anything flows: down, then into the cell from above. */
function arrow(options: DiagramOptions, cell: number): SVGTemplateResult | typeof nothing {
  const gradient = options.result.imageGradient[cell]!;
  if (gradient === 0) return nothing;
  const { output, within } = windowOf(cell);
  const { x, y } = arrival(options, output);
  const from = { x: x + fan[within]!, y: y + PILL / 2 - 2 };
  const to = { x: center(cell).x, y: center(cell).y - 17 };
  const bend = (to.y - from.y) * 0.5;
  const width = 1 + (2.6 * Math.abs(gradient)) / options.mostGradient;
  const head = 2.5 + width;
  return svg`<g class="arrow ${signOf(gradient)} ${emphasis(options, [cell])}" data-cell=${cell} data-gradient=${gradient}>
    <path d="M${from.x} ${from.y} C${from.x} ${from.y + bend} ${to.x} ${to.y - bend} ${to.x} ${to.y - head}" style="stroke-width: ${width.toFixed(2)}"></path>
    <polygon points="${to.x - head},${to.y - head} ${to.x + head},${to.y - head} ${to.x},${to.y}"></polygon>
  </g>`;
}

function outputTile(options: DiagramOptions, output: number): SVGTemplateResult {
  const { result, language } = options;
  const { top, left, height, width } = tileOf(options, output);
  const cells = cellsOf(output);
  const parts = Array.from({ length: result.channels }, (_, channel) => channel);
  const perRow = result.channels > 1 ? WINDOW : 1;
  const part = { height: height / (result.channels / perRow), width: width / perRow };
  const place = (channel: number): readonly [number, number] => [
    top + Math.floor(channel / perRow) * part.height,
    left + (channel % perRow) * part.width,
  ];
  return svg`<g class="tile" data-output=${output} @pointerenter=${() => options.follow(cells)}>
    ${parts.map((channel) => {
      const at = output * result.channels + channel;
      const own = result.channels > 1 ? [cells[channel]!] : cells;
      const [row, column] = place(channel);
      const changed = options.shifted && result.output[at] !== result.before[at];
      const { x, y } = project('output', row + part.height / 2, column + part.width / 2);
      const shown = formatShort(result.output[at]!, language);
      const was = changed && result.channels === 1;
      return svg`<g class=${emphasis(options, own)}>
        <polygon class="part ${changed ? 'changed' : ''}" points=${outline('output', row, column, part.height, part.width)}
          style=${tint(options, result.output[at]!)}></polygon>
        <text class="output ${result.channels > 1 || shown.length > 5 ? 'small' : ''}" x=${x} y=${y + (was ? 9 : result.channels > 1 ? 4 : 3)}>${shown}</text>
        ${was ? svg`<text class="was" x=${x} y=${y - 8}>${strings[language].was(formatShort(result.before[at]!, language))}</text>` : nothing}
      </g>`;
    })}
    <g class=${emphasis(options, cells)}>${pill(arrival(options, output), options.upstream[output]!, language)}</g>
  </g>`;
}

/** For the largest gradient among all diagrams; never 0. */
export const largestGradient = (results: readonly OperatorResult[]): number =>
  Math.max(1e-9, ...results.flatMap(({ imageGradient }) => imageGradient.map(Math.abs)));

export const reached = (result: OperatorResult): number => result.imageGradient.filter((gradient) => gradient !== 0).length;
export const outputsPerSide = Math.sqrt(OUTPUTS);
