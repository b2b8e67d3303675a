import type { BackendName } from '../explorer/calculator.ts';
import type { OperatorName } from '../explorer/operators.ts';
import type { PresetName } from '../explorer/presets.ts';
import type { ShiftEffect } from '../explorer/shift.ts';
import type { Edge } from '../explorer/state.ts';

/** A count that a badge shows. */
export type CostName = 'parameters' | 'multiplyAccumulates' | 'comparisons' | 'additions' | 'transcendentals' | 'bytes';

/** Everything the widgets say, in one language. Numbers come formatted. */
export interface Strings {
  /** The language's own name. */
  readonly languageName: string;
  readonly language: string;
  /** The question, as a title. */
  readonly question: string;
  /** What the explorer is. */
  readonly explorer: string;
  readonly tryThis: string;
  readonly presets: Readonly<Record<PresetName, { readonly name: string; readonly notice: string }>>;
  readonly ownNumbers: string;
  readonly image: string;
  readonly imageHint: string;
  readonly filter: string;
  readonly filterHint: string;
  readonly upstream: string;
  readonly upstreamHint: string;
  readonly allOnes: string;
  readonly keys: string;
  /** Name of a cell for screen readers; rows and columns count from 1. */
  readonly cell: (row: number, column: number) => string;
  readonly notANumber: (limit: string) => string;
  readonly shift: string;
  readonly shiftX: string;
  readonly shiftY: string;
  readonly shiftXBy: (pixels: number) => string;
  readonly shiftYBy: (pixels: number) => string;
  readonly edge: string;
  readonly edges: Readonly<Record<Edge, string>>;
  readonly reset: string;
  readonly copyLink: string;
  readonly linkCopied: string;
  readonly linkNotCopied: string;
  readonly linkBroken: string;
  readonly failed: (reason: string) => string;
  /** A backend, by its name in `computedBy`, cannot be used. */
  readonly notHad: (backend: string, reason: string) => string;
  readonly loading: string;
  readonly operators: Readonly<Record<OperatorName, { readonly name: string; readonly does: string }>>;
  readonly output: string;
  readonly outputTable: (operator: string) => string;
  readonly gradientTable: (operator: string) => string;
  readonly channel: (channel: number) => string;
  readonly was: (value: string) => string;
  readonly reaches: (cells: number, total: number) => string;
  readonly shiftEffect: (effect: ShiftEffect) => string;
  readonly learnsNothing: string;
  readonly learns: string;
  readonly cost: string;
  readonly costs: Readonly<Record<CostName, (count: number) => string>>;
  readonly legend: { readonly value: string; readonly positive: string; readonly negative: string; readonly winner: string };
  readonly computedIn: string;
  /** Where, after `computedIn`. */
  readonly computedBy: Readonly<Record<BackendName, string>>;
}
