import { checkOptions, ShoalError, throwIfAborted, type Executable, type Feeds, type Runtime, type StepTime } from '@shoal/core';
import type { Network } from '@shoal/residual';
import { Observable } from 'rxjs';
import type { ImageOptions } from '../image.ts';
import { measureLimits } from './limits.ts';
import { feedsFor, heldBytes, phaseProgram, type Phase } from './program.ts';
import { report, type ProfileReport } from './report.ts';

export interface ProfileOptions extends ImageOptions {
  /** Default `fwd`. */
  readonly phase?: Phase;
  /** Runs of the whole program, and as many with each step measured by itself; default 11. */
  readonly repeat?: number;
}

/** What happens during a profile. */
export type ProfileEvent =
  | { readonly kind: 'prepare'; readonly what: string }
  | { readonly kind: 'run'; readonly done: number; readonly runs: number }
  | { readonly kind: 'report'; readonly report: ProfileReport };

/** Runs before the first that counts: engines compile hot code only after some calls, and on other threads. */
const warmUp = { runs: 3, milliseconds: 150 };

/**
 * Where the time of a network goes: each step of its program is measured by itself, and put down to the layer that it was built for,
 * through fusion, folding and differentiation. Beside the time stands the least that a layer can take by the roofline model, from the
 * arithmetic and the copying that the same device was measured at just before. Whole runs are interleaved with the measured ones.
 *
 *     const last = await lastValueFrom(profileNetwork(runtime, resnet50(), { phase: 'step', batch: 4 }));
 *     if (last.kind === 'report') console.table(last.report.kinds);
 *
 * What is computed from weights alone (packing, folded batch norm) is done once and is in no time. Nothing runs before somebody
 * subscribes, and unsubscribing stops it. Errors are those of compiling, and `UNSUPPORTED` where the device measures no steps.
 */
export function profileNetwork(runtime: Runtime, network: Network, options: ProfileOptions = {}): Observable<ProfileEvent> {
  return new Observable<ProfileEvent>((subscriber) => {
    const stop = new AbortController();
    const work = async (): Promise<void> => {
      checkOptions('profile', options, ['phase', 'repeat', 'input', 'batch']);
      const { phase = 'fwd', repeat = 11, ...size } = options;
      if (!Number.isSafeInteger(repeat) || repeat < 1)
        throw new ShoalError('ATTRIBUTE', { op: 'profile', fact: `repeat is ${repeat}`, next: 'Give an integer of at least 1' });
      const runs = 2 * repeat;
      subscriber.next({ kind: 'prepare', what: `compiling ${network.name}` });
      const programmed = phaseProgram(network, phase, size);
      const executable = await runtime.compile(programmed.program);
      try {
        const feeds = feedsFor(programmed, executable);
        throwIfAborted(stop.signal, 'profile');
        subscriber.next({ kind: 'prepare', what: 'measuring arithmetic and copying' });
        const limits = await measureLimits(runtime);
        subscriber.next({ kind: 'prepare', what: 'warming up' });
        await warm(executable, feeds, stop.signal);
        const wholeNs: number[] = [];
        const profiled: (readonly StepTime[])[] = [];
        for (let done = 0; done < runs;) {
          throwIfAborted(stop.signal, 'profile');
          wholeNs.push((await executable.timed(feeds, { fetch: [] })).nanoseconds);
          subscriber.next({ kind: 'run', done: ++done, runs });
          profiled.push(await stepTimes(executable, feeds));
          subscriber.next({ kind: 'run', done: ++done, runs });
        }
        const held = heldBytes(programmed, executable);
        const measured = { wholeNs, runs: profiled, schedule: executable.schedule, tuned: executable.tuned, held, limits };
        subscriber.next({ kind: 'report', report: report(programmed, runtime, measured) });
      } finally {
        executable.dispose();
      }
    };
    work().then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => stop.abort();
  });
}

async function stepTimes(executable: Executable, feeds: Feeds): Promise<readonly StepTime[]> {
  const { steps } = await executable.timed(feeds, { fetch: [], profile: true });
  if (steps) return steps;
  throw new ShoalError('UNSUPPORTED', { op: 'profile', fact: 'this device does not measure steps', next: 'Use another backend' });
}

async function warm(executable: Executable, feeds: Feeds, signal: AbortSignal): Promise<void> {
  const until = performance.now() + warmUp.milliseconds;
  for (let run = 0; run < warmUp.runs || performance.now() < until; run++) {
    throwIfAborted(signal, 'profile');
    await executable.timed(feeds, { fetch: [] });
  }
  await stepTimes(executable, feeds);
}
