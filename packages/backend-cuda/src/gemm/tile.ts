/** Depth of the tiles in shared memory. */
export const depthTile = 16;

/** Floats of shared memory that a block has without asking for more. */
const sharedFloats = (48 * 1024) / 4;

/** As many tiles of both factors as fit shared memory, at most `most`: one is multiplied while the others are on their way. */
export const stagesOf = (floats: number, most: number): number => Math.min(most, Math.floor(sharedFloats / floats));

export type Side = 'left' | 'right';

/** How the threads of a block multiply tiles in shared memory: stage s of a factor begins at `gemm_left[s * size.left]`. */
export interface Core {
  readonly threads: number;
  /** Blocks that a multiprocessor must be able to hold at once, if the compiler needs to be told. */
  readonly resident?: number;
  /** What a block computes. */
  readonly rows: number;
  readonly columns: number;
  /** Tiles of each factor that shared memory holds. */
  readonly stages: number;
  /** Floats of one of them. */
  readonly size: Readonly<Record<Side, number>>;
  /** Whether four neighbours in the factor's memory, from a multiple of four, lie side by side in its tile too, at a multiple of 16 bytes. */
  readonly keepsRuns: (side: Side) => boolean;
  /** Where element `k` (int), `across` (int: a row of the left factor, a column of the right one) lies in a tile. */
  readonly place: (side: Side) => string;
  /** What threads keep. */
  readonly declarations: string;
  /** Steps before the first tile, which is in stage `stage`. */
  readonly begin: string;
  /**
   * Steps that add the product of the tiles in stage `stage` to the sums. They hold `copy`, which begins to fill the stage that was
   * multiplied last, and `arrive`, after which stage `next` is there and `stage` is not read any more.
   */
  readonly multiply: (copy: string, arrive: string) => string;
  /** Statements of a step that visit the thread's elements: `body` sees where they lie in the block, `down` and `across`. */
  readonly results: (body: (sum: string) => string) => string;
}
