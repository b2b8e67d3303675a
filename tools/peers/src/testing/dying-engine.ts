import type { OpenEngine } from '../engines/engine.ts';

/** An engine whose process ends when it is to give a result. */
export const open: OpenEngine = ({ threads }) =>
  Promise.resolve({
    info: { version: '1', threads, clock: 'performance.now', flags: {} },
    prepare: () =>
      Promise.resolve({
        results: () => process.exit(7),
        sample: () => Promise.reject(new Error('not reached')),
        release: () => Promise.resolve(),
      }),
    close: () => Promise.resolve(),
  });
