import { receptiveField, type Timing } from '@shoal/analyze';
import { type Cost, type Executable, type Feeds, type Runtime, type TensorData } from '@shoal/core';
import type { Observable } from 'rxjs';
import { parameterCount, phasePrograms, programCost, type Arm, type Phase, type Question } from './arm.ts';
import { sampleInTurn, type Job, type Prepared, type SamplingEvent } from './sampling.ts';

/** One measured row of `shoal.bench/1`. Everything beside the times is counted, not estimated. */
export interface BenchRow extends Timing {
  readonly id: string;
  readonly question: Question;
  readonly group: string;
  readonly name: string;
  readonly shape: { readonly input: readonly number[]; readonly output: readonly number[] };
  readonly phase: Phase;
  readonly backend: string;
  readonly threads: number;
  readonly clock: string;
  readonly params: number;
  readonly macs: number;
  readonly comparisons: number;
  readonly additions: number;
  /** Inputs read once and outputs written once by every op, unpadded float32, before any fusion. */
  readonly bytes: number;
  /** Side of the square of input cells that one output cell can depend on. */
  readonly receptiveField: number;
}

export type BenchEvent = SamplingEvent<BenchRow>;

export interface BenchOptions {
  readonly phases: readonly Phase[];
  /** Samples of each row. */
  readonly repeat: number;
}

/** Measures every arm in every phase, the arms of one comparison in turn: see {@link sampleInTurn}. */
export function measure(runtime: Runtime, arms: readonly Arm[], { phases, repeat }: BenchOptions): Observable<BenchEvent> {
  const numbers = { 'one layer': 0, 'one network': 0 };
  const groups = [...Map.groupBy(arms, ({ question, group }) => `${question} ${group}`).values()].map((group) =>
    phases.flatMap((phase) => group.map((arm) => jobOf(runtime, arm, phase, idOf(arm, numbers)))),
  );
  return sampleInTurn(groups, repeat);
}

/** `L3` is the third row about one layer, `N2` the second about one network: what the answer points at. */
function idOf({ question }: Arm, numbers: Record<Question, number>): string {
  return `${question === 'one layer' ? 'L' : 'N'}${++numbers[question]}`;
}

function jobOf(runtime: Runtime, arm: Arm, phase: Phase, id: string): Job<BenchRow> {
  const prepare = async (): Promise<Prepared<BenchRow>> => {
    const { executable, feeds, cost } = await compiled(runtime, arm, phase);
    return { executable, feeds, row: (times) => rowOf({ id, arm, phase, cost }, runtime, times) };
  };
  return { group: arm.group, name: arm.name, prepare };
}

async function compiled(runtime: Runtime, arm: Arm, phase: Phase): Promise<{ executable: Executable; feeds: Feeds; cost: Cost }> {
  const programs = phasePrograms(arm);
  const x = arm.data();
  if (phase === 'fwd') return { executable: await runtime.compile(programs.forward), feeds: { x }, cost: programCost(programs.forward) };
  const saved = await savedFeeds(runtime, programs.saving, x);
  const executable = await runtime.compile(programs.backward);
  const all: Feeds = { x, ...saved, dy: new Float32Array(arm.y.shape.reduce((a, b) => a * b, 1)).fill(1) };
  const wanted = executable.inputs;
  return {
    executable,
    feeds: Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes(name))),
    cost: programCost(programs.backward),
  };
}

async function savedFeeds(runtime: Runtime, saving: ReturnType<typeof phasePrograms>['saving'], x: TensorData): Promise<Feeds> {
  if (Object.keys(saving.outputs).length === 0) return {};
  const executable = await runtime.compile(saving);
  const saved = await executable.run(executable.inputs.includes('x') ? { x } : {});
  executable.dispose();
  return saved;
}

interface Counted {
  readonly id: string;
  readonly arm: Arm;
  readonly phase: Phase;
  readonly cost: Cost;
}

function rowOf({ id, arm, phase, cost }: Counted, { info }: Runtime, times: Timing): BenchRow {
  return {
    id,
    question: arm.question,
    group: arm.group,
    name: arm.name,
    shape: { input: arm.x.shape, output: arm.y.shape },
    phase,
    backend: info.backend,
    threads: info.threads,
    clock: info.clock,
    params: parameterCount(arm),
    macs: cost.multiplyAccumulates,
    comparisons: cost.comparisons,
    additions: cost.additions,
    bytes: cost.bytes,
    receptiveField: receptiveField(arm.y, { image: arm.x }).height.local ?? 0,
    ...times,
  };
}
