import { createRuntime, wasm } from '@shoal/backend-wasm';
import { convWasm } from '@shoal/conv/wasm';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import type { Runtime } from '@shoal/core';
import { compileSubject } from '../programs.ts';
import { workNamed } from '../works/index.ts';
import { timeRuns, type Engine, type EngineInfo, type EngineOptions } from './engine.ts';

export type Precision = 'default' | 'strict';

export const openRuntime = (threads: number, precision: Precision): Promise<Runtime> =>
  createRuntime(wasm({ threads, precision }), [convWasm, mathWasm, poolWasm, residualWasm]);

/**
 * Shoal, in Node or in a page. The call's time has the copy of the inputs into the engine's memory in it, which no peer but
 * onnxruntime-web on the CPU makes; the device's time has not.
 */
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
        sample: (runs) => timeRuns(runs, async () => (await executable.timed(feeds, { fetch: [] })).nanoseconds),
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
