import { receptiveField } from '@shoal/analyze';
import { type Executable, type Feeds, type Runtime, type TensorData } from '@shoal/core';
import { Observable } from 'rxjs';
import { quantileSorted } from 'simple-statistics';
import { parameterCount, phasePrograms, programCost, type Arm, type Phase, type Question } from './arm.ts';

/** One measured row of `shoal.bench/1`. Everything beside the times is counted, not estimated. */
export interface BenchRow {
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
  readonly samplesNs: readonly number[];
  readonly medianMs: number;
  readonly q1Ms: number;
  readonly q3Ms: number;
}

/** What happens during a benchmark. The terminal, the report and a page read the same stream. */
export type BenchEvent =
  | { readonly kind: 'prepare'; readonly question: Question; readonly group: string; readonly name: string; readonly phase: Phase }
  | { readonly kind: 'sample'; readonly done: number; readonly samples: number; readonly group: string; readonly name: string }
  | { readonly kind: 'row'; readonly row: BenchRow };

export interface BenchOptions {
  readonly phases: readonly Phase[];
  /** Samples of each row. */
  readonly repeat: number;
}

interface Task {
  readonly arm: Arm;
  readonly phase: Phase;
  readonly executable: Executable;
  readonly feeds: Feeds;
  readonly cost: ReturnType<typeof programCost>;
  readonly samplesNs: number[];
}

/** Rounds before the first sample: engines compile hot code only after some calls, and on other threads. */
const warmUp = { rounds: 3, milliseconds: 150 };

/**
 * Measures every arm in every phase. Within a group the samples are interleaved, one of each row in turn, so that a slow
 * spell of the machine falls on all of them. Unsubscribing stops it.
 */
export function measure(runtime: Runtime, arms: readonly Arm[], { phases, repeat }: BenchOptions): Observable<BenchEvent> {
  return new Observable<BenchEvent>((subscriber) => {
    const samples = arms.length * phases.length * repeat;
    let done = 0;
    const work = async (): Promise<void> => {
      const groups = Map.groupBy(arms, ({ question, group }) => `${question} ${group}`);
      const numbers = { 'one layer': 0, 'one network': 0 };
      for (const group of groups.values()) {
        const tasks: Task[] = [];
        for (const phase of phases) {
          for (const arm of group) {
            if (subscriber.closed) return;
            subscriber.next({ kind: 'prepare', question: arm.question, group: arm.group, name: arm.name, phase });
            tasks.push(await prepare(runtime, arm, phase));
          }
        }
        for (const task of tasks) await warm(task);
        for (let round = 0; round < repeat; round++) {
          for (const task of tasks) {
            if (subscriber.closed) return;
            task.samplesNs.push(await sample(task));
            subscriber.next({ kind: 'sample', done: ++done, samples, group: task.arm.group, name: task.arm.name });
          }
        }
        for (const task of tasks) {
          subscriber.next({ kind: 'row', row: rowOf(task, runtime, idOf(task, numbers)) });
          task.executable.dispose();
        }
      }
    };
    work().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
  });
}

/** `L3` is the third row about one layer, `N2` the second about one network: what the answer points at. */
function idOf({ arm: { question } }: Task, numbers: Record<Question, number>): string {
  return `${question === 'one layer' ? 'L' : 'N'}${++numbers[question]}`;
}

async function prepare(runtime: Runtime, arm: Arm, phase: Phase): Promise<Task> {
  const programs = phasePrograms(arm);
  const x = arm.data();
  const task = { arm, phase, samplesNs: [] };
  if (phase === 'fwd') {
    return { ...task, executable: await runtime.compile(programs.forward), feeds: { x }, cost: programCost(programs.forward) };
  }
  const saved = await savedFeeds(runtime, programs.saving, x);
  const executable = await runtime.compile(programs.backward);
  const all: Feeds = { x, ...saved, dy: new Float32Array(arm.y.shape.reduce((a, b) => a * b, 1)).fill(1) };
  const wanted = executable.inputs;
  return {
    ...task,
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

async function sample({ executable, feeds }: Task): Promise<number> {
  return (await executable.timed(feeds, { fetch: [] })).nanoseconds;
}

async function warm(task: Task): Promise<void> {
  const until = performance.now() + warmUp.milliseconds;
  for (let round = 0; round < warmUp.rounds || performance.now() < until; round++) await sample(task);
}

function rowOf({ arm, phase, cost, samplesNs }: Task, { info }: Runtime, id: string): BenchRow {
  const sorted = samplesNs.toSorted((a, b) => a - b);
  const at = (quantile: number): number => quantileSorted(sorted, quantile) / 1e6;
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
    samplesNs,
    medianMs: at(0.5),
    q1Ms: at(0.25),
    q3Ms: at(0.75),
  };
}
