import type { AxisCells } from '@shoal/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { composeTable, hull, spanAt, uniteTables, type Table } from './table.ts';

const spans = fc.array(fc.option(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.nat(5))), { minLength: 1, maxLength: 6 });
/** Tables that repeat, and tables of `size` that do not. */
const tables: fc.Arbitrary<Table> = fc.tuple(spans, fc.option(fc.constantFrom(0, 1, 2, 3, 4, 6))).map(([list, shift]) => ({
  spans: list.map((span) => span && [span[0], span[0] + span[1]]),
  shift,
}));
const rules: fc.Arbitrary<AxisCells> = fc
  .tuple(fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 3 }), { minLength: 1, maxLength: 4 }), fc.option(fc.nat(5)))
  .map(([lists, cells]) => ({
    along: 0,
    repeat: cells === null ? null : { positions: lists.length, cells },
    cells: (position) => {
      const turn = Math.floor(position / lists.length);
      return lists[position - turn * lists.length]!.map((cell) => cell + turn * (cells ?? 0));
    },
  }));

const size = 12;
/** Where a table must be right: everywhere if it repeats. */
const positions = ({ shift }: Table): readonly number[] =>
  Array.from({ length: shift === null ? size : 80 }, (_, i) => (shift === null ? i : i - 40));

test('united, a position sees what it sees in both', () => {
  fc.assert(
    fc.property(tables, tables, (a, b) => {
      const united = uniteTables(a, b, size);
      for (const at of positions(united)) expect(spanAt(united, at)).toEqual(hull([spanAt(a, at), spanAt(b, at)]));
    }),
    { seed: 5 },
  );
});

test('composed, a position sees what the cells see that it reads', () => {
  fc.assert(
    fc.property(tables, rules, (table, rule) => {
      const composed = composeTable(table, rule, size);
      for (const at of positions(composed)) expect(spanAt(composed, at)).toEqual(hull(rule.cells(at).map((cell) => spanAt(table, cell))));
    }),
    { seed: 5 },
  );
});
