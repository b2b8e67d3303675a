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

/** Tiles of one kind. */
export interface Tiles {
  readonly tiles: number;
  /** Writes the code that computes one of them. */
  readonly body: (tile: Operand<'i32'>) => void;
}

/** So many tiles or fewer make no share for each thread: they are numbered through with those of other kinds. */
const FEW = 4;

/**
 * Runs all tiles of a stage on all threads. Each thread begins with a contiguous share of each kind, the same in every stage, so that what it
 * wrote is in its cache when it reads it; when it is done it takes over tiles of threads that are behind. Who computes a tile changes no result.
 *
 * Tiles are taken from counters. Stages alternate between two banks of them: while one is in use the other is cleared, and the barrier
 * between stages keeps the two apart. They are numbered in the order in which they are written, which must be that of a run.
 */
export function emitTiles(
  module: ModuleBuilder,
  f: FunctionBuilder,
  kinds: readonly Tiles[],
  counters: number,
  { thread, threads }: ThreadLocals,
): void {
  const { i32 } = f;
  const few = kinds.filter(({ tiles }) => tiles <= FEW);
  const shared = kinds.flatMap((kind) => (kind.tiles > FEW ? kind : kind === few[0] ? joined(f, few) : []));
  if (!module.shared || (shared.length === 1 && shared[0]!.tiles === 1)) {
    for (const { tiles, body } of shared) {
      const tile = f.local.i32();
      forShare(f, tile, tiles, 1, { thread, threads }, () => body(tile));
    }
    return;
  }
  // A stage of one tile neither uses nor clears a bank of counters: it takes no number, so that banks still alternate.
  const stage = module.once('stages', () => ({ next: 0 })).next++;
  const bankBytes = i32.mul(threads, LINE);
  const [used, cleared] =
    stage % 2 === 0 ? [counters, i32.add(bankBytes, counters)] : [f.let(i32.add(bankBytes, counters)), i32.const(counters)];
  i32.store(i32.add(cleared, i32.mul(thread, LINE)), 0);
  const owner = f.let(thread);
  const left = f.let(threads);
  const tile = f.local.i32();
  f.loop((next) => {
    const counter = f.let(i32.add(used, i32.mul(owner, LINE)));
    const starts = shared.map(({ tiles }) => f.let(boundary(f, tiles, owner, threads)));
    // Where the share of each kind ends, when the shares of all kinds are counted through.
    const ends: Local<'i32'>[] = [];
    shared.forEach(({ tiles }, kind) => {
      const count = i32.sub(boundary(f, tiles, i32.add(owner, 1), threads), starts[kind]!);
      ends.push(f.let(kind === 0 ? count : i32.add(ends[kind - 1]!, count)));
    });
    const all = ends.at(-1)!;
    f.block((done) => {
      f.loop((again) => {
        // Looking first leaves the line of a finished share with everybody.
        f.brIf(done, i32.geS(i32.load(counter), all));
        f.brIf(done, i32.geS(f.tee(tile, f.atomic.add(counter, 1)), all));
        shared.forEach(({ body }, kind) => {
          const own = (): void => {
            f.set(tile, i32.add(tile, kind === 0 ? starts[0]! : i32.sub(starts[kind]!, ends[kind - 1]!)));
            body(tile);
            f.br(again);
          };
          if (kind === shared.length - 1) own();
          else f.if(i32.ltS(tile, ends[kind]!), own);
        });
      });
    });
    f.set(owner, i32.add(owner, 1));
    f.if(i32.eq(owner, threads), () => f.set(owner, 0));
    f.brIf(next, f.tee(left, i32.sub(left, 1)));
  });
}

/** Tiles of several kinds, numbered through. */
function joined(f: FunctionBuilder, kinds: readonly Tiles[]): Tiles {
  const tiles = kinds.reduce((sum, kind) => sum + kind.tiles, 0);
  if (kinds.length === 1) return kinds[0]!;
  const half = kinds.length >> 1;
  const [low, high] = [joined(f, kinds.slice(0, half)), joined(f, kinds.slice(half))];
  const body = (tile: Operand<'i32'>): void =>
    f.if(
      f.i32.ltS(tile, low.tiles),
      () => low.body(tile),
      () => high.body(f.let(f.i32.sub(tile, low.tiles))),
    );
  return { tiles, body };
}
