import type { Dtype } from '@shoal/core';
import { elements, workgroups, type Dispatch, type WgslSite, type Width } from './kernel.ts';

export interface ReductionOptions {
  /** `moments`: the mean of f32 terms and the sum of the squares of their distances from it. */
  readonly kind: 'sum' | 'max' | 'min' | 'moments';
  /** Of the terms and the results; default f32. */
  readonly dtype?: Dtype;
  /** How many results. */
  readonly results: number;
  /** How many terms each result has. */
  readonly terms: number;
  /** How many f32 sums each result has, for which `term` returns an `array` of their terms; default 1, and `term` returns the term. */
  readonly sums?: 1 | 2;
  /**
   * Body of a WGSL function of `o` (which result) and `r` (which term), both i32: returns the term. With four lanes, `o` is a quarter of the
   * first of four neighbouring results, and terms are vectors.
   */
  readonly term: string;
  /** What lies side by side in memory: the terms of a result (default), or terms of one number of neighbouring results, as where channels are summed over cells. */
  readonly adjacent?: 'terms' | 'results';
  /** How many neighbouring results a thread takes at once; default 1. Four are for sums and moments of adjacent results. It changes no bit. */
  readonly lanes?: Width;
  /** Stores result `o`, counted like that of `term`: a value for each sum, or the mean and the squares. */
  readonly write: (o: string, ...values: readonly string[]) => string;
}

/** Up to here one thread takes all terms of a result in their order. */
const sequentialTerms = 64;
/** Terms of one workgroup where a result has more than one. */
const chunkTerms = 4096;
/** Neighbouring results that a workgroup reads together, threads of one memory access side by side. */
const bandResults = 32;
/** Terms of a band that its threads take together. */
const bandSide = 8;
/** Terms that a thread of a band takes before more workgroups share them. */
const bandTerms = 16;
const enoughWorkgroups = 256;

/**
 * Sums, maxima, minima or moments of computed terms, in an order that only the sizes decide: one thread per result where there are few
 * terms; a workgroup per result, or per band of results that lie side by side, whose lanes stride over the terms and join in a tree;
 * and for few results of very many terms a workgroup per chunk, then a thread or one workgroup over the chunks' partial results. Sums of f32 carry
 * their rounding errors along, as far as the driver does not rearrange them. Several reductions in one step need distinct `name`s.
 */
export function reduction(site: WgslSite<unknown>, options: ReductionOptions, name = 'reduction'): readonly Dispatch[] {
  const { dtype = 'f32', terms, term, sums = 1, lanes = 1 } = options;
  const results = options.results / lanes;
  const scalar = lanes === 4 ? `vec4<${dtype}>` : dtype;
  const arithmetic = arithmeticOf(options.kind, scalar, sums);
  const { parts } = arithmetic;
  // Distances from any one of the terms, so that the mean's rounding errors are those of a number as small as the spread of the terms.
  const pivoted = options.kind === 'moments';
  const type = `${name}_total`;
  const types = `struct ${type} { ${partsOf('', parts)
    .map((part) => `${part}: ${scalar}`)
    .join(', ')} }
fn ${name}_join(a: ${type}, b: ${type}) -> ${type} {\n${arithmetic.join(type)}\n}
`;
  const returned = sums === 1 ? scalar : `array<${scalar}, ${sums}>`;
  const termOf = `fn ${name}_term(o: i32, r: i32) -> ${returned} {\n${term}\n}\n`;
  const lifted = sums === 1 ? ['term'] : Array.from({ length: sums }, (_, k) => `term[${k}]`);
  const value = `fn ${name}_value(o: i32, r: i32) -> ${type} {
let term = ${name}_term(o, r)${pivoted ? ` - ${name}_pivot` : ''};
return ${type}(${arithmetic.lift(lifted).join(', ')});
}
`;
  const pivot = pivoted ? `var<private> ${name}_pivot: ${scalar};\n` : '';
  const first: Stage = {
    name,
    width: lanes,
    hasZero: arithmetic.hasZero,
    parts,
    subgroup: site.subgroup,
    declarations: types + termOf + pivot + value,
    prepare: (o) => (pivoted ? `${name}_pivot = ${name}_term(${o}, 0);\n` : ''),
  };
  const write: Write = (o, total) => {
    const [result, ...others] = arithmetic.round(partsOf('total_parts.', parts));
    return `let total_parts = ${total};\n${options.write(o, pivoted ? `${name}_term(${o}, 0) + ${result}` : result!, ...others)}`;
  };
  const plenty = options.results >= 16384 && terms <= 8 * sequentialTerms;
  if (terms <= sequentialTerms || plenty) return [sequential(first, results, terms, write)];
  const banded = options.adjacent === 'results';
  const chunks = banded ? bandChunks(options.results, terms) : results >= 256 ? 1 : Math.min(256, Math.ceil(terms / chunkTerms));
  const split = banded ? band : tree;
  if (chunks === 1) return [split(first, results, 1, terms, write)];
  const count = results * chunks;
  const partial = site.scratch(dtype, parts * count * lanes);
  const [read, store] = lanes === 4 ? [partial.read4, partial.write4] : [partial.read, partial.write];
  const place = (o: string, chunk: string): string => (banded ? `${chunk} * ${results} + ${o}` : `${o} * ${chunks} + ${chunk}`);
  const reads = Array.from({ length: parts }, (_, k) => read(`${k * count} + ${place('o', 'r')}`));
  const second = `fn ${name}_value(o: i32, r: i32) -> ${type} {\nreturn ${type}(${reads.join(', ')});\n}\n`;
  const merge: Stage = { ...first, declarations: types + (pivoted ? termOf : '') + second, prepare: () => '' };
  const storeParts: Write = (o, total) =>
    `let total_parts = ${total};\n${partsOf('total_parts.', parts)
      .map((part, k) => store(`${k * count} + ${place(o, 'chunk')}`, part))
      .join('\n')}`;
  return [
    split(first, results, chunks, terms, storeParts),
    chunks <= sequentialTerms ? sequential(merge, results, chunks, write) : tree(merge, results, 1, chunks, write),
  ];
}

const partsOf = (of: string, parts: number): readonly string[] => Array.from({ length: parts }, (_, k) => `${of}p${k}`);

/** How many results lie in a band: a power of two. */
const bandWidth = (results: number): number => Math.min(bandResults, 2 ** Math.ceil(Math.log2(results)));

function bandChunks(results: number, terms: number): number {
  const width = bandWidth(results);
  const wanted = Math.ceil(enoughWorkgroups / Math.ceil(results / width));
  return Math.max(1, Math.min(wanted, sequentialTerms, Math.floor((terms * width) / (bandSide * bandResults * bandTerms))));
}

/** How totals, which have several parts, are held and joined. */
interface Arithmetic {
  readonly parts: number;
  /** Whether all parts are 0 for no terms; maxima start from their first term. */
  readonly hasZero: boolean;
  /** The parts of the total of one term. */
  readonly lift: (terms: readonly string[]) => readonly string[];
  /** Body of a function that joins the totals `a` and `b`. */
  readonly join: (type: string) => string;
  /** The results of a total's parts. */
  readonly round: (parts: readonly string[]) => readonly string[];
}

function arithmeticOf(kind: ReductionOptions['kind'], scalar: string, sums: number): Arithmetic {
  const same = (parts: readonly string[]): readonly string[] => parts;
  if (kind === 'moments') {
    // Chan, Golub and LeVeque, "Algorithms for computing the sample variance" (1983): counts, means and squares of two samples.
    return {
      parts: 3,
      hasZero: true,
      lift: ([term]) => [`${scalar}(1.0)`, term!, `${scalar}()`],
      join: (type) => `let count = a.p0 + b.p0;
let share = b.p0 / max(count, ${scalar}(1.0));
let apart = b.p1 - a.p1;
return ${type}(count, fma(apart, share, a.p1), a.p2 + b.p2 + apart * apart * a.p0 * share);`,
      round: ([, mean, squares]) => [mean!, squares!],
    };
  }
  if (kind !== 'sum')
    return { parts: 1, hasZero: false, lift: same, join: (type) => `return ${type}(shoal_${kind}(a.p0, b.p0));`, round: same };
  if (!scalar.includes('f32')) return { parts: 1, hasZero: true, lift: same, join: (type) => `return ${type}(a.p0 + b.p0);`, round: same };
  // Pairs of a sum and of what rounding took from it (Knuth's two-sum).
  const each = <T>(print: (sum: string, rest: string, k: number) => T): T[] =>
    Array.from({ length: sums }, (_, k) => print(`p${2 * k}`, `p${2 * k + 1}`, k));
  return {
    parts: 2 * sums,
    hasZero: true,
    lift: (terms) => terms.flatMap((term) => [term, `${scalar}()`]),
    join: (type) => `${each(
      (sum, rest) => `let ${sum} = a.${sum} + b.${sum};
let part_${sum} = ${sum} - a.${sum};
let ${rest} = a.${rest} + ((a.${sum} - (${sum} - part_${sum})) + (b.${sum} - part_${sum})) + b.${rest};`,
    ).join('\n')}
return ${type}(${each((sum, rest) => `${sum}, ${rest}`).join(', ')});`,
    // An infinite sum has no meaningful rest.
    round: (parts) =>
      each((_, __, k) => [parts[2 * k]!, parts[2 * k + 1]!] as const).map(
        ([sum, rest]) => `select(${sum}, ${sum} + ${rest}, abs(${sum}) <= ${scalar}(3.4028234e38))`,
      ),
  };
}

interface Stage {
  readonly name: string;
  /** Neighbouring results that a thread takes. */
  readonly width: Width;
  readonly hasZero: boolean;
  readonly parts: number;
  readonly subgroup: number;
  /** The type NAME_total, NAME_value(o, r), which gives that of a term, and NAME_join(a, b). */
  readonly declarations: string;
  /** Statements before the terms of a result. */
  readonly prepare: (o: string) => string;
}

type Write = (o: string, total: string) => string;

function sequential({ name, hasZero, declarations, prepare }: Stage, results: number, terms: number, write: Write): Dispatch {
  const body = `${prepare('i')}var total = ${hasZero ? `${name}_total()` : `${name}_value(i, 0)`};
for (var r = ${hasZero ? 0 : 1}; r < ${terms}; r++) { total = ${name}_join(total, ${name}_value(i, r)); }
${write('i', 'total')}`;
  return elements(results, body, declarations);
}

/**
 * Joins what the threads of a workgroup hold, down to `width` of them: thread `lane` has `joined`, of results `lane % width`. As soon as
 * the totals left are as few as the threads of a subgroup, each of these holds all of them and joins them without memory or barriers,
 * in the order of the levels before, so that subgroups change no bit. WGSL does not say which threads they are; all come to the same.
 */
function joined({ name, parts, subgroup }: Stage, size: number, width: number): string {
  const shared = `${name}_shared`;
  const few = Math.min(subgroup, size);
  const last = few > width ? few : width;
  let levels = `${shared}[lane] = total;\nworkgroupBarrier();\n`;
  for (let half = size / 2; half >= last; half /= 2) {
    levels += `if (lane < ${half}) { ${shared}[lane] = ${name}_join(${shared}[lane], ${shared}[lane + ${half}]); }\nworkgroupBarrier();\n`;
  }
  if (last === width) return `${levels}let joined = ${shared}[lane % ${width}];\n`;
  const shuffled = (how: string, by: string): string =>
    `${name}_total(${partsOf('total.', parts)
      .map((part) => `${how}(${part}, ${by})`)
      .join(', ')})`;
  levels += `total = ${shared}[shoal_invocation % ${few}u];\n`;
  for (let half = few / 2; half >= width; half /= 2)
    levels += `total = ${name}_join(total, ${shuffled('subgroupShuffleDown', `${half}u`)});\n`;
  return `${levels}let joined = ${shuffled('subgroupShuffle', `u32(lane % ${width})`)};\n`;
}

const sharedTotals = (name: string, size: number): string => `var<workgroup> ${name}_shared: array<${name}_total, ${size}>;\n`;

function tree(stage: Stage, results: number, chunks: number, terms: number, write: Write): Dispatch {
  const { name, hasZero, declarations, prepare } = stage;
  const perChunk = Math.ceil(terms / chunks);
  const size = perChunk >= 1024 ? 256 : 64;
  // A lane without terms repeats the chunk's last, which changes no maximum.
  const body = `let o = group / ${chunks};
let chunk = group % ${chunks};
let begin = chunk * ${perChunk};
let end = min(begin + ${perChunk}, ${terms});
${prepare('o')}var total = ${hasZero ? `${name}_total()` : `${name}_value(o, min(begin + lane, end - 1))`};
for (var r = begin + lane${hasZero ? '' : ` + ${size}`}; r < end; r += ${size}) { total = ${name}_join(total, ${name}_value(o, r)); }
${joined(stage, size, 1)}if (lane == 0) {\n${write('o', 'joined')}\n}`;
  return workgroups(results * chunks, size, body, declarations + sharedTotals(name, size));
}

/** A workgroup for a band of neighbouring results: threads side by side read neighbours, those of one result join in a tree. */
function band(stage: Stage, results: number, chunks: number, terms: number, write: Write): Dispatch {
  const { name, width: lanes, hasZero, declarations, prepare } = stage;
  const width = bandWidth(results * lanes) / lanes;
  const size = (bandSide * bandResults) / lanes;
  const side = size / width;
  const perChunk = Math.ceil(terms / chunks);
  // A thread beyond the results or the terms repeats the last one.
  const body = `let chunk = group % ${chunks};
let place = group / ${chunks} * ${width} + lane % ${width};
let o = min(place, ${results - 1});
let begin = chunk * ${perChunk} + lane / ${width};
let end = min((chunk + 1) * ${perChunk}, ${terms});
${prepare('o')}var total = ${hasZero ? `${name}_total()` : `${name}_value(o, min(begin, end - 1))`};
for (var r = begin${hasZero ? '' : ` + ${side}`}; r < end; r += ${side}) { total = ${name}_join(total, ${name}_value(o, r)); }
${joined(stage, size, width)}if (lane < ${width} && place < ${results}) {\n${write('o', 'joined')}\n}`;
  const groups = Math.ceil(results / width) * chunks;
  return workgroups(groups, size, body, declarations + sharedTotals(name, size));
}
