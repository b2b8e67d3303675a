import { SIZE, WINDOW } from './state.ts';

/** A point of the drawing. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Width and height of a cell of the image as drawn, and how far each row stands to the right of the one before it. */
const CELL = { width: 57, height: 42, slant: 18 };
/** How far the outputs float above the image. */
const LIFT = 186;
const MARGIN = { x: 6, y: 4 };

export const drawing = {
  width: SIZE * (CELL.width + CELL.slant) + 2 * MARGIN.x,
  height: SIZE * CELL.height + LIFT + 2 * MARGIN.y,
};

/** Oblique projection: rows and columns in cells of the image, on the plane of the image or on that of the outputs. */
export function project(plane: 'image' | 'output', row: number, column: number): Point {
  return {
    x: MARGIN.x + column * CELL.width + (SIZE - row) * CELL.slant,
    y: MARGIN.y + row * CELL.height + (plane === 'image' ? LIFT : 0),
  };
}

/** The outline of a rectangle of cells, as an SVG list of points. */
export function outline(plane: 'image' | 'output', row: number, column: number, height: number, width: number): string {
  const corners = [
    project(plane, row, column),
    project(plane, row, column + width),
    project(plane, row + height, column + width),
    project(plane, row + height, column),
  ];
  return corners.map(({ x, y }) => `${x},${y}`).join(' ');
}

/** Which output a cell of the image belongs to, and which of the cells of its window it is, both row by row. */
export function windowOf(cell: number): { readonly output: number; readonly within: number } {
  const [row, column] = [Math.floor(cell / SIZE), cell % SIZE];
  return {
    output: Math.floor(row / WINDOW) * (SIZE / WINDOW) + Math.floor(column / WINDOW),
    within: (row % WINDOW) * WINDOW + (column % WINDOW),
  };
}

/** The cells of an output's window, row by row. */
export const cellsOf = (output: number): readonly number[] =>
  Array.from({ length: SIZE * SIZE }, (_, cell) => cell).filter((cell) => windowOf(cell).output === output);

/** The middle of an output's window, in cells. */
export function middleOf(output: number): { readonly row: number; readonly column: number } {
  const side = SIZE / WINDOW;
  return { row: Math.floor(output / side) * WINDOW + WINDOW / 2, column: (output % side) * WINDOW + WINDOW / 2 };
}
