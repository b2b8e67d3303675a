/** 16x16 threads. */
export const side = 16;
export const threads = side * side;

/** Depth of the tiles in shared memory. */
export const depthTile = 16;

/** What one block computes. */
export interface Tile {
  /** Elements of a thread along each axis. */
  readonly rowsEach: number;
  readonly columnsEach: number;
  /** Of the whole block. */
  readonly rows: number;
  readonly columns: number;
}

/** How the threads of a block multiply two tiles in shared memory: element k, row of the left one is `gemm_left[(buffer * depthTile + k) * (rows + skew) + row]`. */
export interface Core {
  /** Floats added to each row of a tile in shared memory, against bank conflicts; rows stay aligned to 16 bytes. */
  readonly skew: number;
  /** What threads keep. */
  readonly declarations: string;
  /** Statements of a phase: all sums are 0. */
  readonly clear: string;
  /** A factor as it is put into a tile. */
  readonly factor: (text: string) => string;
  /** Steps that add the product of the tiles in buffer `buffer` to the sums. */
  readonly multiply: string;
  /** Statements of a step that visit the thread's elements: `body` sees where they lie in the block, `down` and `across`. */
  readonly results: (body: (sum: string) => string) => string;
}
