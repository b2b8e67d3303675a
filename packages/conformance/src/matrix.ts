import type { CaseTable, Runtime, Vjp } from '@shoal/core';
import { evaluateTables, type Check, type EvaluateOptions, type Result } from './evaluate.ts';

/**
 * What a backend does with one op in one direction. `partly`: some cases are unsupported; `wrong`: a case fails; `none`: there
 * is no derivative; `untested`: no case checks it.
 */
export interface SupportCell {
  readonly status: 'yes' | 'partly' | 'no' | 'wrong' | 'none' | 'untested';
  readonly passed: number;
  readonly checks: number;
  /** Each reason once: why cases were skipped, or which fail and how. */
  readonly notes: readonly string[];
}

export interface SupportRow {
  /** Name of the table: an op, or a composition that has cases of its own. */
  readonly op: string;
  /** Why the op has no gradient rule; null where it has one. */
  readonly noGradient: string | null;
  /** By backend and check. */
  readonly support: Readonly<Record<string, Readonly<Record<Check, SupportCell>>>>;
}

export interface SupportMatrix {
  readonly schema: 'shoal.support/1';
  readonly backends: readonly string[];
  readonly rows: readonly SupportRow[];
  /** Columns that could not be measured. */
  readonly notMeasured: readonly NotMeasured[];
}

export interface NotMeasured {
  readonly name: string;
  readonly reason: string;
}

const checks: readonly Check[] = ['forward', 'gradient', 'second-order'];

/** Op by backend by direction, from the verdicts of {@link evaluateTables}. */
export function supportMatrix(
  tables: readonly CaseTable[],
  results: Readonly<Record<string, readonly Result[]>>,
  notMeasured: readonly NotMeasured[] = [],
): SupportMatrix {
  const backends = Object.keys(results);
  const rows = tables.map(({ name, op }): SupportRow => {
    const cellsOf = (backend: string): Record<Check, SupportCell> => {
      const own = results[backend]!.filter(({ table }) => table === name);
      return { forward: cell(own, 'forward'), gradient: cell(own, 'gradient'), 'second-order': cell(own, 'second-order') };
    };
    return { op: name, noGradient: noGradient(op), support: Object.fromEntries(backends.map((backend) => [backend, cellsOf(backend)])) };
  });
  return { schema: 'shoal.support/1', backends, rows, notMeasured };
}

export interface MeasuredBackend extends EvaluateOptions {
  /** Heading of its column. */
  readonly name: string;
  readonly runtime: Runtime;
}

/** Evaluates every table on every backend and sums up. */
export async function measureSupport(
  tables: readonly CaseTable[],
  backends: readonly MeasuredBackend[],
  oracle: Runtime,
): Promise<SupportMatrix> {
  const results: Record<string, readonly Result[]> = {};
  for (const { name, runtime, ...options } of backends) results[name] = await evaluateTables(tables, runtime, oracle, options);
  return supportMatrix(tables, results);
}

function noGradient(op: CaseTable['op']): string | null {
  const rule: Vjp<never> | undefined = op?.vjp;
  return rule && typeof rule !== 'function' ? rule.none : null;
}

function cell(results: readonly Result[], check: Check): SupportCell {
  const own = results.filter((result) => result.check === check);
  const failed = own.filter(({ ok }) => !ok);
  const passed = own.filter(({ ok, skipped }) => ok && !skipped);
  const unsupported = own.filter(({ skipped }) => skipped === 'unsupported');
  const underived = own.filter(({ skipped }) => skipped === 'no-gradient');
  const status = (): SupportCell['status'] => {
    if (failed.length > 0) return 'wrong';
    if (passed.length > 0) return unsupported.length > 0 ? 'partly' : 'yes';
    if (unsupported.length > 0) return 'no';
    return underived.length > 0 ? 'none' : 'untested';
  };
  const notes = [
    ...failed.map((result) => `${result.case}: ${result.reason}`),
    ...own.flatMap(({ skipped, reason }) => (skipped && skipped !== 'no-gradient' ? [reason] : [])),
  ];
  return { status: status(), passed: passed.length, checks: own.length - underived.length, notes: [...new Set(notes)] };
}

const marks: Readonly<Record<SupportCell['status'], string>> = { yes: '✓', partly: '◐', no: '–', wrong: '✗', none: '∅', untested: '·' };

/** The matrix as a Markdown table: three marks per backend (forward, backward, second order), reasons as numbered notes below. */
export function matrixMarkdown({ backends, rows, notMeasured }: SupportMatrix): string {
  const notes: string[] = [];
  const numbered = (note: string): number => (notes.includes(note) ? notes.indexOf(note) + 1 : notes.push(note));
  const lines = rows.map(({ op, noGradient: reason, support }) => {
    const columns = backends.map((backend) => {
      const cells = checks.map((check) => support[backend]![check]);
      const found = [...new Set(cells.flatMap((each) => each.notes))].map(numbered);
      return `${cells.map(({ status }) => marks[status]).join(' ')}${found.length > 0 ? ` <sup>${found.join(', ')}</sup>` : ''}`;
    });
    const name = reason === null ? `\`${op}\`` : `\`${op}\` <sup>${numbered(`no gradient: ${reason}`)}</sup>`;
    return `| ${[name, ...columns].join(' | ')} |`;
  });
  const legend =
    'Each cell: forward, backward, second order. ✓ right in every case · ◐ some cases unsupported · – unsupported · ✗ wrong · ∅ has no derivative · · not tested';
  const table = [`| op | ${backends.join(' | ')} |`, `|---|${backends.map(() => '---').join('|')}|`, ...lines];
  return [
    legend,
    '',
    ...notMeasured.flatMap(({ name, reason }) => [`${name} was not measured: ${reason.replaceAll('\n', ' ')}.`, '']),
    ...table,
    ...(notes.length > 0 ? ['', ...notes.map((note, i) => `${i + 1}. ${note.replaceAll('\n', ' ')}`)] : []),
    '',
  ].join('\n');
}
