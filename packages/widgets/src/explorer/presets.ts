import { noShift, ones, sameComputation, type Numbers } from './state.ts';

/** What can be tried with one click; what there is to notice is in the strings. */
export const presetNames = ['start', 'tie', 'negative', 'shift', 'average', 'skip'] as const;
export type PresetName = (typeof presetNames)[number];

const image: readonly number[] = [1, 3, 2, 0, 4, 2, 1, 1, 0, 1, 5, 2, 2, 0, 1, 3];
const start: Numbers = { image, filter: [1, 0, 0, -1], upstream: ones, shift: noShift };

export const presets: Readonly<Record<PresetName, Numbers>> = {
  start,
  // A tie of three, one of all four at zero as after ReLU, one of all four above, and one across the diagonal.
  tie: { ...start, image: [5, 5, 0, 0, 1, 5, 0, 0, 7, 7, 3, 1, 7, 7, 1, 3] },
  negative: { ...start, image: Array.from({ length: 16 }, (_, i) => -1 - i) },
  shift: { ...start, image: [0, 9, 9, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 9, 9, 0], shift: { x: 1, y: 0, edge: 'circular' } },
  average: { ...start, filter: [0.25, 0.25, 0.25, 0.25] },
  skip: { ...start, filter: [1, 0, 0, 0] },
};

/** The preset that a state is, if it is one. */
export const presetOf = (numbers: Numbers): PresetName | null =>
  presetNames.find((name) => sameComputation(numbers, presets[name])) ?? null;
