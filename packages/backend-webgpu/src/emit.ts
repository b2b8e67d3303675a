import { sizeOf, Value, type Dtype, type FusedExpression, type Step } from '@shoal/core';
import { printExpression } from './expression.ts';
import type { Dispatch, WebgpuKernel, WgslInput, WgslOutput, WgslScratch, WgslSite } from './kernel.ts';

/** How elements of stored tensors are reached, decided once it is known where they lie. */
export interface Elements {
  readonly load: (value: Value, index: string) => string;
  readonly store: (value: Value, index: string, text: string) => string;
  /** The same for the four elements from `4 * index` on. */
  readonly load4: (value: Value, index: string) => string;
  readonly store4: (value: Value, index: string, text: string) => string;
}

/** A WGSL function behind the `read` or `write` of a site's tensor. */
export interface Accessor {
  readonly name: string;
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
  /** How many elements it reaches at once. */
  readonly width: 1 | 4;
  readonly print: (elements: Elements) => string;
}

/** A step as its kernel printed it, before memory is placed. */
export interface EmittedStep {
  readonly step: Step;
  readonly dispatches: readonly Dispatch[];
  readonly accessors: readonly Accessor[];
  /** Tensors that exist during this step alone. */
  readonly scratch: readonly Value[];
}

/** Asks the kernel of a step for its text. */
export function emitStep(step: Step, kernel: WebgpuKernel, subgroup: number): EmittedStep {
  const accessors: Accessor[] = [];
  const scratch: Value[] = [];
  const { node } = step;
  const site: WgslSite<object> = {
    attributes: node.attributes,
    subgroup,
    inputs: node.inputs.map(({ shape, dtype }, k): WgslInput => {
      const name = `in${k}`;
      const fused = step.loads[k];
      accessors.push(...(fused ? fusedLoads(name, fused, dtype) : plainLoads(name, step.inputs[k]!, dtype)));
      return { shape, dtype, size: sizeOf(shape), ...reading(name) };
    }),
    outputs: node.outputs.map(({ shape, dtype }, k): WgslOutput => {
      const name = `out${k}`;
      const target = step.outputs[k] ?? null;
      if (target) accessors.push(...(k === 0 && step.epilogue ? fusedStores(name, target, step.epilogue) : plainStores(name, target)));
      const skipped = { write: () => ';', write4: () => ';' };
      return { shape, dtype, size: sizeOf(shape), wanted: target !== null, ...(target ? writing(name) : skipped) };
    }),
    scratch(dtype: Dtype, size: number): WgslScratch {
      const k = scratch.length;
      const value = new Value({ shape: [size], dtype }, { kind: 'node', node, output: node.outputs.length + k });
      scratch.push(value);
      const [read, write] = [`scratch${k}_read`, `scratch${k}_write`];
      accessors.push(...plainLoads(read, value, dtype), ...plainStores(write, value));
      return { size, ...reading(read), ...writing(write) };
    },
  };
  const dispatches = kernel.emit(site as WgslSite<never>);
  return { step, dispatches, accessors, scratch };
}

const reading = (name: string): Pick<WgslInput, 'read' | 'read4'> => ({
  read: (index) => `${name}(${index})`,
  read4: (index) => `${name}_4(${index})`,
});

const writing = (name: string): Pick<WgslOutput, 'write' | 'write4'> => ({
  write: (index, value) => `${name}(${index}, ${value});`,
  write4: (index, value) => `${name}_4(${index}, ${value});`,
});

/** A dispatch that copies a tensor. */
export function emitCopy(from: Value, to: Value): Pick<EmittedStep, 'accessors' | 'dispatches'> {
  const size = sizeOf(from.shape);
  const body = `let i = group * 64 + lane;\nif (i < ${size}) { out0(i, in0(i)); }`;
  return {
    accessors: [...plainLoads('in0', from, from.dtype), ...plainStores('out0', to)],
    dispatches: [{ groups: Math.ceil(size / 64), size: 64, body }],
  };
}

function plainLoads(name: string, value: Value, dtype: Dtype): readonly Accessor[] {
  const touches = { reads: [value], writes: [] };
  return [
    { name, width: 1, ...touches, print: ({ load }) => `fn ${name}(i: i32) -> ${dtype} { return ${load(value, 'i')}; }` },
    {
      name: `${name}_4`,
      width: 4,
      ...touches,
      print: ({ load4 }) => `fn ${name}_4(i: i32) -> vec4<${dtype}> { return ${load4(value, 'i')}; }`,
    },
  ];
}

function plainStores(name: string, value: Value): readonly Accessor[] {
  const touches = { reads: [], writes: [value] };
  return [
    { name, width: 1, ...touches, print: ({ store }) => `fn ${name}(i: i32, value: ${value.dtype}) { ${store(value, 'i', 'value')} }` },
    {
      name: `${name}_4`,
      width: 4,
      ...touches,
      print: ({ store4 }) => `fn ${name}_4(i: i32, value: vec4<${value.dtype}>) { ${store4(value, 'i', 'value')} }`,
    },
  ];
}

function fusedLoads(name: string, fused: FusedExpression, dtype: Dtype): readonly Accessor[] {
  const touches = { reads: fused.values.filter((value) => value !== null), writes: [] };
  return [
    {
      name,
      width: 1,
      ...touches,
      print({ load }) {
        const { statements, result } = printExpression(fused.expression, { input: (k) => load(fused.values[k]!, alongside(fused, k)) });
        return `fn ${name}(i: i32) -> ${dtype} {\n${statements}return ${result};\n}`;
      },
    },
    {
      name: `${name}_4`,
      width: 4,
      ...touches,
      print(elements) {
        const { declaration, statements, result } = lanewise(`${name}_lane`, fused, dtype, elements);
        return `${declaration}fn ${name}_4(i: i32) -> vec4<${dtype}> {\n${statements}return ${result};\n}`;
      },
    },
  ];
}

function fusedStores(name: string, target: Value, fused: FusedExpression): readonly Accessor[] {
  const { dtype } = target;
  const touches = { reads: fused.values.filter((value) => value !== null), writes: [target] };
  return [
    {
      name,
      width: 1,
      ...touches,
      print({ load, store }) {
        const { statements, result } = printExpression(fused.expression, {
          input: (k) => (k === 0 ? 'value' : load(fused.values[k]!, alongside(fused, k))),
        });
        return `fn ${name}(i: i32, value: ${dtype}) {\n${statements}${store(target, 'i', result)}\n}`;
      },
    },
    {
      name: `${name}_4`,
      width: 4,
      ...touches,
      print(elements) {
        const { declaration, statements, result } = lanewise(`${name}_lane`, fused, dtype, elements);
        return `${declaration}fn ${name}_4(i: i32, value: vec4<${dtype}>) {\n${statements}${elements.store4(target, 'i', result)}\n}`;
      },
    },
  ];
}

/** An expression of four elements: what it reads comes four at a time, and a function computes each lane, so that bits are those of one. */
function lanewise(
  name: string,
  fused: FusedExpression,
  dtype: Dtype,
  elements: Elements,
): { readonly declaration: string; readonly statements: string; readonly result: string } {
  const inputs = fused.values.map((value, k) => ({ name: `shoal_v${k}`, dtype: value?.dtype ?? dtype, value }));
  const { statements, result } = printExpression(fused.expression, { input: (k) => inputs[k]!.name });
  const parameters = inputs.map((input) => `${input.name}: ${input.dtype}`).join(', ');
  const lane = (component: string): string => `${name}(${inputs.map((input) => `${input.name}.${component}`).join(', ')})`;
  return {
    declaration: `fn ${name}(${parameters}) -> ${dtype} {\n${statements}return ${result};\n}\n`,
    statements: inputs.map(({ name: input, value }, k) => `let ${input} = ${value ? alongside4(fused, k, elements) : 'value'};\n`).join(''),
    result: `vec4<${dtype}>(${['x', 'y', 'z', 'w'].map(lane).join(', ')})`,
  };
}

/** What a fused expression reads beside element `i`: the same element, the only one, or that of the same channel. */
function alongside({ values, shape }: FusedExpression, k: number): string {
  const size = sizeOf(values[k]!.shape);
  if (size === sizeOf(shape)) return 'i';
  return size === 1 ? '0' : `i % ${size}`;
}

/** The same beside the four elements from `4 * i` on. */
function alongside4({ values, shape }: FusedExpression, k: number, { load, load4 }: Elements): string {
  const value = values[k]!;
  const size = sizeOf(value.shape);
  if (size === sizeOf(shape)) return load4(value, 'i');
  if (size === 1) return `vec4<${value.dtype}>(${load(value, '0')})`;
  if (size % 4 === 0) return load4(value, `(i % ${size / 4})`);
  return `vec4<${value.dtype}>(${[0, 1, 2, 3].map((lane) => load(value, `(4 * i + ${lane}) % ${size}`)).join(', ')})`;
}
