import type { Value } from '@shoal/core';
import { upsampleBilinear, upsampleNearest } from '@shoal/residual';
import type { CaseReader } from './reader.ts';

/** One axis of a resize: input and output size, and the source's rule for the coordinate of an output cell. */
export interface ResizedAxis {
  readonly from: number;
  readonly to: number;
  readonly position: (cell: number) => number;
}

type Mode = 'floor' | 'exact' | 'half-pixel' | 'align-corners';

/** What Shoal's own upsampling reads, from its documentation. */
const rules: Readonly<Record<Mode, (cell: number, from: number, to: number) => number>> = {
  floor: (cell, from, to) => Math.floor((cell * from) / to),
  exact: (cell, from, to) => Math.floor(((cell + 0.5) * from) / to),
  'half-pixel': (cell, from, to) => ((cell + 0.5) * from) / to - 0.5,
  'align-corners': (cell, from, to) => (to === 1 ? 0 : (cell * (from - 1)) / (to - 1)),
};

/**
 * Resizes by Shoal's upsampling where, on this shape, one of its modes reads just the cells that the source's rule asks for;
 * skips the case where none does.
 */
export function resample(r: CaseReader, x: Value, kind: 'nearest' | 'linear', height: ResizedAxis, width: ResizedAxis): Value {
  const candidates: readonly Mode[] = kind === 'nearest' ? ['floor', 'exact'] : ['half-pixel', 'align-corners'];
  const modeOf = (name: string, axis: ResizedAxis): readonly Mode[] => {
    const modes = candidates.filter((mode) => reads(axis, (cell) => rules[mode](cell, axis.from, axis.to)));
    return modes.length > 0 ? modes : r.skip('attribute', `no ${kind} upsampling of Shoal has these coordinates along the ${name}`);
  };
  const [vertical, horizontal] = [modeOf('height', height), modeOf('width', width)];
  const [, h] = x.shape;
  const common = vertical.find((mode) => horizontal.includes(mode));
  if (common) return upsample(x, height.to, width.to, common);
  return upsample(upsample(x, h!, width.to, horizontal[0]!), height.to, width.to, vertical[0]!);
}

function upsample(x: Value, height: number, width: number, mode: Mode): Value {
  const output = { height, width };
  if (mode === 'floor' || mode === 'exact') return upsampleNearest(x, { output, mode });
  return upsampleBilinear(x, { output, alignCorners: mode === 'align-corners' });
}

/** Positions before the first or behind the last cell read that cell. */
function reads({ from, to, position }: ResizedAxis, rule: (cell: number) => number): boolean {
  const clamped = (value: number): number => Math.min(Math.max(value, 0), from - 1);
  return Array.from({ length: to }, (_, cell) => Math.abs(clamped(position(cell)) - clamped(rule(cell)))).every(
    (distance) => distance < 1e-9,
  );
}
