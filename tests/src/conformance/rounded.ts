import type { Executable, Runtime, TensorData } from '@shoal/core';
import { makeOracle } from './oracle.ts';

/**
 * The reference with every output rounded to float32 and then spoiled: what the most exact float32 backend would return, or
 * one that is slightly wrong.
 */
export async function makeRounded(spoil: (value: number) => number = (value) => value): Promise<Runtime> {
  const oracle = await makeOracle();
  const round = (outputs: Readonly<Record<string, TensorData>>): Record<string, TensorData> =>
    Object.fromEntries(
      Object.entries(outputs).map(([name, data]) => [
        name,
        data instanceof Float64Array ? Float32Array.from(data, (v) => spoil(Math.fround(v))) : data,
      ]),
    );
  return {
    backend: 'rounded',
    info: { ...oracle.info, backend: 'rounded' },
    missing: (program) => oracle.missing(program),
    plan: (program) => oracle.plan(program),
    count: (program) => oracle.count(program),
    compile: async (program): Promise<Executable> => {
      const exact = await oracle.compile(program);
      return {
        view: (name) => exact.view(name),
        inputs: exact.inputs,
        memory: exact.memory,
        resident: exact.resident,
        schedule: exact.schedule,
        tuned: exact.tuned,
        run: async (feeds, options) => round(await exact.run(feeds, options)),
        timed: async (feeds, options) => {
          const timed = await exact.timed(feeds, options);
          return { ...timed, outputs: round(timed.outputs) };
        },
        dispose: () => exact.dispose(),
      };
    },
    read: (variable) => oracle.read(variable),
    write: (variable, data) => oracle.write(variable, data),
    dispose: () => oracle.dispose(),
  };
}
