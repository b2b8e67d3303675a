import type { Cost } from './cost.ts';
import { ShoalError } from './errors.ts';
import type { Reads } from './reads.ts';
import { checkTensorType, exactArray, sizeOf, type Dtype, type Shape, type TensorData, type TensorType } from './tensor.ts';

/** What an op's gradient rule is given. */
export interface VjpSite<A extends object> {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** The gradient of the loss to each output; null where none arrives. At least one is not null. */
  readonly cotangents: readonly (Value | null)[];
  /** The forward attributes, whole: pass them on whole. */
  readonly attributes: A;
}

/** A gradient rule, or the reason there is none. It builds graph and runs nothing; null (or nothing) where no gradient flows. */
export type Vjp<A extends object> = ((site: VjpSite<A>) => readonly (Value | null | undefined)[]) | { readonly none: string };

/** What shapes, costs and kernels are decided from. */
export interface OpSite<A extends object = object> {
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly attributes: A;
}

/** What a plugin exports for each op. Plain data: importing it registers nothing. */
export interface Op<A extends object> {
  /** `family/name`: `pool/max`. Unique within a runtime. */
  readonly name: `${string}/${string}`;
  /** The only place this op's output shapes and dtypes are decided. Throws a ShapeError. */
  infer(inputs: readonly TensorType[], attributes: A): readonly TensorType[];
  readonly vjp: Vjp<A>;
  /** What one evaluation costs; pooling counts too. `bytes` is added by {@link costOf}. */
  cost(site: OpSite<A>): Partial<Cost>;
  /** The same thing from simpler ops, for backends without a kernel and for second derivatives. */
  readonly expand?: (inputs: readonly Value[], attributes: A) => readonly Value[];
  /**
   * For ops linear in some inputs and scaled per channel of their last output axis: the inputs that make the op produce
   * `output * scale`, `scale` being of shape `[channels]`. Batch-norm folding asks for it.
   */
  readonly absorbScale?: (inputs: readonly Value[], attributes: A, scale: Value) => readonly Value[];
  /**
   * Which cells of the inputs an output cell is computed from, for receptive fields. Without it the expansion answers, and without an
   * expansion every output cell is taken to read everything.
   */
  readonly reads?: (site: OpSite<A>) => Reads;
}

/** Any op, whatever its attributes: `never` keeps storage type-safe without `any`. */
export type AnyOp = Op<never>;

/** One application of an op. */
export interface Node {
  readonly op: AnyOp;
  readonly inputs: readonly Value[];
  readonly attributes: object;
  readonly outputs: readonly Value[];
  /** The nodes it was built for, in the order in which they run; see {@link buildFor}. Empty for what somebody applied himself. */
  readonly builtFor: readonly Node[];
}

/** Where a value comes from. */
export type Origin =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'constant'; readonly data: Float64Array | Int32Array | Uint32Array }
  | { readonly kind: 'variable' }
  | { readonly kind: 'node'; readonly node: Node; readonly output: number };

/** A tensor of the graph: its type, and where it comes from. Immutable; compared by identity. */
export class Value implements TensorType {
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly origin: Origin;

  constructor(type: TensorType, origin: Origin) {
    this.shape = type.shape;
    this.dtype = type.dtype;
    this.origin = origin;
  }

  /** The node that computes this value; null for inputs, constants and variables. */
  get node(): Node | null {
    return this.origin.kind === 'node' ? this.origin.node : null;
  }
}

/**
 * State that belongs to a runtime and is shared, by identity, between programs: a weight, a running mean, a step counter.
 * `initial` is called once per runtime, the first time the variable is touched there.
 */
export class Variable extends Value {
  readonly name: string;
  readonly initial: () => TensorData;

  constructor(name: string, type: TensorType, initial: () => TensorData) {
    super(type, { kind: 'variable' });
    this.name = name;
    this.initial = initial;
  }
}

/** A tensor that the caller feeds at each run, under `name`. */
export function input(name: string, shape: Shape, dtype: Dtype = 'f32'): Value {
  checkTensorType('input', { shape, dtype });
  return new Value({ shape: [...shape], dtype }, { kind: 'input', name });
}

/** A variable with an initial value: a number for every element, an array, or a function that makes one. */
export function variable(
  name: string,
  shape: Shape,
  initial: number | ArrayLike<number> | (() => ArrayLike<number>) = 0,
  dtype: Dtype = 'f32',
): Variable {
  checkTensorType(`variable ${name}`, { shape, dtype });
  const size = sizeOf(shape);
  return new Variable(name, { shape: [...shape], dtype }, () => {
    const data = exactArray(dtype, size);
    const source = typeof initial === 'function' ? initial() : initial;
    // Zeros are there already: pages that nobody writes cost nothing.
    if (typeof source === 'number') return Object.is(source, 0) ? data : data.fill(source);
    if (source.length !== size) {
      throw new ShoalError('SHAPE', {
        op: `variable ${name}`,
        fact: `initial value has ${source.length} elements, the shape ${size}`,
        next: 'Give one number, or one for every element',
      });
    }
    data.set(source);
    return data;
  });
}

/** Literal data, kept exactly: float64 for `f32`. */
export function constant(data: number | ArrayLike<number>, shape: Shape = [], dtype: Dtype = 'f32'): Value {
  checkTensorType('constant', { shape, dtype });
  const size = sizeOf(shape);
  const values = typeof data === 'number' ? Array.from({ length: size }, () => data) : data;
  if (values.length !== size)
    throw new ShoalError('SHAPE', {
      op: 'constant',
      fact: `${values.length} numbers do not fill shape [${shape.join(',')}]`,
      next: `Give ${size}`,
    });
  const exact = exactArray(dtype, size);
  exact.set(values);
  return new Value({ shape: [...shape], dtype }, { kind: 'constant', data: exact });
}

let buildingFor: readonly Node[] = [];

/**
 * Calls a function that builds graph on behalf of other nodes, and lets the new nodes remember them: a gradient rule those whose
 * gradient it is, a pass those that it rewrites. So whatever becomes of a program, each of its nodes leads back to what was asked for.
 * Calls nest, and the innermost counts.
 */
export function buildFor<T>(nodes: readonly Node[], build: () => T): T {
  const outer = buildingFor;
  buildingFor = nodes;
  try {
    return build();
  } finally {
    buildingFor = outer;
  }
}

/** Applies an op: infers the output types (which is where wrong shapes are caught) and returns the outputs. */
export function apply<A extends object>(op: Op<A>, inputs: readonly Value[], attributes: A): readonly Value[] {
  const outputs: Value[] = [];
  const node: Node = { op, inputs: [...inputs], attributes, outputs, builtFor: buildingFor };
  op.infer(inputs, attributes).forEach((type, output) => {
    checkTensorType(op.name, type);
    outputs.push(new Value(type, { kind: 'node', node, output }));
  });
  return outputs;
}

/** {@link apply} for ops with one output that matters. */
export function apply1<A extends object>(op: Op<A>, inputs: readonly Value[], attributes: A): Value {
  return apply(op, inputs, attributes)[0]!;
}

/** All nodes that the roots need, inputs before users, not beyond inputs that are not to be followed; iterative, so depth is no limit. */
export function topological(roots: readonly Value[], follow: (input: Value) => boolean = () => true): readonly Node[] {
  const done = new Set<Node>();
  const order: Node[] = [];
  for (const root of roots) {
    const stack: { node: Node; next: number }[] = [];
    if (root.node && !done.has(root.node)) stack.push({ node: root.node, next: 0 });
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!;
      const child = frame.node.inputs[frame.next++];
      if (child === undefined) {
        stack.pop();
        if (!done.has(frame.node)) {
          done.add(frame.node);
          order.push(frame.node);
        }
      } else if (child.node && !done.has(child.node) && follow(child)) {
        stack.push({ node: child.node, next: 0 });
      }
    }
  }
  return order;
}

/** The inputs, constants and variables that the roots depend on, each once. */
export function leavesOf(roots: readonly Value[]): readonly Value[] {
  const leaves = new Set<Value>();
  const note = (value: Value): void => {
    if (!value.node) leaves.add(value);
  };
  roots.forEach(note);
  for (const node of topological(roots)) node.inputs.forEach(note);
  return [...leaves];
}
