import type { Dtype } from '@shoal/core';
import { typeNames } from './expression.ts';
import { fixed } from './text.ts';
import { blocks, elements, phase, shared, type CudaScratch, type CudaSite, type Launch } from './kernel.ts';

export interface ReductionOptions {
  readonly kind: 'sum' | 'max' | 'min';
  /** Of the terms and the results; default f32. */
  readonly dtype?: Dtype;
  /** How many results. */
  readonly results: number;
  /** How many terms each result has. */
  readonly terms: number;
  /** What lies side by side in memory: the terms of one result (the default), or the terms `r` of consecutive results. Decides speed alone. */
  readonly adjacent?: 'terms' | 'results';
  /** Body of a lambda of `o` (which result) and `r` (which term), both int: returns the term. */
  readonly term: string;
  /** Stores result `o`. */
  readonly write: (o: string, value: string) => string;
}

/** Up to here one thread takes all terms of a result in their order. */
const sequentialTerms = 64;
/** Terms that a thread should have before the terms of a result are shared among blocks. */
const termsPerThread = 16;
/** Blocks that fill any device; sizes alone decide, so the bits are the same on all. */
const enoughBlocks = 1024;

/**
 * Sums, maxima or minima of computed terms, in an order that only the sizes decide: one thread per result where there are few
 * terms; else a block for as many results as are read together, whose threads stride over the terms and join in a tree; and for few
 * results of very many terms a block per chunk of terms, then one over the chunks' partial results. Sums of f32 carry their
 * rounding errors along.
 */
export function reduction(site: CudaSite<unknown>, options: ReductionOptions): readonly Launch[] {
  const { dtype = 'f32', results, terms, term, adjacent = 'terms' } = options;
  const arithmetic = arithmeticOf(options.kind, dtype);
  const setup = `auto reduction_term = [&](const int o, const int r) -> ${typeNames[dtype]} {\n(void)o; (void)r;\n${term}\n};\n`;
  const value = (o: string, r: string): string => arithmetic.lift(`reduction_term(${o}, ${r})`);
  const write = (o: string, total: string): string => options.write(o, arithmetic.round(total));
  const stage: Stage = { arithmetic, setup, value };
  const plenty = results >= 16384 && terms <= 8 * sequentialTerms;
  if (terms <= sequentialTerms || plenty) return [sequential(stage, results, terms, write)];

  const grid = site.generic ? genericGrid(results, terms, adjacent) : gridOf(results, terms, adjacent);
  if (grid.chunks === 1) return [tree(stage, results, terms, grid, write)];
  const partial = arithmetic.store(site, dtype, results * grid.chunks);
  const second: Stage = { ...stage, setup: '', value: (o, r) => partial.read(`${r} * ${results} + ${o}`) };
  return [
    tree(stage, results, terms, grid, (o, total) => partial.write(`chunk * ${results} + ${o}`, total)),
    grid.chunks <= sequentialTerms
      ? sequential(second, results, grid.chunks, write)
      : tree(second, results, grid.chunks, { ...gridOf(results, grid.chunks, 'results'), chunks: 1 }, write),
  ];
}

/** How the work is cut up. */
interface Grid {
  readonly threads: number;
  /** Results of one block. */
  readonly width: number;
  /** Blocks that share the terms of a result. */
  readonly chunks: number;
}

function gridOf(results: number, terms: number, adjacent: 'terms' | 'results'): Grid {
  const width = adjacent === 'terms' ? 1 : Math.min(32, 2 ** Math.ceil(Math.log2(results)));
  const threads = width * 64 >= 256 || terms >= 1024 ? 256 : 64;
  const tiles = Math.ceil(results / width);
  const wanted = Math.ceil(terms / (termsPerThread * (threads / width)));
  return { threads, width, chunks: Math.max(1, Math.min(wanted, Math.floor(enoughBlocks / tiles))) };
}

/** One for each neighbourhood in memory, with so few chunks that one thread joins them. */
function genericGrid(results: number, terms: number, adjacent: 'terms' | 'results'): Grid {
  const [threads, width] = [256, adjacent === 'terms' ? 1 : 32];
  const wanted = Math.ceil(terms / (termsPerThread * (threads / width)));
  const chunks = Math.max(1, Math.min(wanted, sequentialTerms, Math.floor(enoughBlocks / Math.ceil(results / width))));
  return { threads, width, chunks };
}

/** How totals are held and joined. */
interface Arithmetic {
  /** Type of a total. */
  readonly type: string;
  /** The total of nothing; null for maxima, which start from their first term. */
  readonly zero: string | null;
  readonly lift: (term: string) => string;
  readonly join: (a: string, b: string) => string;
  readonly round: (total: string) => string;
  readonly store: (site: CudaSite<unknown>, dtype: Dtype, count: number) => Pick<CudaScratch, 'read' | 'write'>;
}

function arithmeticOf(kind: ReductionOptions['kind'], dtype: Dtype): Arithmetic {
  const same = (text: string): string => text;
  const type = typeNames[dtype];
  const store: Arithmetic['store'] = (site, of, count) => site.scratch(of, count);
  if (kind !== 'sum') return { type, zero: null, lift: same, join: (a, b) => `shoal_${kind}(${a}, ${b})`, round: same, store };
  if (dtype !== 'f32') {
    return { type, zero: '0', lift: same, join: (a, b) => `(${type})((unsigned)${a} + (unsigned)${b})`, round: same, store };
  }
  return {
    type: 'shoal_sum',
    zero: 'shoal_lift(0.0f)',
    lift: (term) => `shoal_lift(${term})`,
    join: (a, b) => `shoal_join(${a}, ${b})`,
    round: (total) => `shoal_rounded(${total})`,
    store(site, of, count) {
      const [totals, rests] = [site.scratch(of, count), site.scratch(of, count)];
      return {
        read: (index) => `shoal_sum{${totals.read(index)}, ${rests.read(index)}}`,
        write: (index, total) => `${totals.write(index, `${total}.total`)} ${rests.write(index, `${total}.rest`)}`,
      };
    },
  };
}

interface Stage {
  readonly arithmetic: Arithmetic;
  readonly setup: string;
  readonly value: (o: string, r: string) => string;
}

type Write = ReductionOptions['write'];

function sequential({ arithmetic: { type, zero, join }, setup, value }: Stage, results: number, terms: number, write: Write): Launch {
  const body = `${setup}${type} total = ${zero ?? value('i', '0')};
for (int r = ${zero ? 0 : 1}; r < ${terms}; r++) total = ${join('total', value('i', 'r'))};
${write('i', 'total')}`;
  return elements(results, body);
}

/** Thread `lane` of a block takes result `lane % width` and every so many terms, beginning with `lane / width`. */
function tree(
  { arithmetic: { type, zero, join }, setup, value }: Stage,
  results: number,
  terms: number,
  { threads, width, chunks }: Grid,
  write: Write,
): Launch {
  const step = threads / width;
  const perChunk = Math.ceil(terms / chunks);
  const where = fixed`const int o = group / ${String(chunks)} * ${width} + lane % ${width};\nconst bool inside = o < ${String(results)};\n`;
  const levels: string[] = [];
  for (let half = threads / 2; half >= width; half /= 2) {
    const joined = join('reduction_shared[lane]', fixed`reduction_shared[lane + ${half}]`);
    levels.push(phase(threads, fixed`if (lane < ${half}) reduction_shared[lane] = ${joined};`));
  }
  // A thread without terms repeats the chunk's last, which changes no maximum.
  const first = zero ?? value('o', fixed`(begin + lane / ${width} < end ? begin + lane / ${width} : end - 1)`);
  const gather = fixed`${where}if (inside) {
  ${type} total = ${first};
  for (int r = begin + lane / ${width}${zero ? '' : fixed` + ${step}`}; r < end; r += ${step}) total = ${join('total', value('o', 'r'))};
  reduction_shared[lane] = total;
}`;
  const body = fixed`${shared(type, 'reduction_shared', threads)}${setup}const int chunk = group % ${String(chunks)};
const int begin = chunk * ${String(perChunk)};
const int end = begin + ${String(perChunk)} < ${String(terms)} ? begin + ${String(perChunk)} : ${String(terms)};
${phase(threads, gather)}${levels.join('')}${phase(threads, fixed`${where}if (lane < ${width} && inside) { ${write('o', 'reduction_shared[lane]')} }`)}`;
  return blocks(Math.ceil(results / width) * chunks, threads, body);
}
