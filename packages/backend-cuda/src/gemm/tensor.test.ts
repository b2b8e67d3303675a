import { expect, test } from 'vitest';
import { tensorCore, tensorTiles } from './tensor.ts';
import { depthTile, type Side } from './tile.ts';

const banks = 32;
const lanes = Array.from({ length: 32 }, (_, lane) => lane);

/** What a layout's text says of an element; its divisions are of whole numbers. */
function placeIn(text: string): (k: number, across: number) => number {
  const whole = text.replaceAll(/(\w+) \/ (\d+)/g, 'Math.floor($1 / $2)');
  // oxlint-disable-next-line typescript/no-implied-eval
  return new Function('k', 'across', `return ${whole};`) as (k: number, across: number) => number;
}

/** Most accesses to one bank while a warp moves `floats` consecutive floats a thread, by as many threads at a time as 128 bytes serve. */
function conflicts(floats: number, at: (lane: number) => number): number {
  const together = banks / floats;
  const groups = Array.from({ length: floats }, (_, i) => lanes.slice(i * together, (i + 1) * together));
  const worst = groups.map((group) => {
    const counts = new Map<number, number>();
    for (const lane of group) {
      expect(at(lane) % floats).toBe(0);
      for (let e = 0; e < floats; e++) counts.set((at(lane) + e) % banks, (counts.get((at(lane) + e) % banks) ?? 0) + 1);
    }
    return Math.max(...counts.values());
  });
  return Math.max(...worst);
}

test.each(tensorTiles)('no access to tiles of $rows x $columns meets another in a bank', (tile) => {
  for (const byDepth of [true, false]) {
    const core = tensorCore(tile, () => byDepth);
    const sides: readonly (readonly [Side, number, number])[] = [
      ['left', tile.rows, tile.rows / tile.warpsDown],
      ['right', tile.columns, tile.columns / tile.warpsAcross],
    ];
    for (const [side, lines, own] of sides) {
      const place = placeIn(core.place(side));
      const everything = Array.from({ length: lines * depthTile }, (_, i) => place(i % depthTile, Math.floor(i / depthTile)));
      expect(new Set(everything).size).toBe(core.size[side]);
      expect(Math.max(...everything)).toBe(core.size[side] - 1);
      for (const count of [1, 4]) {
        const inner = (byDepth ? depthTile : lines) / count;
        const copied = (lane: number): readonly [number, number] => [(lane % inner) * count, Math.floor(lane / inner)];
        expect(conflicts(count, (lane) => place(...(byDepth ? copied(lane) : (copied(lane).toReversed() as [number, number]))))).toBe(1);
      }
      const run = side === 'left' && !byDepth ? Math.min(4, own / 8) : 1;
      for (let first = 0; first < lines; first += 8 * run) {
        for (const k8 of [0, 8]) {
          // Thread 4 g + t takes depths 2 t and 2 t + 1 of line g of eight, or of a run of lines.
          const line = (lane: number): number => first + Math.floor(lane / 4) * run;
          if (byDepth) expect(conflicts(2, (lane) => place(k8 + (lane % 4) * 2, line(lane)))).toBe(1);
          else for (const e of [0, 1]) expect(conflicts(run, (lane) => place(k8 + (lane % 4) * 2 + e, line(lane)))).toBe(1);
        }
      }
    }
  }
});
