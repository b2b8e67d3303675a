import { expect, test } from 'vitest';
import { compile, detectFeatures, ModuleBuilder } from '../encoder/index.ts';
import { CONTROL_BYTES, createPool, emitAbortCheck, emitBarrier } from './index.ts';

const DATA = CONTROL_BYTES;
const who = { threadId: 'i32', threadCount: 'i32' } as const;

/** Every thread adds 1 to a counter in every round; after a barrier all must have. Rounds end when the run is aborted, or at `count`. */
function rounds(): WebAssembly.Module {
  const m = new ModuleBuilder({ fma: false, shared: true });
  m.function({ name: 'rounds', parameters: { ...who, count: 'i32' }, export: true }, (f, { threadId, threadCount, count }) => {
    const { atomic, i32 } = f;
    const round = f.local.i32();
    f.for(round, 1, i32.add(count, 1), 1, () => {
      f.drop(atomic.add(DATA, 1));
      emitBarrier(m, f, threadCount);
      emitAbortCheck(m, f);
      f.if(i32.ne(atomic.load(DATA), i32.mul(round, threadCount)), () => f.unreachable());
      emitBarrier(m, f, threadCount);
    });
    f.if(i32.eqz(threadId), () => i32.store(DATA, 1, 64));
  });
  return compile(m.build());
}

const shared = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });

test('this page is isolated, and the engine has what threads need', () => {
  expect(detectFeatures()).toMatchObject({ simd: true, relaxedSimd: true, atomics: true, sharedMemory: true, crossOriginIsolated: true });
});

test.each([1, 2, 3])('%i workers keep together, off the page thread', async (threads) => {
  const memory = shared();
  const pool = await createPool({ threads, memory });
  const handle = await pool.load(rounds());
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const { nanoseconds, aborted } = await pool.run(handle, 'rounds', [3000]);
  clearInterval(timer);
  const words = new Int32Array(memory.buffer, DATA);
  expect([words[0], words[16], aborted]).toEqual([3000 * threads, 1, false]);
  expect(nanoseconds).toBeGreaterThan(0);
  await pool.dispose();
});

test('abort, trap and dispose work as in Node', async () => {
  const memory = shared();
  const pool = await createPool({ threads: 2, memory });
  const handle = await pool.load(rounds());
  expect(await pool.run(handle, 'rounds', [2 ** 30], { signal: AbortSignal.timeout(50) })).toMatchObject({ aborted: true });
  await expect(pool.run(handle, 'rounds', [10])).rejects.toMatchObject({ code: 'DEVICE', message: expect.stringContaining('unreachable') });
  new Int32Array(memory.buffer, DATA).fill(0);
  setTimeout(() => void pool.dispose(), 20);
  await expect(pool.run(handle, 'rounds', [2 ** 30])).rejects.toMatchObject({ code: 'DISPOSED' });
});
