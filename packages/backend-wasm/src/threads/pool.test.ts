import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { compile, ModuleBuilder } from '../encoder/index.ts';
import { CONTROL_BYTES, createInline, createPool, emitAbortCheck, emitBarrier } from './index.ts';
import type { Executor, PoolOptions } from './index.ts';

const DATA = CONTROL_BYTES;
const open: Executor[] = [];
const shared = (): WebAssembly.Memory => new WebAssembly.Memory({ initial: 2, maximum: 16, shared: true });

async function pool(threads: number, options: Partial<PoolOptions> = {}): Promise<Executor> {
  const executor = await createPool({ threads, memory: shared(), ...options });
  open.push(executor);
  return executor;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((executor) => executor.dispose()));
});

const who = { threadId: 'i32', threadCount: 'i32' } as const;

/** Sums the integers below `count` in two steps: every thread its share into its own slot, then, after a barrier, thread 0 the slots. */
function sums(isShared = true): WebAssembly.Module {
  const m = new ModuleBuilder({ fma: false, shared: isShared });
  m.function(
    { name: 'sum', parameters: { ...who, count: 'i32', slots: 'i32' }, export: true },
    (f, { threadId, threadCount, count, slots }) => {
      const { i32 } = f;
      const [i, sum] = [f.local.i32(), f.local.i32()];
      f.for(i, threadId, count, threadCount, () => f.set(sum, i32.add(sum, i)));
      i32.store(i32.add(slots, i32.mul(threadId, 4)), sum, 4);
      emitBarrier(m, f, threadCount);
      f.if(i32.eqz(threadId), () => {
        f.set(sum, 0);
        f.for(i, 0, threadCount, 1, () => f.set(sum, i32.add(sum, i32.load(i32.add(slots, i32.shl(i, 2)), 4))));
        i32.store(slots, sum);
      });
    },
  );
  return compile(m.build());
}

/** In every round each thread writes the round, and after a barrier counts the neighbours that had not. A second barrier ends the round. */
function rounds(): WebAssembly.Module {
  const m = new ModuleBuilder({ fma: false, shared: true });
  m.function({ name: 'rounds', parameters: { ...who, count: 'i32' }, export: true }, (f, { threadId, threadCount, count }) => {
    const { i32 } = f;
    const [round, late, other] = [f.local.i32(), f.local.i32(), f.local.i32()];
    const slot = (thread: typeof other) => i32.add(DATA, i32.shl(thread, 2));
    f.for(round, 1, i32.add(count, 1), 1, () => {
      i32.store(slot(threadId), round);
      emitBarrier(m, f, threadCount);
      f.for(other, 0, threadCount, 1, () => f.set(late, i32.add(late, i32.ne(i32.load(slot(other)), round))));
      emitBarrier(m, f, threadCount);
    });
    i32.store(slot(threadId), late, 64);
  });
  return compile(m.build());
}

/** Thread `culprit` divides by zero; the others go to a barrier. */
function trap(): WebAssembly.Module {
  const m = new ModuleBuilder({ fma: false, shared: true });
  m.function({ name: 'trap', parameters: { ...who, culprit: 'i32' }, export: true }, (f, { threadId, threadCount, culprit }) => {
    f.if(f.i32.eq(threadId, culprit), () => f.i32.store(DATA, f.i32.divS(1, f.i32.load(DATA, 64))));
    emitBarrier(m, f, threadCount);
  });
  return compile(m.build());
}

/** Steps without end, counted by thread 0. */
function endless(): WebAssembly.Module {
  const m = new ModuleBuilder({ fma: false, shared: true });
  m.function({ name: 'steps', parameters: who, export: true }, (f, { threadId, threadCount }) => {
    f.loop((next) => {
      f.if(f.i32.eqz(threadId), () => f.drop(f.atomic.add(DATA, 1)));
      emitBarrier(m, f, threadCount);
      emitAbortCheck(m, f);
      f.br(next);
    });
  });
  return compile(m.build());
}

const word = ({ memory }: Executor, index: number): number => new Int32Array(memory.buffer)[DATA / 4 + index] ?? NaN;

describe.each([1, 2, 3])('%i threads', (threads) => {
  test('a sum with a barrier, again and again', async () => {
    const executor = await pool(threads);
    const handle = await executor.load(sums());
    for (const count of [0, 1, 1000, 40_001]) {
      const { nanoseconds, aborted } = await executor.run(handle, 'sum', [count, DATA]);
      expect(word(executor, 0)).toBe(count > 0 ? (count * (count - 1)) / 2 : 0);
      expect(nanoseconds).toBeGreaterThanOrEqual(0);
      expect(aborted).toBe(false);
    }
  });

  test.each([0, 20_000])('10,000 rounds of barriers keep the threads together (%i looks before sleep)', async (spins) => {
    const executor = await pool(threads, { spins });
    const handle = await executor.load(rounds());
    await executor.run(handle, 'rounds', [5000]);
    for (let thread = 0; thread < threads; thread++) {
      expect(word(executor, thread)).toBe(5000);
      expect(word(executor, 16 + thread)).toBe(0);
    }
  });

  test('a trap on any thread rejects the run with its message and frees the others', async () => {
    const executor = await pool(threads);
    const handle = await executor.load(trap());
    for (let culprit = 0; culprit < threads; culprit++) {
      const error = {
        name: 'ShoalError',
        code: 'DEVICE',
        message: expect.stringMatching(`trap trapped on thread ${culprit}: divide by zero`),
      };
      await expect(executor.run(handle, 'trap', [culprit])).rejects.toMatchObject(error);
    }
    await executor.run(handle, 'trap', [-1]);
    await executor.run(await executor.load(sums()), 'sum', [10, DATA]);
    expect(word(executor, 0)).toBe(45);
  });

  test('a signal stops a run at a step, and the pool goes on', async () => {
    const executor = await pool(threads);
    const handle = await executor.load(endless());
    const { aborted } = await executor.run(handle, 'steps', [], { signal: AbortSignal.timeout(30) });
    expect(aborted).toBe(true);
    expect(word(executor, 0)).toBeGreaterThan(0);
    const before = word(executor, 0);
    expect(await executor.run(handle, 'steps', [], { signal: AbortSignal.abort() })).toEqual({ nanoseconds: 0, aborted: true });
    expect(word(executor, 0)).toBe(before);
  });
});

test('calls without await are served in order', async () => {
  const executor = await pool(2);
  const handles = await Promise.all([executor.load(sums()), executor.load(rounds())]);
  const [first, second] = handles;
  await Promise.all([executor.run(second, 'rounds', [10]), executor.run(first, 'sum', [100, DATA])]);
  expect(word(executor, 0)).toBe(4950);
  await executor.unload(first);
  await expect(executor.run(first, 'sum', [1, DATA])).rejects.toThrow('not loaded');
});

test('a module links the exports of another', async () => {
  const library = new ModuleBuilder({ fma: false, shared: true });
  library.function({ name: 'triple', parameters: { x: 'i32' }, result: 'i32', export: true }, (f, { x }) => f.i32.mul(x, 3));
  const user = new ModuleBuilder({ fma: false, shared: true });
  const triple = user.import('library', { name: 'triple', parameters: { x: 'i32' }, result: 'i32' });
  user.function({ name: 'main', parameters: who, export: true }, (f, { threadId }) => {
    f.if(f.i32.eqz(threadId), () => f.i32.store(DATA, f.call(triple, { x: 14 })));
  });
  const executor = await pool(2);
  const module = compile(user.build());
  await expect(executor.load(module)).rejects.toMatchObject({ code: 'DEVICE', message: expect.stringContaining('does not link') });
  await executor.run(await executor.load(module, { library: await executor.load(compile(library.build())) }), 'main');
  expect(word(executor, 0)).toBe(42);
});

test('unknown entries, too many arguments, unshared memories and silly thread counts are typed errors', async () => {
  const executor = await pool(1);
  const handle = await executor.load(sums());
  await expect(executor.run(handle, 'product')).rejects.toThrow('the module exports no product, only sum');
  await expect(
    executor.run(
      handle,
      'sum',
      Array.from({ length: 17 }, () => 0),
    ),
  ).rejects.toThrow('17 arguments');
  await expect(createPool({ threads: 1, memory: new WebAssembly.Memory({ initial: 1 }) })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  await expect(createPool({ threads: 0, memory: shared() })).rejects.toMatchObject({ code: 'ATTRIBUTE' });
});

test('dispose ends a run under way, and everything after it', async () => {
  const executor = await pool(2);
  const running = executor.run(await executor.load(endless()), 'steps');
  setTimeout(() => void executor.dispose(), 20);
  await expect(running).rejects.toMatchObject({ code: 'DISPOSED' });
  await expect(executor.load(sums())).rejects.toMatchObject({ code: 'DISPOSED' });
  await executor.dispose();
});

describe('a worker that dies', () => {
  const died = {
    name: 'ShoalError',
    code: 'DEVICE',
    message: expect.stringMatching(/a worker failed: the worker ended with code 1\. Run again/),
  };

  /** A pool, and its workers as Node knows them. */
  async function exposed(threads: number): Promise<{ readonly executor: Executor; readonly workers: Worker[] }> {
    const workers: Worker[] = [];
    const note = (worker: Worker): void => void workers.push(worker);
    process.on('worker', note);
    onTestFinished(() => void process.off('worker', note));
    return { executor: await pool(threads), workers };
  }

  test.each([0, 1, 2])('in a run, thread %i of 3, rejects it; the next run has new workers, the modules and the memory', async (victim) => {
    const { executor, workers } = await exposed(3);
    const [gone, steps, sum] = [await executor.load(sums()), await executor.load(endless()), await executor.load(sums())];
    await executor.unload(gone);
    const running = executor.run(steps, 'steps');
    setTimeout(() => void workers[victim]!.terminate(), 20);
    await expect(running).rejects.toMatchObject(died);
    const before = word(executor, 0);
    expect(before).toBeGreaterThan(0);
    await executor.run(sum, 'sum', [1000, DATA + 128]);
    expect([word(executor, 0), word(executor, 32), workers.length]).toEqual([before, 499_500, 6]);
    await expect(executor.run(gone, 'sum', [1, DATA])).rejects.toThrow('not loaded');
  });

  test('between runs is replaced before the next one', async () => {
    const { executor, workers } = await exposed(2);
    const sum = await executor.load(sums());
    await workers[1]!.terminate();
    await executor.run(sum, 'sum', [1000, DATA]);
    expect([word(executor, 0), workers.length]).toEqual([499_500, 4]);
  });

  test('leaves nothing behind when the pool is disposed before anybody runs again', async () => {
    const { executor, workers } = await exposed(2);
    await workers[0]!.terminate();
    await executor.dispose();
    await expect(executor.load(sums())).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(workers.map(({ threadId }) => threadId)).toEqual([-1, -1]);
  });

  test.each<[string, (executor: Executor, worker: Worker) => unknown, object]>([
    ['the pool is disposed', (executor) => executor.dispose(), { code: 'DISPOSED' }],
    [
      'a worker dies',
      (_, worker) => worker.emit('error', new Error('gone')),
      { code: 'DEVICE', message: expect.stringContaining('a worker failed: gone') },
    ],
  ])('is replaced; where %s between two messages to the new team, nobody waits for an answer', async (_, happen, error) => {
    const { executor, workers } = await exposed(2);
    const sum = await executor.load(sums());
    await workers[0]!.terminate();
    let answers = 0;
    const watch = (worker: Worker): void =>
      // After the pool has heard of it, and before what it waits for goes on.
      void worker.on('message', () => {
        if (++answers === 2) happen(executor, worker);
      });
    process.on('worker', watch);
    onTestFinished(() => void process.off('worker', watch));
    await expect(executor.run(sum, 'sum', [1000, DATA])).rejects.toMatchObject(error);
    expect(answers).toBe(2);
  });

  test.each([
    ['the others end', () => Promise.resolve()],
    ['new ones start', () => new Promise((resolve) => process.once('worker', resolve))],
  ])('leaves nothing behind when the pool is disposed while %s', async (_, moment) => {
    const { executor, workers } = await exposed(2);
    const sum = await executor.load(sums());
    await workers[0]!.terminate();
    const running = executor.run(sum, 'sum', [1000, DATA]);
    const ended = moment().then(() => executor.dispose());
    await expect(running).rejects.toMatchObject({ code: 'DISPOSED' });
    await ended;
    expect(workers.map(({ threadId }) => threadId)).toEqual(workers.map(() => -1));
  });
});

test('idle workers let the process end; a run under way keeps it alive', async () => {
  const script = `
    import { createPool } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    const pool = await createPool({ threads: 2, memory: new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }) });
    const bytes = Uint8Array.from(${JSON.stringify([...endlessForAWhile()])});
    const { aborted } = await pool.run(await pool.load(new WebAssembly.Module(bytes)), 'busy');
    console.log('finished', aborted);
  `;
  const directory = fileURLToPath(new URL('../..', import.meta.url));
  const args = ['--conditions=@shoal/source', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: directory, timeout: 20_000 });
  expect(stdout).toBe('finished false\n');
});

function endlessForAWhile(): Uint8Array {
  const m = new ModuleBuilder({ fma: false, shared: true });
  m.function({ name: 'busy', parameters: who, export: true }, (f, { threadCount }) => {
    f.drop(f.atomic.wait32(DATA, 0, f.i64.const(50_000_000)));
    emitBarrier(m, f, threadCount);
  });
  return m.build();
}

test('inline runs the same modules in the caller, over any memory', async () => {
  const executor = createInline({ memory: new WebAssembly.Memory({ initial: 1 }) });
  const handle = await executor.load(sums(false));
  expect(await executor.run(handle, 'sum', [1000, DATA])).toEqual({ nanoseconds: expect.any(Number), aborted: false });
  expect(word(executor, 0)).toBe(499_500);
  expect(await executor.run(handle, 'sum', [5, DATA], { signal: AbortSignal.abort() })).toEqual({ nanoseconds: 0, aborted: true });
  expect(word(executor, 0)).toBe(499_500);
  await expect(executor.run(handle, 'sum', [5, 1 << 30])).rejects.toThrow('sum trapped on thread 0: memory access out of bounds');
  await executor.dispose();
  await expect(executor.run(handle, 'sum', [5, DATA])).rejects.toMatchObject({ code: 'DISPOSED' });
});
