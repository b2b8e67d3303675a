import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, arch, cpus, loadavg, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { compare, loosened, type Agreement } from './agreement.ts';
import { EngineError, EngineProcess } from './child.ts';
import type { Sample, WorkOrder } from './engines/engine.ts';
import { notMeasured, type EngineEntry } from './engines/registry.ts';
import { shoalVersion } from './engines/shoal-node.ts';
import { expectedResults, type Expected } from './oracle.ts';
import { readArrays, writeWork } from './portable/file.ts';
import { toOnnx } from './portable/onnx.ts';
import { portableWork } from './portable/work.ts';
import {
  isMeasured,
  type EngineRecord,
  type Environment,
  type Measured,
  type Measurement,
  type PeersRecord,
  type RatioRecord,
  type Row,
} from './record.ts';
import { ratioOf, summarize } from './statistics.ts';
import type { Phase, Subject, Work } from './works/index.ts';

export interface Plan {
  readonly works: readonly Work[];
  readonly engines: readonly EngineEntry[];
  readonly phases: readonly Phase[];
  readonly threads: readonly number[];
  /** Samples of each engine. */
  readonly repeat: number;
  readonly log: (line: string) => void;
}

/** Engines compile hot code after some calls, on other threads: nothing before that counts. */
const warmUp = { milliseconds: 200, runs: 1 };
/** A sample of less would measure the clock. */
const leastSampleNs = 4e6;
const mostRuns = 2000;
/** Above this a run before the sample, which brings the operands back into the caches, costs more than it tells. */
const longRunNs = 100e6;
/** Engines that take longer give a few samples only. */
const slowRunNs = 2e9;
const slowSamples = 3;
/** Seconds after which a preparation is worth a line of progress. */
const slowPreparation = 5;
/** Thread pools spin for a while before they sleep: their neighbour's sample must not begin on their time. */
const settleMs = { one: 1, many: 20 };

/** Measures every work in every engine: one sample of each engine in turn, so that a slow spell of the machine falls on all of them. */
export async function measure(plan: Plan): Promise<PeersRecord> {
  const before = loadavg()[0]!;
  const folder = await mkdtemp(join(tmpdir(), 'shoal-peers-'));
  const rows: Row[] = [];
  const engines: EngineRecord[] = [];
  try {
    for (const threads of plan.threads) {
      const team = new Team(plan.engines, threads, plan.log);
      try {
        for (const [i, work] of plan.works.entries()) {
          plan.log(`${threads} thread${threads > 1 ? 's' : ''}, ${i + 1}/${plan.works.length}: ${work.id}`);
          rows.push(await measureWork(work, team, plan, join(folder, 'work')));
        }
        engines.push(...team.records());
      } finally {
        await team.close();
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const absent = plan.threads.flatMap((threads) =>
    notMeasured.map((each) => ({ ...each, title: each.name, kind: 'peer' as const, threads })),
  );
  const { repeat, threads, phases } = plan;
  return {
    schema: 'shoal.peers/1',
    env: environment(before),
    options: { repeat, threads, phases },
    engines: [...engines, ...absent],
    rows,
  };
}

/** The engines' processes, started when they are first needed and again after they have ended. */
class Team {
  readonly entries: readonly EngineEntry[];
  readonly threads: number;
  readonly #log: (line: string) => void;
  readonly #running = new Map<string, EngineProcess>();
  /** Engines that do not start, with the reason. */
  readonly #absent = new Map<string, string>();
  readonly #records = new Map<string, EngineRecord>();

  constructor(entries: readonly EngineEntry[], threads: number, log: (line: string) => void) {
    this.entries = entries;
    this.threads = threads;
    this.#log = log;
  }

  /** @throws EngineError when the engine does not start, now or before */
  async engine({ name, title, kind, command }: EngineEntry): Promise<EngineProcess> {
    const running = this.#running.get(name);
    if (running?.alive) return running;
    const reason = this.#absent.get(name);
    if (reason !== undefined) throw new EngineError(reason, true);
    const { threads } = this;
    try {
      const started = await EngineProcess.start(command(threads));
      this.#running.set(name, started);
      this.#records.set(name, { name, title, kind, threads, info: started.info });
      return started;
    } catch (error) {
      const why = messageOf(error);
      this.#absent.set(name, why);
      this.#records.set(name, { name, title, kind, threads, reason: why });
      this.#log(`  ${name} does not start: ${why}`);
      throw error;
    }
  }

  records(): readonly EngineRecord[] {
    return [...this.#records.values()];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((engine) => engine.close()));
  }
}

/** An engine that is ready to be timed. */
interface Ready {
  readonly entry: EngineEntry;
  readonly engine: EngineProcess;
  readonly note: string | undefined;
  readonly agreement: Agreement | undefined;
  readonly runs: number;
  readonly samples: Sample[];
  readonly wanted: number;
  readonly long: boolean;
}

async function measureWork(work: Work, team: Team, { repeat, log }: Plan, path: string): Promise<Row> {
  const subject = work.build();
  let expected = work.comparedWithFirst ? undefined : await expectedResults(work, subject);
  const order = await orderOf(
    work,
    subject,
    path,
    team.entries.some(({ readsOnnx }) => readsOnnx),
  );
  const reasons = new Map<string, string>();
  const ready: Ready[] = [];
  for (const entry of team.entries) {
    const reason = entry.kind === 'floor' && !work.movesData ? 'only for work that moves data' : work.without?.[entry.name];
    if (reason !== undefined) {
      reasons.set(entry.name, reason);
      continue;
    }
    const start = performance.now();
    try {
      const engine = await team.engine(entry);
      const preparation = { work: allowed(work, entry), order, repeat, path: `${path}.results` };
      const [made, first] = await makeReady(entry, engine, { ...preparation, expected });
      expected ??= first;
      ready.push(made);
    } catch (error) {
      reasons.set(entry.name, messageOf(error));
      if (!(error instanceof EngineError && error.unsupported)) log(`  ${entry.name}: ${messageOf(error)}`);
    }
    const seconds = (performance.now() - start) / 1000;
    if (seconds > slowPreparation) log(`  ${entry.name} took ${seconds.toFixed(0)} s to get ready`);
  }
  const settle = team.threads > 1 ? settleMs.many : settleMs.one;
  for (let round = 0; round < repeat; round++) {
    for (let i = 0; i < ready.length; i++) {
      // Whoever follows a certain engine in one round follows another in the next.
      const each = ready[(i + round) % ready.length]!;
      if (each.samples.length >= each.wanted || reasons.has(each.entry.name)) continue;
      await pause(settle);
      try {
        if (!each.long) await each.engine.call({ call: 'sample', runs: 1 });
        each.samples.push(await each.engine.call({ call: 'sample', runs: each.runs }));
      } catch (error) {
        reasons.set(each.entry.name, messageOf(error));
        log(`  ${each.entry.name}: ${messageOf(error)}`);
      }
    }
  }
  // A training step has moved on; everything else has to find now what it found before.
  for (const { entry, engine } of work.phase === 'step' ? [] : ready) {
    if (reasons.has(entry.name)) continue;
    try {
      await check(engine, { work: allowed(work, entry), expected, path: `${path}.results` });
    } catch (error) {
      reasons.set(entry.name, `after its samples, ${messageOf(error)}`);
      log(`  ${entry.name}: after its samples, ${messageOf(error)}`);
    }
  }
  for (const { engine } of ready)
    if (engine.alive) await engine.call({ call: 'release' }).catch((error: unknown) => log(`  ${messageOf(error)}`));
  const measurements = team.entries.map(({ name }): Measurement => {
    const reason = reasons.get(name);
    return reason === undefined
      ? measurementOf(
          ready.find(({ entry }) => entry.name === name)!,
          work,
        )
      : { engine: name, reason };
  });
  const { id, group, phase, amount } = work;
  return {
    work: id,
    group,
    phase,
    threads: team.threads,
    ...amount,
    expected: expected?.by ?? 'nothing',
    measurements,
    ratios: ratiosOf(measurements, team.entries),
  };
}

const allowed = (work: Work, { rounds }: EngineEntry): Work => (rounds ? { ...work, tolerance: loosened(work.tolerance) } : work);

async function orderOf(work: Work, subject: Subject, path: string, onnx: boolean): Promise<WorkOrder> {
  const { id, amount } = work;
  try {
    const portable = await portableWork(subject);
    await writeWork(path, portable);
    if (!onnx || subject.phase !== 'fwd') return { id, amount, file: path };
    await writeFile(`${path}.onnx`, toOnnx(portable));
    return { id, amount, file: path, onnx: `${path}.onnx` };
  } catch (error) {
    return { id, amount, reason: messageOf(error) };
  }
}

interface Check {
  readonly work: Work;
  /** Nothing yet, where the first engine says what it is. */
  readonly expected: Expected | undefined;
  /** Where the engine writes what it found. */
  readonly path: string;
}

interface Preparation extends Check {
  readonly order: WorkOrder;
  readonly repeat: number;
}

/**
 * Holds an engine's results against what is expected; nothing for an engine that computes nothing.
 *
 * @throws EngineError where they disagree
 */
async function check(
  engine: EngineProcess,
  { work, expected, path }: Check,
): Promise<{ readonly found: readonly Float32Array[]; readonly agreement: Agreement | undefined } | undefined> {
  const { lengths } = await engine.call({ call: 'results', file: path });
  if (!lengths) return undefined;
  const found = await readArrays(path, lengths);
  const agreement = compare(found, (expected ?? { results: found }).results, work.tolerance);
  if (agreement.agrees) return { found, agreement: expected && agreement };
  const [largest, typical] = [agreement.largest, agreement.typical].map((value) => value.toExponential(1));
  throw new EngineError(
    `disagrees with the ${expected?.by ?? 'numbers'}: largest difference ${largest}, typical ${typical} of the results' size`,
    false,
  );
}

/** Prepares, checks the results, and warms up. An engine that disagrees is not timed: a wrong answer has no speed. */
async function makeReady(
  entry: EngineEntry,
  engine: EngineProcess,
  preparation: Preparation,
): Promise<readonly [Ready, Expected | undefined]> {
  const { order, repeat } = preparation;
  const { note } = await engine.call({ call: 'prepare', order });
  try {
    const checked = await check(engine, preparation);
    const { nanoseconds } = await engine.call({ call: 'warm', ...warmUp });
    const ready: Ready = {
      entry,
      engine,
      note,
      agreement: checked?.agreement,
      runs: Math.min(mostRuns, Math.max(1, Math.ceil(leastSampleNs / nanoseconds))),
      samples: [],
      wanted: nanoseconds > slowRunNs ? Math.min(repeat, slowSamples) : repeat,
      long: nanoseconds > longRunNs,
    };
    return [ready, checked && { results: checked.found, by: entry.name }];
  } catch (error) {
    if (engine.alive) await engine.call({ call: 'release' }).catch(() => undefined);
    throw error;
  }
}

function measurementOf({ entry, note, agreement, runs, samples }: Ready, { amount }: Work): Measured {
  const samplesNs = samples.map(({ nanoseconds }) => Math.round(nanoseconds));
  const device = samples.flatMap(({ deviceNanoseconds }) => (deviceNanoseconds === undefined ? [] : [Math.round(deviceNanoseconds)]));
  const { median, q1, q3, p95 } = summarize(samplesNs);
  return {
    engine: entry.name,
    ...(note === undefined ? {} : { note }),
    ...(agreement === undefined ? {} : { agreement }),
    runsPerSample: runs,
    samplesNs,
    ...(device.length > 0 ? { deviceSamplesNs: device, deviceMedianNs: summarize(device).median } : {}),
    medianNs: median,
    q1Ns: q1,
    q3Ns: q3,
    p95Ns: p95,
    bestNs: Math.min(...samplesNs),
    ...(amount.flop > 0 ? { gflops: amount.flop / median } : {}),
  };
}

function ratiosOf(measurements: readonly Measurement[], entries: readonly EngineEntry[]): readonly RatioRecord[] {
  const kindOf = new Map(entries.map(({ name, kind }) => [name, kind]));
  const measured = measurements.filter(isMeasured);
  const ours = measured.filter(({ engine }) => kindOf.get(engine) === 'shoal');
  const others = measured.filter(({ engine }) => kindOf.get(engine) !== 'shoal');
  return ours.flatMap((shoal) =>
    others.flatMap((peer): readonly RatioRecord[] => {
      const names = { shoal: shoal.engine, peer: peer.engine };
      const call = { ...names, clock: 'call', ...ratioOf(shoal.samplesNs, peer.samplesNs) } as const;
      if (!shoal.deviceSamplesNs) return [call];
      return [call, { ...names, clock: 'device', ...ratioOf(shoal.deviceSamplesNs, peer.samplesNs) }];
    }),
  );
}

function environment(before: number): Environment {
  return {
    date: new Date().toISOString(),
    shoal: shoalVersion(),
    commit: commit(),
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${platform()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    load: { before, after: loadavg()[0]! },
  };
}

/** The commit measured, with `+` where files differ from it; empty outside a repository. */
function commit(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', [...args], { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain', '--untracked-files=no') ? '+' : ''}`;
  } catch {
    return '';
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
