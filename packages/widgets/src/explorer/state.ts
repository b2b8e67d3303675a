import { languages, type Language } from '../strings/index.ts';

/** What enters at the edge that a shift uncovers: what left on the other side, or zeros. */
export type Edge = 'circular' | 'zero';

export interface Shift {
  /** Pixels to the right, -3 to 3. */
  readonly x: number;
  /** Pixels down, -3 to 3. */
  readonly y: number;
  readonly edge: Edge;
}

/** Everything that decides what the explorer shows, and nothing else: it is what a link carries. */
export interface ExplorerState {
  /** 4x4, row by row. */
  readonly image: readonly number[];
  /** 2x2, row by row: the weights of the strided convolution. */
  readonly filter: readonly number[];
  /** 2x2, row by row: the gradient that arrives at each output; every channel of an output gets the same. */
  readonly upstream: readonly number[];
  readonly shift: Shift;
  readonly language: Language;
}

/** The part of the state that is computed with. */
export type Numbers = Omit<ExplorerState, 'language'>;

export const SIZE = 4;
export const WINDOW = 2;
export const CELLS = SIZE * SIZE;
export const WEIGHTS = WINDOW * WINDOW;
export const OUTPUTS = (SIZE / WINDOW) ** 2;
export const MOST_SHIFT = SIZE - 1;
/** Largest magnitude of a cell: what fits in it. */
export const LIMIT = 99;
const DECIMALS = 3;

export const ones: readonly number[] = Array.from({ length: OUTPUTS }, () => 1);
export const noShift: Shift = { x: 0, y: 0, edge: 'circular' };

/** The number as a cell keeps it, to three decimals; null for what a cell does not take. */
export function cellNumber(value: number): number | null {
  if (!(Math.abs(value) <= LIMIT)) return null;
  return Number(value.toFixed(DECIMALS)) + 0;
}

/** True where two lists hold the same numbers. */
export const sameNumbers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

export function sameComputation(a: Numbers, b: Numbers): boolean {
  return (
    sameNumbers(a.image, b.image) &&
    sameNumbers(a.filter, b.filter) &&
    sameNumbers(a.upstream, b.upstream) &&
    a.shift.x === b.shift.x &&
    a.shift.y === b.shift.y &&
    // Without a shift nothing enters.
    (a.shift.edge === b.shift.edge || (a.shift.x === 0 && a.shift.y === 0))
  );
}

/** The first of the wanted languages (BCP 47 tags, `pt-PT` is served `pt-BR`) that there are strings for; English otherwise. */
export function chooseLanguage(wanted: readonly (string | null | undefined)[]): Language {
  for (const tag of wanted) {
    const primary = tag?.toLowerCase().split('-')[0];
    const found = languages.find((language) => language.toLowerCase().split('-')[0] === primary);
    if (found) return found;
  }
  return 'en';
}
