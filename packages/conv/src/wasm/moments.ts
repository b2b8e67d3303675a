import {
  blockAddress,
  blockSumsShape,
  forVectors,
  MOMENT_CHANNELS,
  MOMENTS,
  numberOffset,
  VECTOR_BYTES,
  type Stage,
  type WasmKernel,
} from '@shoal/backend-wasm';
import type { Local, Operand } from '@shoal/backend-wasm/encoder';
import { apply1, sizeOf, type Node, type Op, type Value } from '@shoal/core';
import { tilesOf } from '../winograd/tiles.ts';
import { tilesOfPhase } from './tap-convolution.ts';
import { tapConvolution, type TapAttributes } from './taps.ts';
import { filteringOf } from './winograd/filtering.ts';
import { winogradConvolution, type WinogradAttributes } from './winograd/tiles.ts';

/** Cells, at most, whose mean is the centre of a block: see `batchNormWasm`. */
const centreCells = 16;

/** Neighbouring cells: byte offsets in output 0, to the first of the channels that count. */
export interface Run {
  readonly from: Local<'i32'>;
  readonly to: Local<'i32'>;
}

/** Some channels of the cells of output 0 that one tile of work has just written. */
export interface StoredBlock {
  readonly stage: Stage;
  readonly blocks: number;
  readonly block: Local<'i32'>;
  /** Byte offset of the first channel: of the first of eight. */
  readonly channel: Local<'i32'>;
  readonly lanes: number;
  /** Whether the engine joins pairs of vectors. */
  readonly wide: boolean;
  /** From a cell to the next. */
  readonly cellBytes: number;
  /** Visits all cells; writes the code once. */
  readonly forRuns: (body: (run: Run) => void) => void;
}

export type LeaveMoments = (block: StoredBlock) => void;

/**
 * Reads again what lies in the first-level cache still, or in the second: no register of the convolution is needed for it. The mean of the
 * first run's cells, 16 at most, is the centre. Two chains of sums take turns, for one is as slow as its multiply-adds wait for each other.
 */
export const leaveMoments: LeaveMoments = ({ stage, blocks, block, channel, lanes, wide, cellBytes, forRuns }) => {
  const { f } = stage;
  const { i32, f32x4, v128 } = f;
  const sums = { blocks, numbers: MOMENTS };
  // As many vectors as have their sums in registers.
  forVectors(f, lanes, wide ? 4 : 2, (offset, some) => {
    const vectors = Array.from({ length: Math.ceil(some / 4) }, (_, v) => v);
    const base = f.let(i32.add(stage.output(0), offset));
    const zeros = (): readonly Local<'v128'>[] => vectors.map(() => f.local.v128(f32x4.const(0, 0, 0, 0)));
    const cell = (at: Local<'i32'>, next: number, body: (v: number, value: Local<'v128'>) => void): void => {
      const address = f.let(i32.add(base, at));
      vectors.map((v) => f.let(v128.load(address, next * cellBytes + v * VECTOR_BYTES, 4))).forEach((value, v) => body(v, value));
    };
    const countOf = (bytes: Operand<'i32'>): Local<'v128'> => f.let(f32x4.splat(f.f32.convertI32S(i32.divU(bytes, cellBytes))));
    const centres = zeros();
    const chains = [0, 1].map(() => ({ deviations: zeros(), squares: zeros() }));
    const add = (at: Local<'i32'>, next: number): void => {
      const { deviations, squares } = chains[next]!;
      cell(at, next, (v, value) => {
        const deviation = f.let(f32x4.sub(value, centres[v]!));
        f.set(deviations[v]!, f32x4.add(deviations[v]!, deviation));
        f.set(squares[v]!, f32x4.madd(deviation, deviation, squares[v]!));
      });
    };
    const [at, bytes] = [f.local.i32(), f.local.i32(0)];
    forRuns(({ from, to }) => {
      f.if(i32.eqz(bytes), () => {
        const first = f.let(i32.add(from, centreCells * cellBytes));
        const end = f.let(f.select(first, to, i32.ltU(first, to)));
        f.for(at, from, end, cellBytes, () => cell(at, 0, (v, value) => f.set(centres[v]!, f32x4.add(centres[v]!, value))));
        const count = countOf(i32.sub(end, from));
        centres.forEach((centre) => f.set(centre, f32x4.div(centre, count)));
      });
      const size = f.let(i32.sub(to, from));
      const odd = f.let(i32.remU(size, 2 * cellBytes));
      f.for(at, from, f.let(i32.sub(to, odd)), 2 * cellBytes, () => chains.forEach((_, next) => add(at, next)));
      f.if(odd, () => add(f.let(i32.sub(to, odd)), 0));
      f.set(bytes, i32.add(bytes, size));
    });
    const count = countOf(bytes);
    const start = stage.output(1);
    const address = blockAddress(f, sums, { start, block, channel: f.let(i32.add(channel, offset)) });
    const [one, two] = chains;
    [
      vectors.map((v) => f32x4.add(one!.deviations[v]!, two!.deviations[v]!)),
      vectors.map((v) => f32x4.add(one!.squares[v]!, two!.squares[v]!)),
      centres,
      vectors.map(() => count),
    ].forEach((numbers, which) => numbers.forEach((value, v) => v128.store(address, value, numberOffset(sums, which, v), 4)));
  });
};

/** Blocks that a convolution can leave the moments of its result in; null where they would share vectors of channels. */
function blocksOf({ op, inputs, attributes, outputs }: Node): number | null {
  if (sizeOf(outputs[0]!.shape) === 0) return null;
  if (op.name === winogradConvolution.name) {
    const { tiling, block } = attributes as WinogradAttributes;
    return Math.ceil(tilesOf(outputs[0]!.shape, filteringOf(tiling).outputSide).count / block);
  }
  if (op.name !== tapConvolution.name) return null;
  const taps = attributes as TapAttributes;
  const { groups, weightShape } = taps;
  if (groups > 1 && (weightShape[3]! / groups) % MOMENT_CHANNELS !== 0) return null;
  const { batch, rowBlocks } = tilesOfPhase({ attributes: taps, inputs, outputs }, taps.phases[0]!);
  return batch * rowBlocks;
}

/** The same convolution, which leaves the moments of its result, where its kernel can. */
function withMoments(y: Value): Value {
  const blocks = blocksOf(y.node!);
  if (blocks === null) return y;
  const { op, inputs, attributes } = y.node!;
  const moments = blockSumsShape(y.shape.at(-1)!, { blocks, numbers: MOMENTS });
  return apply1(op as unknown as Op<object>, inputs, { ...attributes, moments });
}

/** A kernel of forward convolutions that lowers them to such as leave the moments of their results. */
export const leavingMoments = (kernel: WasmKernel): WasmKernel => ({
  ...kernel,
  lower: (inputs, attributes, lowering) => kernel.lower!(inputs, attributes, lowering)?.map(withMoments) ?? null,
});
