import { ShoalError, sizeOf, type FusedExpression, type Node, type Step, type Value } from '@shoal/core';
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder, Operand, V128 } from './encoder/index.ts';
import type { EngineOptions, Place, Repetition, Stage, StageOptions, WasmKernel, WasmSite } from './kernel.ts';
import { storePack, VECTOR_BYTES } from './lanes.ts';
import { ELEMENT_BYTES } from './layout.ts';
import { printExpression } from './print.ts';

export interface ScratchRequest {
  readonly bytes: number;
  readonly perThread: boolean;
}

export interface EmittedStage {
  readonly reference: FunctionReference<Readonly<Record<string, 'i32'>>, undefined>;
  readonly tiles: number;
}

/** What a kernel wrote for one kind of step. */
export interface EmittedSite {
  readonly stages: readonly EmittedStage[];
  readonly scratch: readonly ScratchRequest[];
}

/** The tensors of a step whose addresses its functions take, by parameter name and in their order; scratch follows. */
export function operandsOf(step: Step): ReadonlyMap<string, Value> {
  const operands = new Map<string, Value>();
  const note = (prefix: string, values: readonly (Value | null)[]): void =>
    values.forEach((value, i) => {
      if (value) operands.set(`${prefix}${i}`, value);
    });
  note('input', step.inputs);
  step.loads.forEach((load, i) => note(`load${i}_`, load?.values ?? []));
  note('epilogue', step.epilogue?.values ?? []);
  note('output', step.outputs);
  return operands;
}

export const scratchName = (index: number): string => `scratch${index}`;

/** Lets a kernel write the functions of a step into the module. `name` is unique in the module. */
export function emitSite(
  step: Step,
  kernelFor: (node: Node) => WasmKernel,
  module: ModuleBuilder,
  engine: EngineOptions,
  name: string,
): EmittedSite {
  const { node, loads, kept, outputs, epilogue } = step;
  const repetition = step.repetition && kernelFor(step.repetition).repetition;
  const stages: EmittedStage[] = [];
  const scratch: ScratchRequest[] = [];
  const operands = [...operandsOf(step).keys()];
  const addStage = (tiles: number, body: (f: FunctionBuilder, locals: Readonly<Record<string, Local<'i32'>>>) => void): void => {
    const names = ['tile', ...operands, ...scratch.map((_, i) => scratchName(i))];
    const parameters: Record<string, 'i32'> = Object.fromEntries(names.map((each) => [each, 'i32']));
    stages.push({ reference: module.function({ name: `${name}.${stages.length}`, parameters }, body), tiles });
  };
  const site: WasmSite<never> = {
    inputs: node.inputs,
    outputs: node.outputs,
    attributes: node.attributes as never,
    wanted: outputs.map((value) => value !== null),
    fused: loads.map((load) => load !== null),
    kept,
    hasEpilogue: epilogue !== null,
    engine,
    module,
    scratch(bytes, { perThread = false } = {}) {
      if (stages.length > 0) throw misuse(name, 'asks for scratch after its first stage');
      return { index: scratch.push({ bytes, perThread }) - 1 };
    },
    stage: ({ tiles }: StageOptions, body) => addStage(tiles, (f, locals) => body(stageOf(f, locals, step, name, repetition))),
  };
  kernelFor(node).emit(site);
  repetition?.emit(step, engine, (tiles, body) => addStage(tiles, (f, { tile, output0 }) => body(f, tile!, output0!)));
  return { stages, scratch };
}

function misuse(name: string, fact: string): ShoalError {
  return new ShoalError('KERNEL', { op: name, fact: `its kernel ${fact}` });
}

function stageOf(
  f: FunctionBuilder,
  locals: Readonly<Record<string, Local<'i32'>>>,
  step: Step,
  name: string,
  repetition: Repetition | null | undefined,
): Stage {
  const pointer = (parameter: string, why = ''): Local<'i32'> => {
    const local = locals[parameter];
    if (!local) throw misuse(name, `uses ${parameter}${why}`);
    return local;
  };
  const coordinate = (): never => {
    throw misuse(name, 'was given a fused expression with coordinates');
  };
  /** An operand of a fused expression, by vector: a scalar, a vector along the channels, or a tensor as large as the whole. */
  const operand = ({ values, shape }: FusedExpression, index: number, prefix: string, place: Place): ((vector: number) => V128) => {
    const size = sizeOf(values[index]!.shape);
    const from = pointer(`${prefix}${index}`);
    if (size === 1) {
      const value = f.let(f.v128.load32Splat(from));
      return () => value;
    }
    const isWhole = size === sizeOf(shape);
    const [address, offset] = isWhole
      ? addressOf(f, from, place.at, place.offset)
      : addressOf(f, from, place.channel, place.channelOffset ?? 0);
    const base = held(f, address);
    return (vector) => f.v128.load(base, offset + vector * VECTOR_BYTES, 4);
  };
  const { slice, outputs, node } = step;
  /** The place in output 0, of which this step may write a slice, and where it may repeat cells: they are further apart then. */
  const inOutput = (place: Place): Place => {
    if (!slice && !repetition) return place;
    const { i32 } = f;
    const [own, whole] = [node.outputs[0]!, outputs[0]!].map(({ shape }) => shape.at(-1)! * ELEMENT_BYTES) as [number, number];
    const { at, offset = 0, channel, channelOffset = 0 } = place;
    const cells = own > 0 ? (offset - channelOffset) / own : 0;
    if (!Number.isInteger(cells)) throw misuse(name, 'can write slices and stores vectors that reach into the next cell');
    const first = f.let(i32.divU(i32.sub(at, channel), own));
    const [cell, constant] = repetition?.place(f, step, first, cells) ?? [first, cells];
    return {
      ...place,
      at: i32.add(channel, i32.mul(cell, whole)),
      offset: channelOffset + constant * whole + (slice?.from ?? 0) * ELEMENT_BYTES,
    };
  };
  /** The epilogue of neighbouring vectors. */
  const finished = (results: readonly V128[], place: Place): readonly V128[] => {
    const { epilogue } = step;
    if (!epilogue) return results;
    const at = pinned(f, place);
    const used = epilogue.values.map((_, i) => (i === 0 ? null : operand(epilogue, i, 'epilogue', at)));
    return results.map((result, vector) =>
      printExpression(f, epilogue.expression, { input: (i) => used[i]?.(vector) ?? result, coordinate }),
    );
  };
  const stage: Stage = {
    f,
    tile: pointer('tile'),
    input: (index) => pointer(`input${index}`, ', which is a fused expression or none'),
    output(index) {
      if (index === 0 && (slice || repetition)) throw misuse(name, 'can write slices and does not leave output 0 to store');
      return pointer(`output${index}`, ', which nobody wants or none');
    },
    scratch: ({ index }) => pointer(scratchName(index), ' of another site'),
    load: (index, place) => stage.loadAll(index, place, 1)[0]!,
    loadAll(index, place, count) {
      const vectors = Array.from({ length: count }, (_, vector) => vector);
      const load = step.loads[index];
      if (!load) {
        const [address, offset] = addressOf(f, stage.input(index), place.at, place.offset);
        const base = count > 1 ? held(f, address) : address;
        return vectors.map((vector) => f.v128.load(base, offset + vector * VECTOR_BYTES, 4));
      }
      const at = pinned(f, place);
      const used = load.values.map((_, i) => operand(load, i, `load${index}_`, at));
      return vectors.map((vector) => printExpression(f, load.expression, { input: (i) => used[i]!(vector), coordinate }));
    },
    store: (result, place, lanes = 4) => stage.storeAll([result], place, lanes),
    storeAll(results, place, lanes) {
      const at = pinned(f, place);
      // All is computed before anything is written: what is written might be what is read, as far as the engine knows, and pairs could not be joined.
      const values = finished(results, at).map((value) => (results.length > 1 && !value.leaf ? f.let(value) : value));
      const target = inOutput(at);
      const [address, offset] = addressOf(f, pointer('output0', ', which nobody wants'), target.at, target.offset);
      const base = results.length > 1 ? held(f, address) : address;
      storePack(f, base, values, lanes, offset);
    },
  };
  return stage;
}

/** Base and immediate of an access. */
function addressOf(f: FunctionBuilder, pointer: Local<'i32'>, at: Operand<'i32'>, offset = 0): readonly [Operand<'i32'>, number] {
  const constant = typeof at === 'number' ? at : at.constant;
  return constant === undefined ? [f.i32.add(pointer, at), offset] : [pointer, constant + offset];
}

/** The same place, readable many times. */
const pinned = (f: FunctionBuilder, place: Place): Place => ({ ...place, at: held(f, place.at), channel: held(f, place.channel) });

/** The same address, readable many times. */
const held = (f: FunctionBuilder, value: Operand<'i32'>): Operand<'i32'> =>
  typeof value === 'number' || value.leaf ? value : f.let(value);
