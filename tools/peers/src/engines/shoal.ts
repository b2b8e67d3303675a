import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import type { Executable, Runtime } from '@shoal/core';
import { compileSubject } from '../programs.ts';
import { workNamed } from '../works/index.ts';
import type { Feeds } from '../works/index.ts';
import type { Engine, EngineInfo, EngineOptions, Sample } from './engine.ts';

export type Precision = 'default' | 'strict';

export const openRuntime = (threads: number, precision: Precision): Promise<Runtime> =>
  createRuntime(wasm({ threads, precision }), [convWasm, mathWasm, poolWasm, residualWasm]);

/**
 * Times runs of which each finds its inputs in the executable's views, where whoever makes them would have put them. A run may write over
 * them, so they are put there before each, off the clock.
 */
async function timeFed(executable: Executable, feeds: Feeds, runs: number): Promise<Sample> {
  let [around, device] = [0, 0];
  for (let i = 0; i < runs; i++) {
    const views = Object.fromEntries(executable.inputs.map((name) => [name, executable.view(name)]));
    for (const [name, view] of Object.entries(views)) view.set(feeds[name]!);
    const start = performance.now();
    const { nanoseconds } = await executable.timed(views, { fetch: [] });
    around += performance.now() - start;
    device += nanoseconds;
  }
  return { nanoseconds: (around * 1e6) / runs, deviceNanoseconds: device / runs };
}

/** Shoal, in Node or in a page. On a GPU the call's time has the copy of the inputs to it in it; the device's time has not. */
export async function shoalEngine(
  openRuntime: () => Promise<Runtime>,
  version: string,
  flagsOf = (all: EngineInfo['flags']) => all,
): Promise<Engine> {
  let current = await openRuntime();
  const { info } = current;
  return {
    info: { version, threads: info.threads, clock: `performance.now; device: ${info.clock}`, flags: flagsOf(info.flags) },
    async prepare({ id }) {
      const { executable, feeds, results } = await compileSubject(current, workNamed(id).build());
      return {
        results,
        sample: (runs) => timeFed(executable, feeds, runs),
        async release() {
          // Variables live as long as their runtime: the next work starts from an empty memory.
          await current.dispose();
          current = await openRuntime();
        },
      };
    },
    close: () => current.dispose(),
  };
}

/** Shoal's CPU backend. */
export const openShoal = ({ threads }: EngineOptions, precision: Precision, version: string): Promise<Engine> =>
  shoalEngine(() => openRuntime(threads, precision), version);
