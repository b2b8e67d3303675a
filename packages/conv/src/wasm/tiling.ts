/**
 * Relative time of a micro-tile of so many rows by its count of multiply-adds: small tiles wait for the latency of their
 * chains and repeat the loads of the weights.
 */
const rowCost = [0, 2.6, 3.1, 3.6, 4.3, 5.1, 6];

/** Cuts a length into pieces of at most `largest`, the cheapest way; equal pieces stand together. `[6, 6, 4]` for 16. */
export function cutLength(length: number, largest: number): readonly number[] {
  const best: { cost: number; piece: number }[] = [{ cost: 0, piece: 0 }];
  for (let n = 1; n <= length; n++) {
    let choice = { cost: Infinity, piece: 0 };
    for (let piece = Math.min(largest, n); piece >= 1; piece--) {
      const cost = best[n - piece]!.cost + rowCost[piece]!;
      if (cost < choice.cost - 1e-9) choice = { cost, piece };
    }
    best.push(choice);
  }
  const pieces: number[] = [];
  for (let rest = length; rest > 0; rest -= best[rest]!.piece) pieces.push(best[rest]!.piece);
  return pieces.toSorted((a, b) => b - a);
}

/** Runs of equal pieces: `[6, 6, 4]` becomes 2 of 6 and 1 of 4. */
export function runsOf(pieces: readonly number[]): readonly { readonly piece: number; readonly count: number; readonly start: number }[] {
  const runs: { piece: number; count: number; start: number }[] = [];
  let start = 0;
  for (const piece of pieces) {
    const last = runs.at(-1);
    if (last?.piece === piece) last.count++;
    else runs.push({ piece, count: 1, start });
    start += piece;
  }
  return runs;
}
