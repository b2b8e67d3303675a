import { Variable, type Value } from '../graph.ts';
import { sizeOf } from '../tensor.ts';
import type { Step } from './schedule.ts';

export interface OrderRequest {
  readonly steps: readonly Step[];
  /** Ways to number the steps: each is an order to try, as far as what steps wait for allows. The first wins ties. */
  readonly ranks: readonly ((step: Step) => number)[];
  /** Values that must outlive the last step. */
  readonly kept: ReadonlySet<Value>;
  /** Values that live elsewhere, such as what the prelude has computed. */
  readonly elsewhere: (value: Value) => boolean;
  /** New values that may be written into their variables as soon as nobody reads the old ones any more. */
  readonly updates: ReadonlyMap<Value, Variable>;
}

/** What a step waits for, and what it needs and frees, by number. */
interface Task {
  readonly step: Step;
  readonly users: readonly number[];
  readonly waits: number;
  /** Steps that read the variable that this one overwrites: it lets them go first where it can. */
  readonly readers: readonly number[];
  readonly reads: readonly number[];
  /** What it writes; several steps may write parts of one. */
  readonly produces: readonly number[];
  readonly overwrites: readonly number[];
  readonly largest: number;
}

interface Tasks {
  readonly list: readonly Task[];
  /** By the number of a value: its bytes (0 where it lives elsewhere), and how many steps read it, one more where it is kept. */
  readonly bytes: readonly number[];
  readonly readers: readonly number[];
  readonly fedBytes: number;
}

/** Freeing less than this is no reason to do a step out of turn; updates of smaller variables come last. */
const worthwhile = 65536;

/**
 * Puts steps in the order that needs the least memory, of some: each given one, and the same with steps that free more than they take
 * done as soon as they can be. A training step then applies the gradient of a weight where it is computed, instead of keeping all gradients.
 * Depends on the program alone.
 */
export function orderSteps(request: OrderRequest): readonly Step[] {
  const tasks = tasksOf(request);
  let best: Arrangement | null = null;
  for (const rank of request.ranks) {
    const last = request.steps.length;
    const ranks = request.steps.map((step) => (updatesLittle(step, request) ? last : 0) + rank(step));
    for (const eager of [false, true]) {
      const found = arrange(tasks, ranks, eager);
      if (!best || found.peak < best.peak) best = found;
    }
  }
  return best ? best.order.map((at) => request.steps[at]!) : request.steps;
}

/** The steps as they stand, but for those that wait for a later one. */
export function sortSteps(steps: readonly Step[]): readonly Step[] {
  const tasks = tasksOf({ steps, kept: new Set(), elsewhere: () => true, updates: new Map() });
  const ranks = steps.map((_, at) => at);
  return arrange(tasks, ranks, false).order.map((at) => steps[at]!);
}

/** A run can be aborted until it has written into a variable: what changes small ones, such as running statistics, is put off. */
function updatesLittle({ outputs }: Step, { updates }: OrderRequest): boolean {
  return outputs.every((output) => !output || (updates.has(output) && 4 * sizeOf(output.shape) < worthwhile));
}

function tasksOf({ steps, kept, elsewhere, updates }: Omit<OrderRequest, 'ranks'>): Tasks {
  const numbers = new Map<Value, number>();
  const bytes: number[] = [];
  const readers: number[] = [];
  const numberOf = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, bytes.length);
    const isElsewhere = value instanceof Variable || value.origin.kind === 'constant' || updates.has(value) || elsewhere(value);
    readers.push(kept.has(value) ? 1 : 0);
    return bytes.push(isElsewhere ? 0 : 4 * sizeOf(value.shape)) - 1;
  };
  const makers = new Map<Value, number[]>();
  steps.forEach(({ outputs }, at) =>
    outputs.forEach((output) => {
      if (output) makers.set(output, [...(makers.get(output) ?? []), at]);
    }),
  );
  const readersOf = new Map<Value, number[]>();
  steps.forEach(({ reads }, at) =>
    reads.forEach((value) => {
      readers[numberOf(value)]!++;
      readersOf.set(value, [...(readersOf.get(value) ?? []), at]);
    }),
  );
  const users = steps.map((): number[] => []);
  const waits = steps.map(({ reads, waitsFor }, at) => {
    const before = new Set([...reads, ...waitsFor].flatMap((value) => makers.get(value) ?? []));
    before.forEach((maker) => users[maker]!.push(at));
    return before.size;
  });
  const list = steps.map((step, at): Task => {
    const outputs = step.outputs.filter((value) => value !== null).map(numberOf);
    const variables = step.outputs.flatMap((value) => (value && updates.get(value)) ?? []);
    return {
      step,
      users: users[at]!,
      waits: waits[at]!,
      readers: [...new Set(variables.flatMap((variable) => readersOf.get(variable) ?? []))].filter((reader) => reader !== at),
      reads: step.reads.map(numberOf),
      produces: outputs,
      overwrites: step.overwrites.map(numberOf),
      largest: outputs.length > 0 ? bytes[outputs[0]!]! : 0,
    };
  });
  const fedBytes = [...numbers].reduce((sum, [value, number]) => sum + (value.origin.kind === 'input' ? bytes[number]! : 0), 0);
  return { list, bytes, readers, fedBytes };
}

interface Arrangement {
  readonly order: readonly number[];
  readonly peak: number;
}

/** One order, and the most bytes alive in it. */
function arrange({ list, bytes, readers, fedBytes }: Tasks, ranks: readonly number[], eager: boolean): Arrangement {
  const left = [...readers];
  const waits = list.map((task) => task.waits);
  const done = list.map(() => false);
  const exists = bytes.map(() => false);
  const order: number[] = [];
  let alive = fedBytes;
  let peak = alive;
  const dies = (value: number): boolean => left[value] === 1;
  const freed = ({ reads }: Task): number => reads.reduce((sum, value) => sum + (dies(value) ? bytes[value]! : 0), 0);
  const taken = ({ produces }: Task): number => produces.reduce((sum, value) => sum + (exists[value] ? 0 : bytes[value]!), 0);
  const mayGo = (at: number): boolean => list[at]!.readers.every((reader) => done[reader]);
  const ready = new Set(waits.flatMap((count, at) => (count === 0 ? [at] : [])));
  const better = (a: number, b: number): boolean => ranks[a]! < ranks[b]! || (ranks[a] === ranks[b] && a < b);
  while (ready.size > 0) {
    let chosen = -1;
    let gained = 0;
    let inTurn = -1;
    let unwilling = -1;
    for (const at of ready) {
      if (!mayGo(at)) {
        if (unwilling < 0 || better(at, unwilling)) unwilling = at;
        continue;
      }
      if (inTurn < 0 || better(at, inTurn)) inTurn = at;
      if (!eager) continue;
      const gain = freed(list[at]!) - taken(list[at]!);
      if (gain < worthwhile) continue;
      if (gain > gained || (gain === gained && better(at, chosen))) [chosen, gained] = [at, gain];
    }
    // Updates of each other's variables cannot all wait for the reader: the first gives way, and its new value is copied at the end.
    const at = chosen >= 0 ? chosen : inTurn >= 0 ? inTurn : unwilling;
    const task = list[at]!;
    ready.delete(at);
    done[at] = true;
    order.push(at);
    const reused = task.overwrites.some((value) => dies(value) && bytes[value] === task.largest) ? task.largest : 0;
    alive += taken(task) - reused;
    peak = Math.max(peak, alive);
    alive += reused - freed(task);
    for (const value of task.produces) exists[value] = true;
    for (const value of task.reads) left[value]!--;
    for (const user of task.users) if (--waits[user]! === 0) ready.add(user);
  }
  return { order, peak };
}
