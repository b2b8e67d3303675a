import { sizeOf, Value, type Dtype, type FusedExpression, type Shape, type Step } from '@shoal/core';
import { printExpression, typeNames } from './expression.ts';
import type { ConvolutionCall, PlanConvolution } from './convolution.ts';
import type { CudaInput, CudaKernel, CudaOutput, CudaScratch, CudaSite, Launch, Precision } from './kernel.ts';
import { fixed } from './text.ts';

/** How elements of stored tensors are reached, decided once it is known which pointers a kernel has. */
export interface Elements {
  /** An element: its value, or where a value is assigned. */
  readonly at: (value: Value, index: string) => string;
  /** The pointer, and how many elements lie behind it, as two arguments of a macro. */
  readonly tensor: (value: Value) => string;
}

/** Elements by their pointers' names. */
export const elementsOf = (pointer: (value: Value) => string): Elements => {
  const tensor: Elements['tensor'] = (value) => fixed`${pointer(value)}, ${String(sizeOf(value.shape))}`;
  return { tensor, at: (value, index) => fixed`SHOAL_AT(${tensor(value)}, ${index})` };
};

/** A function behind the `read` or `write` of a site's tensor, printed as a lambda of the kernel that uses it. */
export interface Accessor {
  readonly name: string;
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
  /** What the elements behind the pointer are taken for; default the dtype of the tensor. */
  readonly pointer?: Dtype;
  readonly print: (elements: Elements) => string;
}

/** A launch, and the functions that it may call. */
export interface EmittedLaunch {
  readonly op: string;
  readonly launch: Launch;
  readonly accessors: readonly Accessor[];
}

/** A convolution that is a library's. */
export interface EmittedCall {
  readonly call: ConvolutionCall;
}

/** A step as its kernel printed it, before memory is placed. */
export interface EmittedStep {
  readonly step: Step;
  readonly launches: readonly (EmittedLaunch | EmittedCall)[];
  /** Tensors that exist during this step alone. */
  readonly scratch: readonly Value[];
}

/** Asks the kernel of a step for its text. */
export function emitStep(step: Step, kernel: CudaKernel, precision: Precision, plan: PlanConvolution): EmittedStep {
  const accessors: Accessor[] = [];
  const scratch: Value[] = [];
  const { node } = step;
  const reserve = (dtype: Dtype, size: number): Value => {
    const value = new Value({ shape: [size], dtype }, { kind: 'node', node, output: node.outputs.length + scratch.length });
    scratch.push(value);
    return value;
  };
  const site: CudaSite<object> = {
    attributes: node.attributes,
    precision,
    generic: false,
    inputs: node.inputs.map(({ shape, dtype }, k): CudaInput => {
      const load = step.loads[k];
      const name = `in${k}`;
      accessors.push(...(load ? [fusedLoad(name, load, dtype), ...fusedCopies(name, load)] : plainInput(name, step.inputs[k]!, dtype)));
      return inputOf(name, shape, dtype);
    }),
    outputs: node.outputs.map(({ shape, dtype }, k): CudaOutput => {
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
    scratch(dtype: Dtype, size: number): CudaScratch {
      const k = scratch.length;
      const value = reserve(dtype, size);
      accessors.push(plainLoad(`scratch${k}_read`, value, dtype), plainStore(`scratch${k}_write`, value));
      return { size, read: (index) => `scratch${k}_read(${index})`, write: (index, text) => `scratch${k}_write(${index}, ${text});` };
    },
    convolution: callsTo(plan, step, reserve),
  };
  return { step, launches: emittedOf(node.op.name, kernel.emit(site as CudaSite<never>), accessors), scratch };
}

/** Calls of a library: on the stored tensors of a step. */
export const callsTo =
  (plan: PlanConvolution, { inputs, outputs }: Step, reserve: (dtype: Dtype, size: number) => Value): CudaSite<object>['convolution'] =>
  (convolution) => {
    const planned = plan(convolution);
    if (!planned) return null;
    const workspace = planned.workspaceBytes > 0 ? reserve('f32', Math.ceil(planned.workspaceBytes / 4)) : null;
    return { plan: planned, operands: [inputs[0]!, inputs[1]!], result: outputs[0]!, workspace };
  };

export const emittedOf = (
  op: string,
  launches: readonly (Launch | ConvolutionCall)[],
  accessors: readonly Accessor[],
): readonly (EmittedLaunch | EmittedCall)[] => launches.map((each) => ('plan' in each ? { call: each } : { op, launch: each, accessors }));

/** An input whose accessors are called `name`. */
export const inputOf = (name: string, shape: Shape, dtype: Dtype): CudaInput => ({
  shape,
  dtype,
  size: sizeOf(shape),
  read: (index) => `${name}(${index})`,
  copy: (to, index, count) => `${copierOf(name, count)}(lane, ${to}, ${index});`,
});

const counts = [1, 4] as const;
const copierOf = (name: string, count: 1 | 4): string => `${name}_copy${count}`;
const copier = (name: string, count: 1 | 4, body: string): string =>
  fixed`auto ${copierOf(name, count)} = [&](const int lane, float* const to, const int i) { (void)lane; ${body} };\n`;

const reader = (name: string, dtype: Dtype, body: string): string =>
  `auto ${name} = [&](const int i) -> ${typeNames[dtype]} { (void)i; ${body} };\n`;
const writer = (name: string, dtype: Dtype, body: string): string =>
  `auto ${name} = [&](const int i, const ${typeNames[dtype]} value) { ${body} };\n`;

export function plainLoad(name: string, value: Value, dtype: Dtype): Accessor {
  return { name, reads: [value], writes: [], print: ({ at }) => reader(name, dtype, `return ${at(value, 'i')};`) };
}

/** The accessors of a stored input. */
export const plainInput = (name: string, value: Value, dtype: Dtype): readonly Accessor[] => [
  plainLoad(name, value, dtype),
  ...counts.map((count): Accessor => ({
    name: copierOf(name, count),
    reads: [value],
    writes: [],
    print: ({ tensor }) => copier(name, count, fixed`SHOAL_COPY(${tensor(value)}, ${count}, lane, to, i);`),
  })),
];

/** What is computed is stored by the thread itself, at once. */
const fusedCopies = (name: string, fused: FusedExpression): readonly Accessor[] =>
  counts.map((count) => ({
    name: copierOf(name, count),
    reads: valuesOf(fused),
    writes: [],
    print(elements) {
      const value = fusedLoad('value', fused, 'f32').print(elements);
      return copier(name, count, fixed`\n${value}for (int e = 0; e < ${count}; e++) to[e] = i < 0 ? 0.0f : value(i + e);\n`);
    },
  }));

export function plainStore(name: string, value: Value): Accessor {
  return { name, reads: [], writes: [value], print: ({ at }) => writer(name, value.dtype, `${at(value, 'i')} = value;`) };
}

const valuesOf = ({ values }: FusedExpression): readonly Value[] => values.filter((value) => value !== null);

function fusedLoad(name: string, fused: FusedExpression, dtype: Dtype): Accessor {
  return {
    name,
    reads: valuesOf(fused),
    writes: [],
    print({ at }) {
      const { statements, result } = printExpression(fused.expression, { input: (k) => at(fused.values[k]!, alongside(fused, k)) });
      return reader(name, dtype, `\n${statements}return ${result};\n`);
    },
  };
}

function fusedStore(name: string, target: Value, fused: FusedExpression): Accessor {
  return {
    name,
    reads: valuesOf(fused),
    writes: [target],
    print({ at }) {
      const { statements, result } = printExpression(fused.expression, {
        input: (k) => (k === 0 ? 'value' : at(fused.values[k]!, alongside(fused, k))),
      });
      return writer(name, target.dtype, `(void)value;\n${statements}${at(target, 'i')} = ${result};\n`);
    },
  };
}

/** What a fused expression reads beside element `i`: the same element, the only one, or that of the same channel. */
function alongside({ values, shape }: FusedExpression, k: number): string {
  const size = sizeOf(values[k]!.shape);
  if (size === sizeOf(shape)) return 'i';
  return size === 1 ? '0' : `i % ${size}`;
}
