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
  const used = accessors.filter(({ name }) => mentions(body, name) || mentions(declarations, name));
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
}

/**
 * One binding per tensor. A buffer that the dispatch writes is bound for writing everywhere in it, since one dispatch may not use
 * a buffer in both ways, and its ranges do not overlap; other buffers are bound for reading. Where the shader would have more
 * bindings than the device takes, the tensors of one buffer share one.
 */
function bind(op: string, accessors: readonly Accessor[], placeOf: (value: Value) => Place, { storageBuffers }: ModuleLimits): Bound {
  const writes = new Set(accessors.flatMap((accessor) => accessor.writes));
  const values = [...new Set(accessors.flatMap((accessor) => [...accessor.reads, ...accessor.writes]))];
  const written = new Set([...writes].map((value) => placeOf(value).buffer));
  const single = (value: Value): Span => {
    const { buffer, offset, bytes } = placeOf(value);
    return { buffer, from: offset, to: offset + bytes, dtype: value.dtype };
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
    };
    spans = [...spans.filter((span) => span.buffer !== buffer), whole];
  }
  const find = (value: Value): { name: string; base: number; raw: boolean } => {
    const { buffer, offset } = placeOf(value);
    const at = spans.findIndex((span) => span.buffer === buffer && span.from <= offset && offset < span.to);
    return { name: `t${at}`, base: (offset - spans[at]!.from) / 4, raw: spans[at]!.dtype === undefined };
  };
  const element = (value: Value, index: string): readonly [text: string, raw: boolean] => {
    const { name, base, raw } = find(value);
    return [`${name}[${base === 0 ? index : `${base} + ${index}`}]`, raw];
  };
  const list = spans.map(({ buffer, from, to }): Binding => ({
    buffer,
    offset: from,
    bytes: to - from,
    access: written.has(buffer) ? 'read_write' : 'read',
  }));
  return {
    list,
    declarations: list
      .map(
        ({ access, bytes }, i) =>
          `@group(0) @binding(${i}) var<storage, ${access}> t${i}: array<${spans[i]!.dtype ?? 'u32'}, ${bytes / 4}>;\n`,
      )
      .join(''),
    elements: {
      load(value, index) {
        const [text, raw] = element(value, index);
        return raw ? `bitcast<${value.dtype}>(${text})` : text;
      },
      store(value, index, stored) {
        const [text, raw] = element(value, index);
        return `${text} = ${raw ? `bitcast<u32>(${stored})` : stored};`;
      },
    },
  };
}

/** A tensor updated in place is one span, not two. */
function distinct(spans: readonly Span[]): readonly Span[] {
  return spans.filter((span, i) => spans.findIndex((other) => other.buffer === span.buffer && other.from === span.from) === i);
}
