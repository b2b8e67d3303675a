import { mapOp, sizeOf, Value, type Dtype, type FusedExpression, type Step } from '@shoal/core';
import type { PlanConvolution } from '../convolution.ts';
import {
  callsTo,
  emittedOf,
  inputOf,
  plainInput,
  plainLoad,
  plainStore,
  type Accessor,
  type EmittedLaunch,
  type EmittedStep,
} from '../emit.ts';
import type { CudaInput, CudaKernel, CudaOutput, CudaScratch, CudaSite } from '../kernel.ts';
import { broadcastTerms } from '../kernels/broadcast.ts';
import { interpretation, type InterpretedInput } from './interpreter.ts';

/**
 * Asks the kernel of a step for text that does not depend on shapes. What is fused into the step is taken out again: expressions go
 * through the interpreter, to and from tensors that exist during the step alone. Outputs that nobody reads are such tensors too.
 */
export function emitGenericStep(step: Step, kernel: CudaKernel, plan: PlanConvolution): EmittedStep {
  const { node, epilogue } = step;
  const scratch: Value[] = [];
  const reserve = (dtype: Dtype, size: number): Value => {
    const value = new Value({ shape: [size], dtype }, { kind: 'node', node, output: node.outputs.length + scratch.length });
    scratch.push(value);
    return value;
  };
  if (node.op === mapOp) {
    const { expression, shape } = node.attributes as Parameters<typeof mapOp.infer>[1];
    // A stored tensor may have been reshaped.
    const inputs = node.inputs.map((input, k): InterpretedInput => ({ value: step.inputs[k]!, terms: broadcastTerms(input.shape, shape) }));
    return { step, launches: [interpretation(expression, inputs, shape, step.outputs[0]!)], scratch };
  }
  const before: EmittedLaunch[] = [];
  const accessors: Accessor[] = [];
  const inputs = node.inputs.map(({ shape, dtype }, k): CudaInput => {
    const load = step.loads[k];
    const value = load ? reserve(dtype, sizeOf(shape)) : step.inputs[k]!;
    if (load) before.push(interpretationOf(load, value, value));
    accessors.push(...plainInput(`in${k}`, value, dtype));
    return inputOf(`in${k}`, shape, dtype);
  });
  const targets = node.outputs.map(({ shape, dtype }, k) =>
    step.outputs[k] && !(k === 0 && epilogue) ? step.outputs[k] : reserve(dtype, sizeOf(shape)),
  );
  const outputs = node.outputs.map(({ shape, dtype }, k): CudaOutput => {
    accessors.push(plainStore(`out${k}`, targets[k]!));
    return { shape, dtype, size: sizeOf(shape), wanted: true, write: (index, value) => `out${k}(${index}, ${value});` };
  });
  let own = 0;
  const site: CudaSite<object> = {
    attributes: node.attributes,
    precision: 'float32',
    generic: true,
    inputs,
    outputs,
    scratch(dtype, size): CudaScratch {
      const k = own++;
      const value = reserve(dtype, size);
      accessors.push(plainLoad(`scratch${k}_read`, value, dtype), plainStore(`scratch${k}_write`, value));
      return { size, read: (index) => `scratch${k}_read(${index})`, write: (index, text) => `scratch${k}_write(${index}, ${text});` };
    },
    convolution: callsTo(plan, step, reserve),
  };
  const launches = emittedOf(node.op.name, kernel.emit(site as CudaSite<never>), accessors);
  const after = epilogue ? [interpretationOf(epilogue, targets[0]!, step.outputs[0]!)] : [];
  return { step, launches: [...before, ...launches, ...after], scratch };
}

/** What a fused expression reads beside an element: the same element, the only one, or that of the same channel. Null is the kernel's own result. */
function interpretationOf({ expression, values, shape }: FusedExpression, result: Value, target: Value): EmittedLaunch {
  const count = sizeOf(shape);
  const inputs = values.map((given): InterpretedInput => {
    const value = given ?? result;
    const size = sizeOf(value.shape);
    return { value, terms: size === 1 ? [] : [{ inner: 1, size, stride: 1 }] };
  });
  return interpretation(expression, inputs, [count], target);
}
