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
  /** Its f32 lie as half floats; loads and stores convert. */
  readonly half?: boolean;
}

export interface Binding extends Omit<Place, 'half'> {
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
  const usesSubgroups = mentions(body, 'shoal_invocation');
  const invocation = usesSubgroups ? ', @builtin(subgroup_invocation_id) shoal_invocation: u32' : '';
  const directives = `${bindings.usesHalves ? 'enable f16;\n' : ''}${usesSubgroups ? 'enable subgroups;\n' : ''}`;
  const guard = x * y * z === dispatch.groups ? '' : `  if (group >= ${dispatch.groups}) { return; }\n`;
  const text = `${[...functions, declarations].join('\n')}
@compute @workgroup_size(${size})
fn main(@builtin(workgroup_id) shoal_group: vec3<u32>, @builtin(local_invocation_index) shoal_lane: u32${invocation}) {
  let group = i32(shoal_group.x${y > 1 ? ` + ${x}u * shoal_group.y` : ''}${z > 1 ? ` + ${x * y}u * shoal_group.z` : ''});
  let lane = i32(shoal_lane);
${guard}${body}
}
`;
  return { source: `${directives}${bindings.declarations}${helpersOf(text)}${text}`, bindings: bindings.list, groups };
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
  readonly usesHalves: boolean;
  readonly declarations: string;
  readonly elements: Elements;
}

interface Span {
  readonly buffer: GPUBuffer;
  readonly from: number;
  readonly to: number;
  readonly element: Dtype | 'f16';
  /** Whether tensors of several kinds share it: bits are reinterpreted. */
  readonly shared: boolean;
  /** Whether its elements are bound four by four. */
  readonly packed: boolean;
}

const bytesOfElement = (element: Span['element']): number => (element === 'f16' ? 2 : 4);

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
    const { buffer, offset, bytes, half } = placeOf(value);
    const element = half ? 'f16' : value.dtype;
    const isPacked = packed.has(value) && bytes % (4 * bytesOfElement(element)) === 0;
    return { buffer, from: offset, to: offset + bytes, element, shared: false, packed: isPacked };
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
    const whole: Span = {
      buffer,
      from: Math.min(...joined.map(({ from }) => from)),
      to: Math.max(...joined.map(({ to }) => to)),
      // A word holds two halves, and two threads may not each write a part of it.
      element: joined.some(({ element }) => element === 'f16') ? 'f16' : 'u32',
      shared: true,
      packed: false,
    };
    spans = [...spans.filter((span) => span.buffer !== buffer), whole];
  }
  const spanOf = (value: Value): { readonly name: string; readonly base: number; readonly span: Span; readonly half: boolean } => {
    const { buffer, offset, half = false } = placeOf(value);
    const at = spans.findIndex((span) => span.buffer === buffer && span.from <= offset && offset < span.to);
    const span = spans[at]!;
    return { name: `t${at}`, base: (offset - span.from) / bytesOfElement(span.element), span, half };
  };
  const element = (value: Value, index: string): string => {
    const { name, base, span } = spanOf(value);
    if (span.packed) return `${name}[(${index}) / 4][(${index}) % 4]`;
    return `${name}[${base === 0 ? index : `${base} + ${index}`}]`;
  };
  /** Both halves of a word in an array of halves. */
  const pair = (value: Value, index: string): readonly string[] => [0, 1].map((part) => element(value, `2 * (${index}) + ${part}`));
  const load: Elements['load'] = (value, index) => {
    const { span, half } = spanOf(value);
    if (half) return `f32(${element(value, index)})`;
    if (!span.shared) return element(value, index);
    const bits = span.element === 'f16' ? `vec2<f16>(${pair(value, index).join(', ')})` : element(value, index);
    return `bitcast<${value.dtype}>(${bits})`;
  };
  const store: Elements['store'] = (value, index, stored) => {
    const { span, half } = spanOf(value);
    if (half) return `${element(value, index)} = f16(${stored});`;
    if (!span.shared) return `${element(value, index)} = ${stored};`;
    if (span.element === 'u32') return `${element(value, index)} = bitcast<u32>(${stored});`;
    const [low, high] = pair(value, index);
    return `{ let shoal_bits = bitcast<vec2<f16>>(${stored}); ${low} = shoal_bits.x; ${high} = shoal_bits.y; }`;
  };
  const four = (index: string): readonly string[] => [0, 1, 2, 3].map((lane) => `4 * (${index}) + ${lane}`);
  const list = spans.map(({ buffer, from, to }): Binding => ({
    buffer,
    offset: from,
    bytes: to - from,
    access: written.has(buffer) ? 'read_write' : 'read',
  }));
  const declare = ({ access, bytes }: Binding, i: number): string => {
    const { element: each, packed: fours } = spans[i]!;
    const count = bytes / bytesOfElement(each);
    const type = fours ? `array<vec4<${each}>, ${count / 4}>` : `array<${each}, ${count}>`;
    return `@group(0) @binding(${i}) var<storage, ${access}> t${i}: ${type};\n`;
  };
  return {
    list,
    usesHalves: spans.some(({ element: each }) => each === 'f16'),
    declarations: list.map(declare).join(''),
    elements: {
      load,
      store,
      load4(value, index) {
        const { name, span, half } = spanOf(value);
        if (span.packed) return half ? `vec4<f32>(${name}[${index}])` : `${name}[${index}]`;
        return `vec4<${value.dtype}>(${four(index)
          .map((at) => load(value, at))
          .join(', ')})`;
      },
      store4(value, index, stored) {
        const { name, span, half } = spanOf(value);
        if (span.packed) return `${name}[${index}] = ${half ? `vec4<f16>(${stored})` : stored};`;
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
