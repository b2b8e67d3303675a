import type { Strings } from './strings.ts';

const plural = (one: string, many: string) => (count: number) => (count === 1 ? one : many);
const pixels = (count: number): string => `${Math.abs(count)} ${Math.abs(count) === 1 ? 'pixel' : 'pixels'}`;

export const en: Strings = {
  languageName: 'English',
  language: 'Language',
  question: 'Pool or stride?',
  explorer: 'Pool or stride: one image, four ways to shrink it',
  tryThis: 'Try',
  presets: {
    start: {
      name: 'Start',
      notice: 'Each way turns the same 4×4 image into a 2×2 one. Follow the arrows down: they show which cells hear back, and how loudly.',
    },
    tie: {
      name: 'Ties',
      notice:
        'Where several cells are equally large, max pooling sends the whole gradient to the first of them, in reading order. A mean or a weighted sum knows no ties.',
    },
    negative: {
      name: 'All negative',
      notice:
        'The largest value may be negative: each window still has one winner, and four cells hear back. A search that starts from zero would lose them.',
    },
    shift: {
      name: 'One-pixel shift',
      notice:
        'The same picture, moved by one pixel, and other outputs. Move it by two: now the windows hold what their neighbours held, and the outputs only move.',
    },
    average: {
      name: 'A filter of quarters',
      notice:
        'With four weights of ¼, the strided convolution is average pooling: same outputs, same arrows. It pays in multiplications for the right to learn otherwise.',
    },
    skip: {
      name: 'Stride alone',
      notice:
        'A filter with one weight is a 1×1 convolution with stride 2, as on many residual shortcuts: three cells of four are never read, and never hear back.',
    },
  },
  ownNumbers: 'Your own numbers. Point at a cell to follow it through all four.',
  image: 'Image',
  imageHint: 'Change any number.',
  filter: 'Filter',
  filterHint: 'Weights of the convolution.',
  upstream: 'Gradient from above',
  upstreamHint: 'Arrives at each output.',
  allOnes: 'All ones',
  keys: 'Arrow keys move between cells, Enter edits a number, Escape undoes.',
  cell: (row, column) => `row ${row}, column ${column}`,
  notANumber: (limit) => `A number from −${limit} to ${limit}, please.`,
  shift: 'Shift the image',
  shiftX: 'Sideways',
  shiftY: 'Up and down',
  shiftXBy: (count) => (count === 0 ? 'not shifted' : `${pixels(count)} ${count > 0 ? 'right' : 'left'}`),
  shiftYBy: (count) => (count === 0 ? 'not shifted' : `${pixels(count)} ${count > 0 ? 'down' : 'up'}`),
  edge: 'What enters at the edge',
  edges: { circular: 'what left on the other side', zero: 'zeros' },
  reset: 'Start over',
  copyLink: 'Copy link',
  linkCopied: 'Copied: the link holds everything you see.',
  linkNotCopied: 'The browser did not allow copying. The link:',
  linkBroken: 'The link could not be read, so you see the start.',
  failed: (reason) => `Could not compute: ${reason}`,
  notHad: (backend, reason) => `${backend}: ${reason} JavaScript computes instead.`,
  loading: 'Computing …',
  operators: {
    max: { name: 'Max pooling', does: 'keeps the largest of each four' },
    average: { name: 'Average pooling', does: 'keeps the mean of each four' },
    convolution: { name: 'Strided convolution', does: 'weighs each four by the filter' },
    spaceToDepth: { name: 'Space-to-depth', does: 'keeps all four, as channels' },
  },
  output: 'Output',
  outputTable: (operator) => `${operator}: output`,
  gradientTable: (operator) => `${operator}: gradient to the image`,
  channel: (channel) => `channel ${channel}`,
  was: (value) => `was ${value}`,
  reaches: (cells, total) => `Gradient reaches ${cells} of ${total} cells`,
  shiftEffect: ({ kind, changed, total }) =>
    kind === 'unchanged'
      ? 'Shifted: outputs unchanged'
      : kind === 'moved'
        ? 'Shifted: same outputs, moved'
        : `Shifted: ${changed} of ${total} outputs are new`,
  learnsNothing: 'Nothing to learn',
  learns: 'Gradient to the filter',
  cost: 'Cost',
  costs: {
    parameters: plural('parameter', 'parameters'),
    multiplyAccumulates: plural('multiply-accumulate', 'multiply-accumulates'),
    comparisons: plural('comparison', 'comparisons'),
    additions: plural('addition', 'additions'),
    transcendentals: plural('division', 'divisions'),
    bytes: plural('byte moved', 'bytes moved'),
  },
  legend: { value: 'value', positive: 'positive gradient', negative: 'negative gradient', winner: 'winner' },
  computedIn: 'Computed in this page by Shoal:',
  computedBy: {
    reference: 'JavaScript, float64',
    wasm: 'WebAssembly, float32',
    webgpu: 'WebGPU, float32',
  },
};
