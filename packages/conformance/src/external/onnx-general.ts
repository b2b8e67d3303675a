import { cast, concat, constant, expression as e, fill, gradients, map, pad, reshape, sizeOf, transpose, type Value } from '@shoal/core';
import {
  add,
  divide,
  leakyRelu,
  logSoftmax,
  matmul,
  mean,
  multiply,
  negate,
  relu,
  sigmoid,
  softmax,
  softmaxCrossEntropy,
  subtract,
  sum,
} from '@shoal/math';
import { axpy, equalParts, fromStart, layerNormalization, negativeLogLikelihood, split } from './compositions.ts';
import type { Layout } from './layout.ts';
import type { CaseReader } from './reader.ts';

/** ONNX ops that know no layout: axes are taken as they are. */
export const onnxGeneral = {
  Add: (r: CaseReader): void => r.output(0, add(r.value(0), r.value(1))),
  Mul: (r: CaseReader): void => r.output(0, multiply(r.value(0), r.value(1))),
  Sum: (r: CaseReader): void =>
    r.output(
      0,
      r.case.inputs.map((_, i) => r.value(i)).reduce((a, b) => add(a, b)),
    ),
  Relu: (r: CaseReader): void => r.output(0, relu(r.value(0))),
  LeakyRelu: (r: CaseReader): void => r.output(0, leakyRelu(r.value(0), { slope: r.number('alpha', 0.01) })),
  Sigmoid: (r: CaseReader): void => r.output(0, sigmoid(r.value(0))),
  Softmax: (r: CaseReader): void => r.output(0, alongAxis(r, softmax)),
  LogSoftmax: (r: CaseReader): void => r.output(0, alongAxis(r, logSoftmax)),
  ReduceMean: (r: CaseReader): void => r.output(0, reduced(r, mean, 18)),
  ReduceSum: (r: CaseReader): void => r.output(0, reduced(r, sum, 13)),
  Concat: (r: CaseReader): void => r.output(0, joined(r)),

  Transpose(r: CaseReader): void {
    const x = r.value(0);
    r.output(0, transpose(x, r.list('perm') ?? x.shape.map((_, axis) => axis).toReversed()));
  },

  Flatten(r: CaseReader): void {
    const x = r.value(0);
    const axis = fromStart(r.number('axis', 1), x.shape);
    r.output(0, reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]));
  },

  Split(r: CaseReader): void {
    const x = r.value(0);
    const axis = fromStart(r.number('axis', 0), x.shape);
    const parts = r.number('num_outputs', r.case.outputs.length);
    const sizes = r.list('split') ?? r.constants(1) ?? equalParts(x.shape[axis]!, parts);
    split(x, axis, sizes).forEach((part, i) => r.output(i, part));
  },

  Pad(r: CaseReader): void {
    const x = r.value(0);
    const pads = r.list('pads') ?? r.constants(1) ?? r.skip('attribute', 'pads are not known');
    const axes = (r.constants(3) ?? x.shape.map((_, axis) => axis)).map((axis) => fromStart(axis, x.shape));
    const at = (offset: number): number[] => x.shape.map((_, axis) => (axes.includes(axis) ? pads[axes.indexOf(axis) + offset]! : 0));
    const [before, after] = [at(0), at(axes.length)];
    const mode =
      { constant: 'constant', reflect: 'reflect', wrap: 'circular' }[r.text('mode', 'constant')] ??
      r.skip('attribute', 'padding by the edge');
    if ([...before, ...after].some((n) => n < 0)) r.skip('attribute', 'negative pads');
    const value = r.number('value', r.constants(2)?.[0] ?? 0);
    r.output(0, pad(x, mode === 'constant' ? { before, after, value } : { before, after, mode: mode as 'reflect' | 'circular' }));
  },

  Gemm(r: CaseReader): void {
    r.checkRank(0, 2);
    r.ignore('broadcast');
    const product = matmul(r.value(0), r.value(1), { transposeA: r.flag('transA'), transposeB: r.flag('transB') });
    r.output(0, axpy(r.number('alpha', 1), product, r.number('beta', 1), r.optional(2)));
  },

  MatMul(r: CaseReader): void {
    const [a, b] = [r.value(0), r.value(1)];
    // A vector is a row on the left and a column on the right, and its axis leaves the result.
    const [row, column] = [a.shape.length === 1, b.shape.length === 1];
    const product = matmul(row ? reshape(a, [1, -1]) : a, column ? reshape(b, [-1, 1]) : b);
    const rows = row ? product.shape.toSpliced(-2, 1) : product.shape;
    r.output(0, reshape(product, column ? rows.slice(0, -1) : rows));
  },

  LayerNormalization(r: CaseReader): void {
    r.ignore('stash_type');
    const x = r.value(0);
    const { output, mean: center, inverse } = layerNormalization(x, fromStart(r.number('axis', -1), x.shape), r.number('epsilon', 1e-5));
    const scaled = multiply(output, r.value(1));
    const bias = r.optional(2);
    r.output(0, bias ? add(scaled, bias) : scaled);
    r.output(1, center);
    r.output(2, inverse);
  },

  SoftmaxCrossEntropyLoss(r: CaseReader): void {
    const { logits, target, classWeights, ignored, reduction } = scores(r);
    if (reduction !== 'mean' && reduction !== 'sum' && reduction !== 'none') return r.skip('attribute', `reduction ${reduction}`);
    const ignoreIndex = ignored === null ? {} : { ignoreIndex: ignored };
    r.output(0, softmaxCrossEntropy(logits, target, { reduction, ...ignoreIndex, ...(classWeights ? { classWeights } : {}) }));
    r.output(1, logSoftmax(logits), classesLast(logits.shape.length));
  },

  NegativeLogLikelihoodLoss(r: CaseReader): void {
    const { logits, target, classWeights, ignored, reduction } = scores(r);
    r.output(0, negativeLogLikelihood(logits, target, classWeights, ignored, reduction));
  },

  /** Without training mode the input itself, and a mask of ones; with it ONNX's own mask, which it gives or shows as zeros. */
  Dropout(r: CaseReader): void {
    const x = r.value(0);
    r.ignore('seed');
    const training = r.case.opset >= 12 && r.constants(2)?.[0] === 1;
    const rate = r.number('ratio', r.constants(1)?.[0] ?? 0.5);
    const expected = r.case.outputs[1] ?? r.case.outputs[0]!;
    const kept = training
      ? constant(
          expected.data.map((value) => (value === 0 ? 0 : 1)),
          x.shape,
        )
      : fill(1, x.shape);
    r.output(0, training ? map([x, kept], (a, keep) => e.div(e.mul(a, keep), 1 - rate)) : x);
    r.output(1, cast(kept, 'i32'));
  },

  Gradient(r: CaseReader): void {
    const forward = r.attribute('forward');
    const [xs, y] = [r.attribute('xs'), r.text('y', '')];
    r.ignore('zs');
    const known = new Map<string, Value>();
    for (const tensor of r.case.inputs) if (tensor) known.set(tensor.name, r.value(tensor.name));
    const lookUp = (name: unknown): Value => known.get(String(name)) ?? r.skip('attribute', `the graph has no '${String(name)}'`);
    for (const step of Array.isArray(forward) ? forward : []) {
      const [op, inputs, outputs] = step as readonly [string, readonly string[], readonly string[]];
      const build = steps[op] ?? r.skip('op', op);
      known.set(outputs[0]!, build(...inputs.map(lookUp)));
    }
    const loss = lookUp(y);
    const wrt = (Array.isArray(xs) ? xs : []).map(lookUp);
    const slopes = gradients(loss, wrt, { seed: fill(1, loss.shape) });
    const ofForward = r.case.outputs.findIndex((tensor) => tensor?.name === y);
    if (ofForward >= 0) r.output(ofForward, loss);
    const others = r.case.outputs.flatMap((_, i) => (i === ofForward ? [] : [i]));
    slopes.forEach((slope, i) => r.output(others[i]!, slope));
  },
};

const steps: Readonly<Record<string, (...inputs: readonly Value[]) => Value>> = {
  Add: (a, b) => add(a, b),
  Sub: (a, b) => subtract(a, b),
  Mul: (a, b) => multiply(a, b),
  Div: (a, b) => divide(a, b),
  Neg: (a) => negate(a),
  MatMul: (a, b) => matmul(a, b),
};

function joined(r: CaseReader): Value {
  return concat(
    r.case.inputs.map((_, i) => r.value(i)),
    r.number('axis', 0),
  );
}

/** Below operator set 13 the axes from `axis` on are one; from 13 the softmax runs along `axis`. */
function alongAxis(r: CaseReader, along: (x: Value, options: { axis: number }) => Value): Value {
  const x = r.value(0);
  if (r.case.opset >= 13) return along(x, { axis: r.number('axis', -1) });
  const axis = fromStart(r.number('axis', 1), x.shape);
  return reshape(along(reshape(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]), { axis: -1 }), x.shape);
}

/** The axes are an attribute at first and an input since; none means all, or nothing at all. */
function reduced(
  r: CaseReader,
  along: (x: Value, options: { axes?: readonly number[]; keep?: boolean }) => Value,
  inputSince: number,
): Value {
  const x = r.value(0);
  const asked = r.case.opset >= inputSince ? r.constants(1) : r.list('axes');
  const keep = r.number('keepdims', 1) === 1;
  const nothing = r.flag('noop_with_empty_axes');
  if (!asked || asked.length === 0) return nothing ? map([x], (a) => e.add(a, 0)) : along(x, { keep });
  return along(x, { axes: asked, keep });
}

/** [n, c, d1 ...] to [n, d1 ..., c]. */
const classesLast = (rank: number): Layout => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];

interface Scores {
  readonly logits: Value;
  readonly target: Value;
  readonly classWeights: Value | undefined;
  readonly ignored: number | null;
  readonly reduction: string;
}

function scores(r: CaseReader): Scores {
  const logits = r.value(0, classesLast(r.tensor(0).shape.length));
  const ignored = r.attribute('ignore_index');
  return {
    logits,
    target: r.value(1),
    classWeights: r.optional(2),
    ignored: typeof ignored === 'number' ? ignored : null,
    reduction: r.text('reduction', 'mean'),
  };
}
