import type { Dtype } from '@shoal/core';
import { elements, workgroups, type Dispatch, type WgslScratch, type WgslSite } from './kernel.ts';

export interface ReductionOptions {
  readonly kind: 'sum' | 'max' | 'min';
  /** Of the terms and the results; default f32. */
  readonly dtype?: Dtype;
  /** How many results. */
  readonly results: number;
  /** How many terms each result has. */
  readonly terms: number;
  /** Body of a WGSL function of `o` (which result) and `r` (which term), both i32: returns the term. */
  readonly term: string;
  /** What lies side by side in memory: the terms of a result (default), or terms of one number of neighbouring results, as where channels are summed over cells. */
  readonly adjacent?: 'terms' | 'results';
  /** Stores result `o`. */
  readonly write: (o: string, value: string) => string;
}

/** Up to here one thread takes all terms of a result in their order. */
const sequentialTerms = 64;
/** Terms of one workgroup where a result has more than one. */
const chunkTerms = 4096;
/** Neighbouring results that a workgroup reads together, threads of one memory access side by side. */
const bandResults = 32;
const bandThreads = 256;
/** Terms that a thread of a band takes before more workgroups share them. */
const bandTerms = 16;
const enoughWorkgroups = 256;

/**
 * Sums, maxima or minima of computed terms, in an order that only the sizes decide: one thread per result where there are few
 * terms; a workgroup per result, or per band of results that lie side by side, whose lanes stride over the terms and join in a tree;
 * and for few results of very many terms a workgroup per chunk, then a thread or one workgroup over the chunks' partial results. Sums of f32 carry their rounding errors along, as far as the
 * driver does not rearrange them. Several reductions in one step need distinct `name`s.
 */
export function reduction(site: WgslSite<unknown>, options: ReductionOptions, name = 'reduction'): readonly Dispatch[] {
  const { dtype = 'f32', results, terms, term } = options;
  const arithmetic = arithmeticOf(options.kind, dtype);
  const declarations = `fn ${name}_term(o: i32, r: i32) -> ${dtype} {\n${term}\n}\n`;
  const value = (o: string, r: string): string => arithmetic.lift(`${name}_term(${o}, ${r})`);
  const write = (o: string, total: string): string => options.write(o, arithmetic.round(total));
  const stage: Stage = { name, arithmetic, declarations, value };
  const plenty = results >= 16384 && terms <= 8 * sequentialTerms;
  if (terms <= sequentialTerms || plenty) return [sequential(stage, results, terms, write)];
  const banded = options.adjacent === 'results';
  const chunks = banded ? bandChunks(results, terms) : results >= 256 ? 1 : Math.min(256, Math.ceil(terms / chunkTerms));
  const first = banded ? band : tree;
  if (chunks === 1) return [first(stage, results, 1, terms, write)];
  const partial = arithmetic.store(site, dtype, results * chunks);
  const place = (o: string, chunk: string): string => (banded ? `${chunk} * ${results} + ${o}` : `${o} * ${chunks} + ${chunk}`);
  const second: Stage = { ...stage, declarations: '', value: (o, r) => partial.read(place(o, r)) };
  return [
    first(stage, results, chunks, terms, (o, total) => partial.write(place(o, 'chunk'), total)),
    chunks <= sequentialTerms ? sequential(second, results, chunks, write) : tree(second, results, 1, chunks, write),
  ];
}

const bandWidth = (results: number): number => Math.min(bandResults, 2 ** Math.ceil(Math.log2(results)));

function bandChunks(results: number, terms: number): number {
  const width = bandWidth(results);
  const wanted = Math.ceil(enoughWorkgroups / Math.ceil(results / width));
  return Math.max(1, Math.min(wanted, sequentialTerms, Math.floor((terms * width) / (bandThreads * bandTerms))));
}

/** How totals are held and joined. */
interface Arithmetic {
  /** WGSL type of a total. */
  readonly type: string;
  /** The total of nothing; null for maxima, which start from their first term. */
  readonly zero: string | null;
  readonly lift: (term: string) => string;
  readonly join: (a: string, b: string) => string;
  readonly round: (total: string) => string;
  readonly store: (site: WgslSite<unknown>, dtype: Dtype, count: number) => Pick<WgslScratch, 'read' | 'write'>;
}

function arithmeticOf(kind: ReductionOptions['kind'], dtype: Dtype): Arithmetic {
  const same = (text: string): string => text;
  const store: Arithmetic['store'] = (site, type, count) => site.scratch(type, count);
  if (kind !== 'sum') return { type: dtype, zero: null, lift: same, join: (a, b) => `shoal_${kind}(${a}, ${b})`, round: same, store };
  if (dtype !== 'f32') return { type: dtype, zero: `${dtype}(0)`, lift: same, join: (a, b) => `${a} + ${b}`, round: same, store };
  return {
    type: 'vec2<f32>',
    zero: 'vec2<f32>()',
    lift: (term) => `vec2<f32>(${term}, 0.0)`,
    join: (a, b) => `shoal_join(${a}, ${b})`,
    round: (total) => `shoal_rounded(${total})`,
    store(site, type, count) {
      const [totals, rests] = [site.scratch(type, count), site.scratch(type, count)];
      return {
        read: (index) => `vec2<f32>(${totals.read(index)}, ${rests.read(index)})`,
        write: (index, total) => `${totals.write(index, `${total}.x`)} ${rests.write(index, `${total}.y`)}`,
      };
    },
  };
}

interface Stage {
  readonly name: string;
  readonly arithmetic: Arithmetic;
  readonly declarations: string;
  readonly value: (o: string, r: string) => string;
}

type Write = ReductionOptions['write'];

function sequential({ arithmetic: { zero, join }, declarations, value }: Stage, results: number, terms: number, write: Write): Dispatch {
  const body = `var total = ${zero ?? value('i', '0')};
for (var r = ${zero ? 0 : 1}; r < ${terms}; r++) { total = ${join('total', value('i', 'r'))}; }
${write('i', 'total')}`;
  return elements(results, body, declarations);
}

function tree(
  { name, arithmetic: { type, zero, join }, declarations, value }: Stage,
  results: number,
  chunks: number,
  terms: number,
  write: Write,
): Dispatch {
  const perChunk = Math.ceil(terms / chunks);
  const size = perChunk >= 1024 ? 256 : 64;
  const shared = `${name}_shared`;
  const levels: string[] = [];
  for (let half = size / 2; half >= 1; half /= 2) {
    levels.push(`if (lane < ${half}) { ${shared}[lane] = ${join(`${shared}[lane]`, `${shared}[lane + ${half}]`)}; }\nworkgroupBarrier();`);
  }
  // A lane without terms repeats the chunk's last, which changes no maximum.
  const body = `let o = group / ${chunks};
let chunk = group % ${chunks};
let begin = chunk * ${perChunk};
let end = min(begin + ${perChunk}, ${terms});
var total = ${zero ?? value('o', 'min(begin + lane, end - 1)')};
for (var r = begin + lane${zero ? '' : ` + ${size}`}; r < end; r += ${size}) { total = ${join('total', value('o', 'r'))}; }
${shared}[lane] = total;
workgroupBarrier();
${levels.join('\n')}
if (lane == 0) { ${write('o', `${shared}[0]`)} }`;
  return workgroups(results * chunks, size, body, `${declarations}var<workgroup> ${shared}: array<${type}, ${size}>;\n`);
}

/** A workgroup for a band of neighbouring results: threads side by side read neighbours, those of one result join in a tree. */
function band({ name, arithmetic, declarations, value }: Stage, results: number, chunks: number, terms: number, write: Write): Dispatch {
  const { type, zero, join } = arithmetic;
  const width = bandWidth(results);
  const lanes = bandThreads / width;
  const perChunk = Math.ceil(terms / chunks);
  const shared = `${name}_shared`;
  const levels: string[] = [];
  for (let half = bandThreads / 2; half >= width; half /= 2) {
    levels.push(`if (lane < ${half}) { ${shared}[lane] = ${join(`${shared}[lane]`, `${shared}[lane + ${half}]`)}; }\nworkgroupBarrier();`);
  }
  // A thread beyond the results or the terms repeats the last one.
  const body = `let chunk = group % ${chunks};
let place = group / ${chunks} * ${width} + lane % ${width};
let o = min(place, ${results - 1});
let begin = chunk * ${perChunk} + lane / ${width};
let end = min((chunk + 1) * ${perChunk}, ${terms});
var total = ${zero ?? value('o', 'min(begin, end - 1)')};
for (var r = begin${zero ? '' : ` + ${lanes}`}; r < end; r += ${lanes}) { total = ${join('total', value('o', 'r'))}; }
${shared}[lane] = total;
workgroupBarrier();
${levels.join('\n')}
if (lane < ${width} && place < ${results}) { ${write('o', `${shared}[lane]`)} }`;
  const groups = Math.ceil(results / width) * chunks;
  return workgroups(groups, bandThreads, body, `${declarations}var<workgroup> ${shared}: array<${type}, ${bandThreads}>;\n`);
}
