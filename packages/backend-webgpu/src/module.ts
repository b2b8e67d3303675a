import { ShoalError, type Dtype, type Value } from '@shoal/core';
import type { Accessor, Elements } from './emit.ts';
import { helpers } from './expression.ts';
import type { Dispatch } from './kernel.ts';

/** Where a tensor lies. */
export interface Place {
  readonly buffer: GPUBuffer;
  /** In bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Binding extends Place {
  readonly access: 'read' | 'read_write';
}

/** A whole compute shader and what it is bound to, in the order of its bindings. */
export interface ShaderModule {
  readonly source: string;
  readonly bindings: readonly Binding[];
  readonly groups: readonly [x: number, y: number, z: number];
}

export interface ModuleLimits {
  readonly workgroupsPerDimension: number;
  readonly storageBuffers: number;
}

/** Adds to a dispatch what it uses: accessors, helpers, bindings, and an entry point that unfolds the workgroup number. */
export function assemble(
  op: string,
  dispatch: Dispatch,
  accessors: readonly Accessor[],
  placeOf: (value: Value) => Place,
  limits: ModuleLimits,
): ShaderModule {
  const { body, declarations = '', size } = dispatch;
  const used = accessorsOf(dispatch, accessors);
  const bindings = bind(op, used, placeOf, limits);
  const functions = used.map((accessor) => accessor.print(bindings.elements));
  const groups = fold(dispatch.groups, limits.workgroupsPerDimension);
  const [x, y, z] = groups;
  const guard = x * y * z === dispatch.groups ? '' : `  if (group >= ${dispatch.groups}) { return; }\n`;
  const text = `${[...functions, declarations].join('\n')}
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) shoal_group: vec3<u32>, @builtin(local_invocation_index) shoal_lane: u32) {
  let group = i32(shoal_group.x${y > 1 ? ` + ${x}u * shoal_group.y` : ''}${z > 1 ? ` + ${x * y}u * shoal_group.z` : ''});
  let lane = i32(shoal_lane);
${guard}${body}
}
`;
  return { source: `${bindings.declarations}${helpersOf(text)}${text}`, bindings: bindings.list, groups };
}

/** The accessors that a dispatch calls. */
export const accessorsOf = ({ body, declarations = '' }: Dispatch, accessors: readonly Accessor[]): readonly Accessor[] =>
  accessors.filter(({ name }) => mentions(body, name) || mentions(declarations, name));

const mentions = (text: string, name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);

/** The helpers that a text calls, and those that they call. */
function helpersOf(text: string): string {
  const needed = new Set<string>();
  const visit = (body: string): void => {
    for (const [name, source] of Object.entries(helpers)) {
      if (needed.has(name) || !mentions(body, name)) continue;
      needed.add(name);
      visit(source);
    }
  };
  visit(text);
  return [...needed].map((name) => `${helpers[name]!}\n`).join('');
}

/** A number of workgroups as a box that holds at least as many, no side above the limit. */
export function fold(groups: number, limit: number): readonly [number, number, number] {
  const y = Math.ceil(groups / limit);
  if (y <= limit) return [Math.ceil(groups / y), y, 1];
  const z = Math.ceil(y / limit);
  const rows = Math.ceil(y / z);
  return [Math.ceil(groups / (rows * z)), rows, z];
}

interface Bound {
  readonly list: readonly Binding[];
  readonly declarations: string;
  readonly elements: Elements;
}

interface Span {
  readonly buffer: GPUBuffer;
  readonly from: number;
  readonly to: number;
  /** Undefined where tensors of several kinds share it: bits are reinterpreted. */
  readonly dtype: Dtype | undefined;
  /** Whether its elements are bound four by four. */
  readonly packed: boolean;
}

/**
 * Tensors whose elements a dispatch reaches four at a time. Not those that it also writes one by one: a store into one component of
 * a vector may touch the others.
 */
function packedValues(accessors: readonly Accessor[]): ReadonlySet<Value> {
  const touched = (width: 1 | 4, how: 'reads' | 'writes'): readonly Value[] =>
    accessors.flatMap((accessor) => (accessor.width === width ? accessor[how] : []));
  const single = new Set(touched(1, 'writes'));
  return new Set([...touched(4, 'reads'), ...touched(4, 'writes')].filter((value) => !single.has(value)));
}

/**
 * One binding per tensor. A buffer that the dispatch writes is bound for writing everywhere in it, since one dispatch may not use
 * a buffer in both ways, and its ranges do not overlap; other buffers are bound for reading. Where the shader would have more
 * bindings than the device takes, the tensors of one buffer share one.
 */
function bind(op: string, accessors: readonly Accessor[], placeOf: (value: Value) => Place, { storageBuffers }: ModuleLimits): Bound {
  const writes = new Set(accessors.flatMap((accessor) => accessor.writes));
  const values = [...new Set(accessors.flatMap((accessor) => [...accessor.reads, ...accessor.writes]))];
  const packed = packedValues(accessors);
  const written = new Set([...writes].map((value) => placeOf(value).buffer));
  const single = (value: Value): Span => {
    const { buffer, offset, bytes } = placeOf(value);
    return { buffer, from: offset, to: offset + bytes, dtype: value.dtype, packed: packed.has(value) && bytes % 16 === 0 };
  };
  let spans = distinct(values.map(single));
  while (spans.length > storageBuffers) {
    const counts = new Map<GPUBuffer, number>();
    spans.forEach(({ buffer }) => counts.set(buffer, (counts.get(buffer) ?? 0) + 1));
    const [buffer, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
    if (most === 1) {
      throw new ShoalError('KERNEL', {
        op,
        fact: `reads and writes ${spans.length} buffers in one dispatch, the device binds ${storageBuffers}`,
      });
    }
    const joined = spans.filter((span) => span.buffer === buffer);
    const whole = {
      buffer,
      from: Math.min(...joined.map(({ from }) => from)),
      to: Math.max(...joined.map(({ to }) => to)),
      dtype: undefined,
      packed: false,
    };
    spans = [...spans.filter((span) => span.buffer !== buffer), whole];
  }
  const spanOf = (value: Value): { readonly name: string; readonly base: number; readonly span: Span } => {
    const { buffer, offset } = placeOf(value);
    const at = spans.findIndex((span) => span.buffer === buffer && span.from <= offset && offset < span.to);
    return { name: `t${at}`, base: (offset - spans[at]!.from) / 4, span: spans[at]! };
  };
  const element = (value: Value, index: string): string => {
    const { name, base, span } = spanOf(value);
    if (span.packed) return `${name}[(${index}) / 4][(${index}) % 4]`;
    return `${name}[${base === 0 ? index : `${base} + ${index}`}]`;
  };
  const isRaw = (value: Value): boolean => spanOf(value).span.dtype === undefined;
  const load: Elements['load'] = (value, index) =>
    isRaw(value) ? `bitcast<${value.dtype}>(${element(value, index)})` : element(value, index);
  const store: Elements['store'] = (value, index, stored) =>
    `${element(value, index)} = ${isRaw(value) ? `bitcast<u32>(${stored})` : stored};`;
  const four = (index: string): readonly string[] => [0, 1, 2, 3].map((lane) => `4 * (${index}) + ${lane}`);
  const list = spans.map(({ buffer, from, to }): Binding => ({
    buffer,
    offset: from,
    bytes: to - from,
    access: written.has(buffer) ? 'read_write' : 'read',
  }));
  const declare = ({ access, bytes }: Binding, i: number): string => {
    const { dtype = 'u32', packed: fours } = spans[i]!;
    const type = fours ? `array<vec4<${dtype}>, ${bytes / 16}>` : `array<${dtype}, ${bytes / 4}>`;
    return `@group(0) @binding(${i}) var<storage, ${access}> t${i}: ${type};\n`;
  };
  return {
    list,
    declarations: list.map(declare).join(''),
    elements: {
      load,
      store,
      load4(value, index) {
        const { name, span } = spanOf(value);
        if (span.packed) return `${name}[${index}]`;
        return `vec4<${value.dtype}>(${four(index)
          .map((at) => load(value, at))
          .join(', ')})`;
      },
      store4(value, index, stored) {
        const { name, span } = spanOf(value);
        if (span.packed) return `${name}[${index}] = ${stored};`;
        const lanes = four(index).map((at, lane) => store(value, at, `shoal_stored[${lane}]`));
        return `let shoal_stored = ${stored};\n${lanes.join('\n')}`;
      },
    },
  };
}

/** A tensor updated in place is one span, not two; it is packed only if both are. */
function distinct(spans: readonly Span[]): readonly Span[] {
  const same = (a: Span, b: Span): boolean => a.buffer === b.buffer && a.from === b.from;
  return spans
    .filter((span, i) => spans.findIndex((other) => same(other, span)) === i)
    .map((span) => ({ ...span, packed: spans.every((other) => !same(other, span) || other.packed) }));
}
