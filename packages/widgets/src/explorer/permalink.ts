import { languages } from '../strings/index.ts';
import { CELLS, cellNumber, MOST_SHIFT, noShift, ones, OUTPUTS, sameNumbers, WEIGHTS, type ExplorerState, type Shift } from './state.ts';

/**
 * Version 1 of the link, the text after `#`: `shoal=1&i=1_3_...&f=1_0_0_-1&u=1_1_1_1&s=1_0_zero&l=pt-BR`.
 * `i` image, `f` filter, `u` upstream gradient (all ones if absent), `s` shift as x, y and edge (none if absent), `l` language.
 */
const VERSION = '1';
/** Every field that a link may have. */
export const linkFields = ['shoal', 'i', 'f', 'u', 's', 'l'] as const;

const list = (values: readonly number[]): string => values.join('_');

/** The state as a URL fragment, without `#`. */
export function encodeState({ image, filter, upstream, shift, language }: ExplorerState): string {
  const parts = [`shoal=${VERSION}`, `i=${list(image)}`, `f=${list(filter)}`];
  if (!sameNumbers(upstream, ones)) parts.push(`u=${list(upstream)}`);
  if (shift.x !== 0 || shift.y !== 0 || shift.edge !== noShift.edge) parts.push(`s=${shift.x}_${shift.y}_${shift.edge}`);
  return [...parts, `l=${language}`].join('&');
}

/** What a fragment says: a state, that it is not a link of the explorer's (`none`), or that it is a broken one. */
export type Decoded = { readonly kind: 'state'; readonly state: ExplorerState } | { readonly kind: 'none' | 'broken' };

/** Reads what {@link encodeState} wrote, with or without `#` or `?`, other fields around it or none; anything else is `none` or `broken`, never half a state. */
export function decodeState(fragment: string): Decoded {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  if (!fields.has('shoal')) return { kind: 'none' };
  const upstream = fields.get('u');
  const shift = fields.get('s');
  const parsed = {
    image: numbers(fields.get('i'), CELLS),
    filter: numbers(fields.get('f'), WEIGHTS),
    upstream: upstream === null ? ones : numbers(upstream, OUTPUTS),
    shift: shift === null ? noShift : readShift(shift),
    language: languages.find((language) => language === fields.get('l')) ?? null,
  };
  if (fields.get('shoal') !== VERSION || !isWhole(parsed)) return { kind: 'broken' };
  return { kind: 'state', state: parsed };
}

type Parsed = { readonly [Field in keyof ExplorerState]: ExplorerState[Field] | null };

const isWhole = (parsed: Parsed): parsed is ExplorerState => Object.values(parsed).every((field) => field !== null);

/** Exactly `count` numbers that cells would keep as they are written. */
function numbers(text: string | null, count: number): readonly number[] | null {
  const parts = text?.split('_') ?? [];
  const values = parts.map((part) => (/^-?\d+(\.\d+)?$/.test(part) ? cellNumber(Number(part)) : null));
  const whole = values.filter((value) => value !== null);
  return parts.length === count && whole.length === count ? whole : null;
}

function readShift(text: string): Shift | null {
  const match = /^(-?\d)_(-?\d)_(circular|zero)$/.exec(text);
  if (!match) return null;
  const [x, y] = [Number(match[1]) + 0, Number(match[2]) + 0];
  if (Math.max(Math.abs(x), Math.abs(y)) > MOST_SHIFT) return null;
  return { x, y, edge: match[3] === 'zero' ? 'zero' : 'circular' };
}
