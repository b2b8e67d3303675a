import { timing, type Timing } from '@shoal/analyze';
import type { Executable, Feeds } from '@shoal/core';
import { filter, finalize, lastValueFrom, map, Observable, tap, toArray } from 'rxjs';
import type { Streams } from '../output.ts';
import { progressBar } from '../progress.ts';

/** Something to be measured. */
export interface Job<Row> {
  readonly group: string;
  readonly name: string;
  /** Compiles it, before the first sample of its group is taken. */
  readonly prepare: () => Promise<Prepared<Row>>;
}

export interface Prepared<Row> {
  readonly executable: Executable;
  readonly feeds: Feeds;
  readonly row: (times: Timing) => Row;
}

/** What happens during a benchmark. The terminal, the report and a page read the same stream. */
export type SamplingEvent<Row> =
  | { readonly kind: 'prepare'; readonly group: string; readonly name: string }
  | { readonly kind: 'sample'; readonly done: number; readonly samples: number; readonly group: string; readonly name: string }
  | { readonly kind: 'row'; readonly row: Row };

interface Task<Row> extends Prepared<Row> {
  readonly job: Job<Row>;
  readonly samplesNs: number[];
}

/**
 * Before the first sample: engines compile hot code only after some calls, and on other threads. What takes seconds is hot within one
 * call, and is not asked for more of them than `most` milliseconds allow.
 */
const warmUp = { rounds: 3, least: 150, most: 2000 };

/**
 * Measures groups of jobs. Within a group the samples are interleaved, one of each job in turn, so that a slow spell of the machine falls
 * on all of them. Unsubscribing stops it.
 */
export function sampleInTurn<Row>(groups: readonly (readonly Job<Row>[])[], repeat: number): Observable<SamplingEvent<Row>> {
  return new Observable<SamplingEvent<Row>>((subscriber) => {
    const samples = groups.flat().length * repeat;
    let done = 0;
    const work = async (): Promise<void> => {
      for (const group of groups) {
        const tasks: Task<Row>[] = [];
        try {
          for (const job of group) {
            if (subscriber.closed) return;
            subscriber.next({ kind: 'prepare', group: job.group, name: job.name });
            tasks.push({ job, samplesNs: [], ...(await job.prepare()) });
          }
          for (const task of tasks) await warm(task);
          for (let round = 0; round < repeat; round++) {
            for (const task of tasks) {
              if (subscriber.closed) return;
              task.samplesNs.push(await sample(task));
              subscriber.next({ kind: 'sample', done: ++done, samples, group: task.job.group, name: task.job.name });
            }
          }
          for (const task of tasks) subscriber.next({ kind: 'row', row: task.row(timing(task.samplesNs)) });
        } finally {
          tasks.forEach(({ executable }) => executable.dispose());
        }
      }
    };
    work().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
  });
}

async function sample<Row>({ executable, feeds }: Prepared<Row>): Promise<number> {
  return (await executable.timed(feeds, { fetch: [] })).nanoseconds;
}

async function warm<Row>(task: Prepared<Row>): Promise<void> {
  const start = performance.now();
  const spent = (): number => performance.now() - start;
  for (let round = 0; spent() < warmUp.least || (round < warmUp.rounds && spent() < warmUp.most); round++) await sample(task);
}

/** The rows of a benchmark, with its progress shown to whoever watches. */
export function collectRows<Row>(events: Observable<SamplingEvent<Row>>, samples: number, streams: Streams): Promise<readonly Row[]> {
  const bar = progressBar(streams, samples);
  const show = (event: SamplingEvent<Row>): void => {
    if (event.kind === 'prepare') bar.show(`preparing ${event.group}, ${event.name}`);
    if (event.kind === 'sample') bar.advance(`${event.group}, ${event.name}`);
  };
  return lastValueFrom(
    events.pipe(
      tap(show),
      filter((event) => event.kind === 'row'),
      map(({ row }) => row),
      toArray(),
      finalize(() => bar.stop()),
    ),
  );
}
