import type { ExternalResult } from './run.ts';
import type { SkipReason } from './reader.ts';

/** How many cases of a file may be skipped for each reason: `{ "onnx/Conv.json": { "rank": 10 } }`. */
export type PermittedSkips = Readonly<Record<string, Readonly<Partial<Record<SkipReason, number>>>>>;

/** Counts the skips of each file, in the form in which permitted ones are committed. */
export function countSkips(results: readonly ExternalResult[]): PermittedSkips {
  const counts: Record<string, Partial<Record<SkipReason, number>>> = {};
  for (const { file, outcome } of results) {
    if (outcome === 'passed' || outcome === 'failed') continue;
    const own = (counts[file] ??= {});
    own[outcome] = (own[outcome] ?? 0) + 1;
  }
  return counts;
}

/** A line for every file and reason with more skips than are permitted: empty when none is new. */
export function unpermittedSkips(results: readonly ExternalResult[], permitted: PermittedSkips): readonly string[] {
  return Object.entries(countSkips(results)).flatMap(([file, reasons]) =>
    Object.entries(reasons).flatMap(([reason, count]) => {
      const allowed = permitted[file]?.[reason as SkipReason] ?? 0;
      if (count <= allowed) return [];
      const cases = results
        .filter((result) => result.file === file && result.outcome === reason)
        .map((result) => `${result.case} (${result.detail})`);
      return [`${file}: ${count} skipped for '${reason}', ${allowed} permitted: ${cases.join('; ')}`];
    }),
  );
}
