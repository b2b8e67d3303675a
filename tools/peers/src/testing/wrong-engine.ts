import { tensorOf } from '../portable/graph.ts';
import { sizeOf } from '@shoal/core';
import { timeRuns, type OpenEngine } from '../engines/engine.ts';

/** An engine that is fast, because it computes nothing. */
export const open: OpenEngine = ({ threads }) =>
  Promise.resolve({
    info: { version: '1', threads, clock: 'performance.now', flags: {} },
    async prepare({ portable }) {
      const { graph } = await portable();
      return {
        results: () => Promise.resolve([new Float32Array(sizeOf(tensorOf(graph, graph.output).shape))]),
        sample: (runs) => timeRuns(runs, () => undefined),
        release: () => Promise.resolve(),
      };
    },
    close: () => Promise.resolve(),
  });
