import type { FunctionBuilder, FunctionReference, I32, Local, ModuleBuilder, Operand } from './encoder/index.ts';

/** Parameters of every function that all threads call: which thread this is, and of how many. */
export const threadParameters = { thread: 'i32', threads: 'i32' } as const;

/** A function that every thread calls. */
export type ThreadFunction = FunctionReference<typeof threadParameters, undefined>;

export interface ThreadLocals {
  readonly thread: Local<'i32'>;
  readonly threads: Local<'i32'>;
}

/** Counters of different threads are on cache lines of their own. */
const LINE = 64;

/** Bytes of the two banks of counters that {@link emitTiles} uses: one counter per thread. All are zero when a run begins. */
export const counterBytes = (threads: number): number => 2 * threads * LINE;

/** First of the things that belong to a thread, when `count` are split into contiguous shares. */
const boundary = (f: FunctionBuilder, count: number, thread: Operand<'i32'>, threads: Local<'i32'>): I32 =>
  f.i32.divU(f.i32.mul(count, thread), threads);

/** A thread's contiguous share of `count` things, `step` at a time. */
export function forShare(
  f: FunctionBuilder,
  i: Local<'i32'>,
  count: number,
  step: number,
  { thread, threads }: ThreadLocals,
  body: () => void,
): void {
  const units = Math.ceil(count / step);
  const bound = (t: Operand<'i32'>): I32 => f.i32.mul(boundary(f, units, t, threads), step);
  f.for(i, bound(thread), bound(f.i32.add(thread, 1)), step, body);
}

/**
 * Runs all tiles of a stage on all threads. Each thread begins with a contiguous share, the same in every stage, so that what it wrote is in
 * its cache when it reads it; when it is done it takes over tiles of threads that are behind. Who computes a tile changes no result.
 *
 * Tiles are taken from counters. Stages alternate between two banks of them: while one is in use the other is cleared, and the barrier
 * between stages keeps the two apart. `stage` is the stage's number in the program.
 */
export function emitTiles(
  module: ModuleBuilder,
  f: FunctionBuilder,
  { tiles, stage, counters }: { readonly tiles: number; readonly stage: number; readonly counters: number },
  { thread, threads }: ThreadLocals,
  body: (tile: Local<'i32'>) => void,
): void {
  const { i32 } = f;
  const tile = f.local.i32();
  if (!module.shared || tiles === 1) {
    forShare(f, tile, tiles, 1, { thread, threads }, () => body(tile));
    return;
  }
  const bankBytes = i32.mul(threads, LINE);
  const [used, cleared] =
    stage % 2 === 0 ? [counters, i32.add(bankBytes, counters)] : [f.let(i32.add(bankBytes, counters)), i32.const(counters)];
  i32.store(i32.add(cleared, i32.mul(thread, LINE)), 0);
  const owner = f.let(thread);
  const left = f.let(threads);
  f.loop((next) => {
    const counter = f.let(i32.add(used, i32.mul(owner, LINE)));
    const start = f.let(boundary(f, tiles, owner, threads));
    const end = f.let(boundary(f, tiles, i32.add(owner, 1), threads));
    f.block((done) => {
      f.loop((again) => {
        // Looking first leaves the line of a finished share with everybody.
        f.brIf(done, i32.geS(i32.add(start, i32.load(counter)), end));
        f.brIf(done, i32.geS(f.tee(tile, i32.add(start, f.atomic.add(counter, 1))), end));
        body(tile);
        f.br(again);
      });
    });
    f.set(owner, i32.add(owner, 1));
    f.if(i32.eq(owner, threads), () => f.set(owner, 0));
    f.brIf(next, f.tee(left, i32.sub(left, 1)));
  });
}
