import { stridesOf, type Shape } from '@shoal/core';
import { constantTable, type CudaSite, type CudaTable } from '../kernel.ts';
import { broadcastIndex, broadcastTerms, type IndexTerm } from './broadcast.ts';

/** Where an axis of the result reads from: element `(start + p * step) * stride` for position p. */
export interface AxisSource {
  readonly stride: number;
  readonly start?: number;
  readonly step?: number;
}

/** The sum over axes of the source elements of row-major index `index` of `shape`. */
export function gatherIndex(index: string, shape: Shape, sources: readonly AxisSource[]): string {
  const inner = stridesOf(shape);
  const terms = shape.flatMap((size, axis) => {
    const { stride, step = 1 } = sources[axis]!;
    if (size === 1) return [];
    const quotient = inner[axis] === 1 ? `(${index})` : `(${index}) / ${inner[axis]!}`;
    const position = axis === 0 ? quotient : `(${quotient}) % ${size}`;
    return [stride * step === 1 ? `(${position})` : `(${position}) * ${stride * step}`];
  });
  const offset = startOf(sources);
  return [...terms, ...(offset > 0 || terms.length === 0 ? [`${offset}`] : [])].join(' + ');
}

const startOf = (sources: readonly AxisSource[]): number => sources.reduce((sum, { stride, start = 0 }) => sum + start * stride, 0);

/** Statements that declare an index (int), and the tables that they read. */
export interface DeclaredIndex {
  readonly statements: string;
  readonly tables: readonly CudaTable[];
}

/** {@link gatherIndex} under a name; in generic text a loop over the axes. */
export function declareGather(
  { generic }: Pick<CudaSite<unknown>, 'generic'>,
  name: string,
  index: string,
  shape: Shape,
  sources: readonly AxisSource[],
): DeclaredIndex {
  if (!generic) return { statements: `const int ${name} = ${gatherIndex(index, shape, sources)};\n`, tables: [] };
  const inner = stridesOf(shape);
  const terms = shape.map((size, axis) => ({ inner: inner[axis]!, size, stride: sources[axis]!.stride * (sources[axis]!.step ?? 1) }));
  return loopOver(name, index, startOf(sources), terms);
}

/** {@link broadcastIndex} under a name; in generic text a loop over the axes. */
export const declareBroadcast = (
  { generic }: Pick<CudaSite<unknown>, 'generic'>,
  name: string,
  index: string,
  from: Shape,
  to: Shape,
): DeclaredIndex =>
  generic
    ? loopOver(name, index, 0, broadcastTerms(from, to))
    : { statements: `const int ${name} = ${broadcastIndex(index, from, to)};\n`, tables: [] };

function loopOver(name: string, index: string, start: number, terms: readonly IndexTerm[]): DeclaredIndex {
  const table = (key: keyof IndexTerm): CudaTable =>
    constantTable(
      `${name}_${key}`,
      'i32',
      terms.map((term) => term[key]),
    );
  const [inner, size, stride] = [table('inner'), table('size'), table('stride')];
  const statements = `int ${name} = ${start};
for (int axis = 0; axis < ${terms.length}; axis++) ${name} += (${index}) / ${inner.at('axis')} % ${size.at('axis')} * ${stride.at('axis')};
`;
  return { statements, tables: [inner, size, stride] };
}
