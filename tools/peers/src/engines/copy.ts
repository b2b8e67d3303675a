import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { timeRuns, type Engine, type EngineOptions } from './engine.ts';

/** Words of the control block: which copy to make, how many threads have made it, and whether to end. */
const EPOCH = 0;
const DONE = 1;

interface Share {
  readonly control: SharedArrayBuffer;
  readonly from: SharedArrayBuffer;
  readonly to: SharedArrayBuffer;
  /** Bytes of this thread's part. */
  readonly begin: number;
  readonly end: number;
}

/** A helper thread: waits for the next epoch in shared memory, spinning first, and copies its part. */
const helper = `
const { workerData: { control, from, to, begin, end }, parentPort } = require('node:worker_threads');
const words = new Int32Array(control);
const source = new Uint8Array(from, begin, end - begin);
const target = new Uint8Array(to, begin, end - begin);
parentPort.postMessage('ready');
for (let epoch = 0; ; epoch++) {
  for (let spins = 0; Atomics.load(words, 0) === epoch; spins++) if (spins > 2000) Atomics.wait(words, 0, epoch, 1000);
  if (Atomics.load(words, 0) < 0) break;
  target.set(source);
  Atomics.add(words, 1, 1);
}
`;

/**
 * The floor of work that moves data: copying as many bytes, half of them read and half written, by the C library's memmove under
 * `TypedArray.set`, split over the threads.
 */
export function open({ threads }: EngineOptions): Promise<Engine> {
  return Promise.resolve({
    info: { version: process.versions.node, threads, clock: 'performance.now', flags: {} },
    async prepare({ amount }) {
      const half = Math.ceil(amount.bytes / 2);
      const [from, to, control] = [new SharedArrayBuffer(half), new SharedArrayBuffer(half), new SharedArrayBuffer(8)];
      new Uint8Array(from).fill(1);
      const bounds = Array.from({ length: threads + 1 }, (_, i) => Math.round((half * i) / threads));
      const workers = await Promise.all(
        bounds.slice(2).map(async (end, i) => {
          const share: Share = { control, from, to, begin: bounds[i + 1]!, end };
          const worker = new Worker(helper, { eval: true, workerData: share });
          await once(worker, 'message');
          return worker;
        }),
      );
      const words = new Int32Array(control);
      const source = new Uint8Array(from, 0, bounds[1]);
      const target = new Uint8Array(to, 0, bounds[1]);
      return {
        results: () => Promise.resolve(null),
        sample: (runs) =>
          timeRuns(runs, () => {
            Atomics.store(words, DONE, 0);
            Atomics.add(words, EPOCH, 1);
            Atomics.notify(words, EPOCH);
            target.set(source);
            while (Atomics.load(words, DONE) < workers.length);
          }),
        release: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))),
      };
    },
    close: () => Promise.resolve(),
  });
}
