import { OUTPUTS, SIZE, WINDOW, type Shift } from './state.ts';

/** For each place of the shifted image, the cell of the unshifted one that it shows; null where a zero has entered. */
export function shiftSources({ x, y, edge }: Shift): readonly (number | null)[] {
  return Array.from({ length: SIZE * SIZE }, (_, place) => {
    const row = Math.floor(place / SIZE) - y;
    const column = (place % SIZE) - x;
    const inside = row >= 0 && row < SIZE && column >= 0 && column < SIZE;
    if (edge === 'zero' && !inside) return null;
    return ((row + SIZE) % SIZE) * SIZE + ((column + SIZE) % SIZE);
  });
}

export const shiftImage = (image: readonly number[], shift: Shift): readonly number[] =>
  shiftSources(shift).map((source) => (source === null ? 0 : image[source]!));

/** What a shift did to an operator's outputs. */
export interface ShiftEffect {
  /** `moved`: the same numbers, each at another output. */
  readonly kind: 'unchanged' | 'moved' | 'changed';
  /** How many differ, after the best move of the outputs by whole cells. */
  readonly changed: number;
  readonly total: number;
}

/**
 * Compares outputs, [row, column, channel] flattened, before and after a shift. An operator that commutes with shifts would only
 * move them: so each move by whole outputs (circular) is tried, and what is left over counts.
 */
export function shiftEffect(before: readonly number[], after: readonly number[]): ShiftEffect {
  const side = SIZE / WINDOW;
  const channels = before.length / OUTPUTS;
  const differences = Array.from({ length: OUTPUTS }, (_, move) =>
    after.reduce((count, value, i) => {
      const [row, column, channel] = [Math.floor(i / channels / side), Math.floor(i / channels) % side, i % channels];
      const from = ((row + Math.floor(move / side)) % side) * side + ((column + move) % side);
      return count + (value === before[from * channels + channel] ? 0 : 1);
    }, 0),
  );
  const changed = Math.min(...differences);
  return { kind: changed > 0 ? 'changed' : differences[0] === 0 ? 'unchanged' : 'moved', changed, total: after.length };
}
