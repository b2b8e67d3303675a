import type { Runtime, Schedule, Shape, Step, StepTime, TunedKernel } from '@shoal/core';
import { quantileSorted } from 'simple-statistics';
import { floorOf, trafficCounter, type Demand, type Floor } from './floor.ts';
import type { Limits } from './limits.ts';
import { macsByOwner, ownersOf, type Direction, type Owner, type Section } from './owners.ts';
import type { HeldBytes, Phase, PhaseProgram } from './program.ts';

/** Times of one thing, in the order in which they were taken. */
export interface Timing {
  readonly samplesNs: readonly number[];
  readonly medianMs: number;
  readonly q1Ms: number;
  readonly q3Ms: number;
}

interface Work extends Demand {
  readonly floorMs: number;
  readonly floorBy: Floor['by'];
}

/** What a layer takes in one direction. */
export interface ProfiledPart extends Timing, Work {
  readonly direction: Direction;
  /** Kernel launches. */
  readonly steps: number;
}

/** A layer, or a part of a training step that is none, as {@link Section} says. */
export interface ProfiledLayer extends Timing, Work, Section {
  /** Of the time of all steps: its median over the sum of all medians. */
  readonly share: number;
  /** Median time over the floor; null where there is no floor. */
  readonly ratio: number | null;
  /** Layers that its kernels do as well; their time is in this row. */
  readonly includes: readonly string[];
  /** Layers whose kernels do a part of this one. Without steps of its own, all its time is in those rows. */
  readonly within: readonly string[];
  /** One for each direction in which it has steps or work. */
  readonly parts: readonly ProfiledPart[];
}

/** All layers of one kind. */
export interface ProfiledKind extends Timing {
  readonly kind: Section['kind'];
  readonly layers: number;
  readonly share: number;
  readonly macs: number;
  /** The sum of its layers' floors. */
  readonly floorMs: number;
  readonly ratio: number | null;
}

/** One kernel launch, or what a device does beside them. */
export interface ProfiledStep {
  readonly op: string;
  readonly layer: string;
  readonly direction: Direction;
  readonly medianMs: number;
}

/** See {@link profileNetwork}. */
export interface ProfileReport {
  readonly model: string;
  readonly phase: Phase;
  readonly backend: string;
  readonly threads: number;
  readonly clock: string;
  /** [n,h,w,c] */
  readonly input: Shape;
  readonly macs: number;
  readonly held: HeldBytes;
  readonly limits: Limits;
  /** The program as it usually runs, all steps in one go. */
  readonly whole: Timing;
  /** The sum of the steps when each is measured by itself: that costs a little for each. */
  readonly stepwise: Timing;
  /** The sum of the layers' floors. */
  readonly floorMs: number;
  /** In the order of the network. */
  readonly layers: readonly ProfiledLayer[];
  /** The slowest first. */
  readonly kinds: readonly ProfiledKind[];
  /** In the order in which they ran. */
  readonly steps: readonly ProfiledStep[];
  /** Which variants of kernels ran, where the device chooses by timing. */
  readonly tuned: readonly TunedKernel[];
}

/** Median and quartiles beside the samples. */
export function timing(samplesNs: readonly number[]): Timing {
  const sorted = samplesNs.toSorted((a, b) => a - b);
  const at = (quantile: number): number => quantileSorted(sorted, quantile) / 1e6;
  return { samplesNs, medianMs: at(0.5), q1Ms: at(0.25), q3Ms: at(0.75) };
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
/** The sums of several rows of samples, run by run. */
const sumSamples = (rows: readonly Timing[], runs: number): readonly number[] =>
  Array.from({ length: runs }, (_, run) => sum(rows.map(({ samplesNs }) => samplesNs[run]!)));

export interface Measured {
  readonly wholeNs: readonly number[];
  /** The steps of each profiled run: the same steps in the same order. */
  readonly runs: readonly (readonly StepTime[])[];
  readonly schedule: Schedule;
  readonly tuned: readonly TunedKernel[];
  readonly held: HeldBytes;
  readonly limits: Limits;
}

/** Puts the times of steps down to layers. */
export function report(work: PhaseProgram, { info }: Pick<Runtime, 'info'>, measured: Measured): ProfileReport {
  const { runs, limits } = measured;
  const ownership = ownersOf(work);
  const launches = runs[0]!.map(({ op, step }, at) => {
    const owners = ownership.of(step);
    return { op, step, owners, time: timing(runs.map((times) => times[at]!.nanoseconds)) };
  });
  const macs = macsByOwner(ownership);
  const traffic = trafficCounter(measured.schedule);
  const parts = ownership.sections.map((section) => {
    const directions = (['forward', 'backward', 'update'] as const).map((direction): ProfiledPart => {
      const own = launches.filter(({ owners: [first] }) => first.section === section && first.direction === direction);
      const steps = own.flatMap(({ step }): Step[] => (step ? [step] : []));
      const demand = { macs: macs(section, direction), bytes: traffic(steps) };
      const floor = floorOf(demand, limits);
      const time = timing(sumSamples(own.map((each) => each.time), runs.length)); // prettier-ignore
      return { direction, steps: own.length, ...time, ...demand, floorMs: floor.ms, floorBy: floor.by };
    });
    return { section, parts: directions.filter(({ steps, macs: count }) => steps > 0 || count > 0) };
  });
  const rows = parts
    .filter(({ section, parts: own }) => own.length > 0 || ownership.layers.has(section))
    .map(({ section, parts: own }) => layerRow(section, own, runs.length, launches.map(({ owners }) => owners))); // prettier-ignore
  const total = sum(rows.map(({ medianMs }) => medianMs));
  const layers = rows.map((row) => ({ ...row, share: row.medianMs / total }));
  return {
    model: work.network,
    phase: work.phase,
    backend: info.backend,
    threads: info.threads,
    clock: info.clock,
    input: work.image.shape,
    macs: sum(layers.map((layer) => layer.macs)),
    held: measured.held,
    limits,
    whole: timing(measured.wholeNs),
    stepwise: timing(runs.map((times) => sum(times.map(({ nanoseconds }) => nanoseconds)))),
    floorMs: sum(layers.map(({ floorMs }) => floorMs)),
    layers,
    kinds: kindRows(layers, runs.length),
    steps: launches.map(({ op, owners: [first], time }) => ({
      op,
      layer: first.section.name,
      direction: first.direction,
      medianMs: time.medianMs,
    })),
    tuned: measured.tuned,
  };
}

const ratioOf = (ms: number, floorMs: number): number | null => (floorMs > 0 ? ms / floorMs : null);

function layerRow(
  section: Section,
  parts: readonly ProfiledPart[],
  runs: number,
  launches: readonly (readonly [Owner, ...Owner[]])[],
): Omit<ProfiledLayer, 'share'> {
  const time = timing(sumSamples(parts, runs));
  const floorMs = sum(parts.map((part) => part.floorMs));
  const longest = parts.reduce<ProfiledPart | null>((most, each) => (most && most.floorMs >= each.floorMs ? most : each), null);
  const names = (sections: readonly Section[]): readonly string[] =>
    [...new Set(sections)].filter((each) => each !== section).map(({ name }) => name);
  return {
    ...section,
    ...time,
    macs: sum(parts.map(({ macs }) => macs)),
    bytes: sum(parts.map(({ bytes }) => bytes)),
    floorMs,
    floorBy: longest?.floorBy ?? null,
    ratio: ratioOf(time.medianMs, floorMs),
    includes: names(launches.filter(([first]) => first.section === section).flatMap(([, ...others]) => others.map((each) => each.section))),
    within: names(launches.filter(([, ...others]) => others.some((each) => each.section === section)).map(([first]) => first.section)),
    parts,
  };
}

function kindRows(layers: readonly ProfiledLayer[], runs: number): readonly ProfiledKind[] {
  const kinds = [...new Set(layers.map(({ kind }) => kind))];
  const rows = kinds.map((kind): ProfiledKind => {
    const own = layers.filter((layer) => layer.kind === kind);
    const time = timing(sumSamples(own, runs));
    const floorMs = sum(own.map((layer) => layer.floorMs));
    const share = sum(own.map((layer) => layer.share));
    const macs = sum(own.map((layer) => layer.macs));
    return { kind, layers: own.length, ...time, share, macs, floorMs, ratio: ratioOf(time.medianMs, floorMs) };
  });
  return rows.toSorted((a, b) => b.share - a.share);
}
