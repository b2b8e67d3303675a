import { attributeKey, expression as e, sizeOf, type FusedExpression, type Node, type Step, type Value } from '@shoal/core';
import type { ModuleBuilder, Operand } from './encoder/index.ts';
import type { EngineOptions, WasmKernel } from './kernel.ts';
import { emitSite, operandsOf, scratchName, type EmittedSite } from './site.ts';
import { emitAbortCheck, emitBarrier } from './threads/index.ts';
import { emitTiles, forShare, threadParameters, type ThreadFunction } from './tiles.ts';

/** The functions of a step, and where it keeps what it needs for itself. */
export interface EmittedStep extends EmittedSite {
  readonly step: Step;
}

/** What decides a step's code: steps with equal keys share their functions. */
function siteKey({ node, loads, kept, epilogue, outputs, slice, repetition }: Step): string {
  const types = (values: readonly (Value | null)[]): string =>
    values.map((value) => (value ? `${value.dtype}[${value.shape.join(',')}]` : '-')).join(' ');
  const fused = (expression: FusedExpression | null): string =>
    expression ? `${e.expressionKey(expression.expression)} over ${types(expression.values)}` : '-';
  const wanted = outputs.map((value) => (value ? 1 : 0)).join('');
  return [
    node.op.name,
    attributeKey(node.attributes),
    types(node.inputs),
    types(node.outputs),
    wanted,
    ...loads.map(fused),
    kept.join(' '),
    fused(epilogue),
    slice ? `${slice.from} of ${outputs[0]!.shape.at(-1)}` : '-',
    types(repetition?.outputs ?? []),
  ].join('|');
}

/** Lets the kernels write their functions; each kind of step is written once. */
export function emitSteps(
  steps: readonly Step[],
  kernelFor: (node: Node) => WasmKernel,
  module: ModuleBuilder,
  engine: EngineOptions,
): readonly EmittedStep[] {
  return steps.map((step) => ({
    step,
    ...module.once(`site ${siteKey(step)}`, () => emitSite(step, kernelFor, module, engine, uniqueName(module, step.node.op.name))),
  }));
}

function uniqueName(module: ModuleBuilder, op: string): string {
  const count = module.once(`count ${op}`, () => ({ next: 0 }));
  return `${op}#${count.next++}`;
}

/** Where things are: the address of a tensor, and of a step's scratch (with the distance between threads, 0 where they share it). */
export interface Places {
  readonly addressOf: (value: Value) => number;
  readonly scratchOf: (step: Step, index: number) => { readonly address: number; readonly threadBytes: number };
  /** Where the counters are that tiles are taken from. */
  readonly counters: number;
}

/** Bytes that each tile of a step touches, about. */
const bytesPerTile = ({ step }: EmittedStep, tiles: number): number =>
  [...operandsOf(step).values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0) / tiles;

/**
 * Writes the function that runs the steps of a round: each thread computes its share of the tiles of each stage, then all wait for each other.
 * First stages run together, then second ones, and so on.
 */
export function emitRound(module: ModuleBuilder, name: string, steps: readonly EmittedStep[], places: Places): ThreadFunction {
  return module.function({ name, parameters: threadParameters, export: true }, (f, locals) => {
    const argumentsOf = steps.map(({ step, scratch }) => {
      const args: Record<string, Operand<'i32'>> = {};
      for (const [operand, value] of operandsOf(step)) args[operand] = places.addressOf(value);
      scratch.forEach((_, i) => {
        const { address, threadBytes } = places.scratchOf(step, i);
        args[scratchName(i)] = threadBytes === 0 ? address : f.let(f.i32.add(address, f.i32.mul(locals.thread, threadBytes)));
      });
      return args;
    });
    for (let at = 0; steps.some(({ stages }) => at < stages.length); at++) {
      // Large tiles first: small ones fill the gaps at the end.
      const parts = steps
        .flatMap((step, i) => {
          const { reference, tiles = 0 } = step.stages[at] ?? {};
          const body = (tile: Operand<'i32'>): void => f.call(reference!, { ...argumentsOf[i], tile });
          return tiles === 0 ? [] : { tiles, body, weight: bytesPerTile(step, tiles) };
        })
        .toSorted((a, b) => b.weight - a.weight);
      if (parts.length === 0) continue;
      emitTiles(module, f, parts, places.counters, locals);
      emitBarrier(module, f, locals.threads);
    }
  });
}

export interface Copy {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Bytes that a thread copies at a time. */
const COPY_BYTES = 65536;

/** Writes the function that ends a run: copies in two phases, so that sources which are targets as well are saved first; then says so at `completed`. */
export function emitFinish(module: ModuleBuilder, saves: readonly Copy[], copies: readonly Copy[], completed: number): ThreadFunction {
  return module.function({ name: 'finish', parameters: threadParameters, export: true }, (f, locals) => {
    for (const phase of [saves, copies]) {
      for (const { from, to, bytes } of phase) {
        const whole = Math.floor(bytes / COPY_BYTES) * COPY_BYTES;
        const at = f.local.i32();
        if (whole > 0) forShare(f, at, whole, COPY_BYTES, locals, () => f.memory.copy(f.i32.add(to, at), f.i32.add(from, at), COPY_BYTES));
        if (bytes > whole) f.if(f.i32.eqz(locals.thread), () => f.memory.copy(to + whole, from + whole, bytes - whole));
      }
      if (phase.length > 0) emitBarrier(module, f, locals.threads);
    }
    f.if(f.i32.eqz(locals.thread), () => f.i32.store(completed, 1));
  });
}

/** Writes an entry that runs functions one after another and may be aborted after the first `abortable` of them. */
export function emitEntry(module: ModuleBuilder, name: string, functions: readonly ThreadFunction[], abortable: number): void {
  module.function({ name, parameters: threadParameters, export: true }, (f, locals) => {
    functions.forEach((reference, i) => {
      f.call(reference, locals);
      if (i < abortable) emitAbortCheck(module, f);
    });
  });
}
