import {
  checkDtype,
  checkOptions,
  expression as e,
  formatShape,
  map,
  reduce,
  reshape,
  sameShape,
  ShapeError,
  ShoalError,
  sizeOf,
  type Value,
} from '@shoal/core';
import { divide } from './elementwise.ts';
import { logSoftmax } from './softmax.ts';

type Expression = e.Expression;

export interface CrossEntropyOptions {
  /** `mean` (default), `sum`, or `none`: one loss per row. */
  readonly reduction?: 'mean' | 'sum' | 'none';
  /** s in [0, 1]: the target becomes (1 - s) * target + s / classes. Default 0. */
  readonly labelSmoothing?: number;
  /** One factor per class, f32 [classes]. */
  readonly classWeights?: Value | undefined;
  /** Rows with this index contribute nothing. Default -100. For index targets only. */
  readonly ignoreIndex?: number;
}

const name = 'math/softmax-cross-entropy';

/**
 * -sum(q * w * log(softmax(logits))) over the last axis, q being the target distribution and w the class weights
 * (label smoothing: Szegedy et al., "Rethinking the Inception architecture", 2015). PyTorch's conventions:
 * `mean` divides by the sum of w[target] over the rows that count (index targets), or by the number of rows (probability targets).
 * A mean over no rows is NaN.
 *
 * @param logits f32 [..., classes]
 * @param target i32 [...] class indices, or f32 [..., classes] probabilities. Rows whose index is not one of the classes count
 * like ignored ones: nothing can be thrown while a program runs.
 * @returns f32: a scalar, or [...] for `none`
 * @throws ShapeError when shapes do not fit; ShoalError `ATTRIBUTE` on options out of range
 */
export function softmaxCrossEntropy(logits: Value, target: Value, options: CrossEntropyOptions = {}): Value {
  checkOptions(name, options, ['reduction', 'labelSmoothing', 'classWeights', 'ignoreIndex']);
  const { reduction = 'mean', labelSmoothing = 0, classWeights } = options;
  checkLoss(logits, target, options);
  const rows = target.dtype === 'i32' ? indexLoss(logits, target, options) : probabilityLoss(logits, target, labelSmoothing, classWeights);
  if (reduction === 'none') return rows;
  const total = reduce(rows, { kind: 'sum' });
  if (reduction === 'sum') return total;
  if (target.dtype === 'f32') return divide(total, sizeOf(rows.shape));
  return divide(total, reduce(rowWeights(logits, target, options), { kind: 'sum' }));
}

function checkLoss(
  logits: Value,
  target: Value,
  { reduction = 'mean', labelSmoothing = 0, classWeights, ignoreIndex }: CrossEntropyOptions,
): void {
  checkDtype(name, 'logits', logits.dtype, 'f32');
  const { shape } = logits;
  if (shape.length < 1 || shape.at(-1) === 0)
    throw new ShapeError({ op: name, fact: `logits ${formatShape(shape)} have no classes`, next: 'Give [..., classes]' });
  const indices = target.dtype === 'i32';
  const wanted = indices ? shape.slice(0, -1) : shape;
  if (target.dtype === 'u32') checkDtype(name, 'target', target.dtype, 'i32');
  if (!sameShape(target.shape, wanted)) {
    throw new ShapeError({
      op: name,
      fact: `${indices ? 'index' : 'probability'} target ${formatShape(target.shape)} does not fit logits ${formatShape(shape)}`,
      next: `Give ${target.dtype} ${formatShape(wanted)}`,
    });
  }
  const bad = (fact: string, next: string): never => {
    throw new ShoalError('ATTRIBUTE', { op: name, fact, next });
  };
  if (!['mean', 'sum', 'none'].includes(reduction)) bad(`unknown reduction '${reduction}'`, 'Use mean, sum or none');
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) bad(`label smoothing ${labelSmoothing} is outside [0, 1]`, 'Use a value such as 0.1');
  if (ignoreIndex !== undefined && !indices) bad('ignoreIndex was given with probability targets', 'Leave it out, or zero those rows');
  if (classWeights && !sameShape(classWeights.shape, [shape.at(-1)!])) {
    throw new ShapeError({
      op: name,
      fact: `class weights ${formatShape(classWeights.shape)} for ${shape.at(-1)} classes`,
      next: 'Give one factor per class',
    });
  }
}

/** `value` in the rows that count, 0 in the others. Selected, not multiplied: 0 * -Infinity would be NaN. */
function whereCounted(index: Expression, classes: number, { ignoreIndex = -100 }: CrossEntropyOptions, value: Expression): Expression {
  const within = e.select(e.ge(index, 0), e.select(e.lt(index, classes), value, 0), 0);
  return ignoreIndex >= 0 && ignoreIndex < classes ? e.select(e.ne(index, ignoreIndex), within, 0) : within;
}

/** The indices with a last axis of size 1, so that they broadcast against the classes. */
const overClasses = (target: Value): Value => reshape(target, [...target.shape, 1]);

function indexLoss(logits: Value, target: Value, options: CrossEntropyOptions): Value {
  const { labelSmoothing: s = 0, classWeights } = options;
  const classes = logits.shape.at(-1)!;
  const axis = logits.shape.length - 1;
  const inputs = [logSoftmax(logits), overClasses(target), ...(classWeights ? [classWeights] : [])];
  const terms = map(inputs, (logp, index, w) => {
    const cost = e.neg(classWeights ? e.mul(w, logp) : logp);
    const own = e.select(e.eq(index, e.coordinate(axis)), s === 0 ? cost : e.mul(1 - s, cost), 0);
    return whereCounted(index, classes, options, s === 0 ? own : e.add(own, e.mul(s / classes, cost)));
  });
  return reduce(terms, { kind: 'sum', axes: [axis] });
}

/** w[target] of each row that counts, 0 of the others. */
function rowWeights(logits: Value, target: Value, options: CrossEntropyOptions): Value {
  const classes = logits.shape.at(-1)!;
  const axis = logits.shape.length - 1;
  if (!options.classWeights) return map([target], (index) => whereCounted(index, classes, options, e.literal(1)));
  const chosen = map(
    [overClasses(target), options.classWeights],
    (index, w) => whereCounted(index, classes, options, e.select(e.eq(index, e.coordinate(axis)), w, 0)),
    logits.shape,
  );
  return reduce(chosen, { kind: 'sum', axes: [axis] });
}

function probabilityLoss(logits: Value, target: Value, s: number, classWeights: Value | undefined): Value {
  const classes = logits.shape.at(-1)!;
  const terms = map([logSoftmax(logits), target, ...(classWeights ? [classWeights] : [])], (logp, t, w) => {
    const q = s === 0 ? t : e.add(e.mul(1 - s, t), s / classes);
    return e.neg(e.mul(classWeights ? e.mul(q, w) : q, logp));
  });
  return reduce(terms, { kind: 'sum', axes: [logits.shape.length - 1] });
}
