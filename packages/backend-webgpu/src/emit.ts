import { sizeOf, Value, type Dtype, type FusedExpression, type Step } from '@shoal/core';
import { printExpression } from './expression.ts';
import type { Dispatch, WebgpuKernel, WgslInput, WgslOutput, WgslScratch, WgslSite } from './kernel.ts';

/** How elements of stored tensors are reached, decided once it is known where they lie. */
export interface Elements {
  readonly load: (value: Value, index: string) => string;
  readonly store: (value: Value, index: string, text: string) => string;
}

/** A WGSL function behind the `read` or `write` of a site's tensor. */
export interface Accessor {
  readonly name: string;
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
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
export function emitStep(step: Step, kernel: WebgpuKernel): EmittedStep {
  const accessors: Accessor[] = [];
  const scratch: Value[] = [];
  const { node } = step;
  const site: WgslSite<object> = {
    attributes: node.attributes,
    inputs: node.inputs.map(({ shape, dtype }, k): WgslInput => {
      const load = step.loads[k];
      accessors.push(load ? fusedLoad(`in${k}`, load, dtype) : plainLoad(`in${k}`, step.inputs[k]!, dtype));
      return { shape, dtype, size: sizeOf(shape), read: (index) => `in${k}(${index})` };
    }),
    outputs: node.outputs.map(({ shape, dtype }, k): WgslOutput => {
      const target = step.outputs[k] ?? null;
      if (target) accessors.push(k === 0 && step.epilogue ? fusedStore('out0', target, step.epilogue) : plainStore(`out${k}`, target));
      return {
        shape,
        dtype,
        size: sizeOf(shape),
        wanted: target !== null,
        write: (index, value) => (target ? `out${k}(${index}, ${value});` : ';'),
      };
    }),
    scratch(dtype: Dtype, size: number): WgslScratch {
      const k = scratch.length;
      const value = new Value({ shape: [size], dtype }, { kind: 'node', node, output: node.outputs.length + k });
      scratch.push(value);
      accessors.push(plainLoad(`scratch${k}_read`, value, dtype), plainStore(`scratch${k}_write`, value));
      return { size, read: (index) => `scratch${k}_read(${index})`, write: (index, text) => `scratch${k}_write(${index}, ${text});` };
    },
  };
  const dispatches = kernel.emit(site as WgslSite<never>);
  return { step, dispatches, accessors, scratch };
}

/** A dispatch that copies a tensor. */
export function emitCopy(from: Value, to: Value): Pick<EmittedStep, 'accessors' | 'dispatches'> {
  const size = sizeOf(from.shape);
  const body = `let i = group * 64 + lane;\nif (i < ${size}) { out0(i, in0(i)); }`;
  return {
    accessors: [plainLoad('in0', from, from.dtype), plainStore('out0', to)],
    dispatches: [{ groups: Math.ceil(size / 64), size: 64, body }],
  };
}

function plainLoad(name: string, value: Value, dtype: Dtype): Accessor {
  return {
    name,
    reads: [value],
    writes: [],
    print: ({ load }) => `fn ${name}(i: i32) -> ${dtype} { return ${load(value, 'i')}; }`,
  };
}

function plainStore(name: string, value: Value): Accessor {
  return {
    name,
    reads: [],
    writes: [value],
    print: ({ store }) => `fn ${name}(i: i32, value: ${value.dtype}) { ${store(value, 'i', 'value')} }`,
  };
}

function fusedLoad(name: string, fused: FusedExpression, dtype: Dtype): Accessor {
  return {
    name,
    reads: fused.values.filter((value) => value !== null),
    writes: [],
    print({ load }) {
      const { statements, result } = printExpression(fused.expression, { input: (k) => load(fused.values[k]!, alongside(fused, k)) });
      return `fn ${name}(i: i32) -> ${dtype} {\n${statements}return ${result};\n}`;
    },
  };
}

function fusedStore(name: string, target: Value, fused: FusedExpression): Accessor {
  return {
    name,
    reads: fused.values.filter((value) => value !== null),
    writes: [target],
    print({ load, store }) {
      const { statements, result } = printExpression(fused.expression, {
        input: (k) => (k === 0 ? 'value' : load(fused.values[k]!, alongside(fused, k))),
      });
      return `fn ${name}(i: i32, value: ${target.dtype}) {\n${statements}${store(target, 'i', result)}\n}`;
    },
  };
}

/** What a fused expression reads beside element `i`: the same element, the only one, or that of the same channel. */
function alongside({ values, shape }: FusedExpression, k: number): string {
  const size = sizeOf(values[k]!.shape);
  if (size === sizeOf(shape)) return 'i';
  return size === 1 ? '0' : `i % ${size}`;
}
