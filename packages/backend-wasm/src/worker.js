// One thread of the pool, in browsers and in Node. It imports nothing, so that any bundler can take it as it is.
// Between commands it sleeps on a word of the shared memory; it returns to its event loop only to receive a module.

/** @typedef {import('./threads/protocol.ts').ToWorker} ToWorker */
/** @typedef {import('./threads/protocol.ts').FromWorker} FromWorker */
/** @typedef {Extract<ToWorker, { type: 'init' }>} Setup */

const threads = typeof process === 'object' ? process.getBuiltinModule?.('node:worker_threads') : undefined;
const port = threads?.parentPort ?? undefined;

/** @type {(message: FromWorker) => void} */
const post = (message) => (port ? port.postMessage(message) : globalThis.postMessage(message));

/**
 * Nanoseconds of a clock that all threads share: `performance.now` counts from the start of each worker.
 * @type {() => number}
 */
const clock = threads ? () => Number(process.hrtime.bigint()) : () => (performance.timeOrigin + performance.now()) * 1e6;

/** @type {(error: unknown) => { message: string, stack: string }} */
const describe = (error) =>
  error instanceof Error ? { message: error.message, stack: error.stack ?? '' } : { message: String(error), stack: '' };

/** @type {Map<number, WebAssembly.Instance>} */
const instances = new Map();
/** @type {Map<number, readonly string[]>} */
const entries = new Map();

/** @param {Setup} setup */
function start({ memory, thread, threadCount, control, kinds }) {
  // Growing a shared memory never moves these bytes, and their number stays the same.
  const words = new Int32Array(memory.buffer, 0, 256);
  const numbers = new Float64Array(memory.buffer, 0, 128);
  const epoch = control.epoch / 4;
  const finished = control.finished / 4;
  const command = control.command / 4;
  const looks = words[control.spins / 4] ?? 0;
  let seen = Atomics.load(words, epoch);

  const call = () => {
    const [, id = 0, entry = 0, count = 0] = words.subarray(command, command + 4);
    const args = numbers.subarray(control.arguments / 8, control.arguments / 8 + count);
    try {
      const run = instances.get(id)?.exports[entries.get(id)?.[entry] ?? ''];
      if (typeof run !== 'function') throw new Error(`module ${id} is not loaded`);
      run(thread, threadCount, ...args);
    } catch (error) {
      if (Atomics.compareExchange(words, control.trapped / 4, 0, thread + 1) === 0)
        post({ type: 'trap', epoch: seen, thread, ...describe(error) });
      // Frees the threads that wait at a barrier.
      Atomics.add(words, control.generation / 4, 1);
      Atomics.notify(words, control.generation / 4);
    }
  };

  const awaitOthers = () => {
    for (let look = 0; look < looks; look++) if (Atomics.load(words, finished) === threadCount - 1) return;
    for (;;) {
      const now = Atomics.load(words, finished);
      if (now === threadCount - 1) return;
      Atomics.wait(words, finished, now);
    }
  };

  const run = () => {
    // The first thread to begin starts the clock: another may begin when most of the work is done.
    const begin = clock();
    if (Atomics.compareExchange(words, control.begun / 4, 0, 1) === 0) numbers[control.begunAt / 8] = begin;
    call();
    if (thread === 0) {
      awaitOthers();
      post({ type: 'done', epoch: seen, nanoseconds: clock() - (numbers[control.begunAt / 8] ?? begin) });
    } else if (Atomics.add(words, finished, 1) === threadCount - 2) {
      Atomics.notify(words, finished);
    }
  };

  /** Works until the pool wants to send a message. */
  const serve = () => {
    for (;;) {
      Atomics.wait(words, epoch, seen);
      const now = Atomics.load(words, epoch);
      if (now === seen) continue;
      seen = now;
      const kind = words[command];
      if (kind === kinds.listen) return;
      if (kind === kinds.exit) {
        if (port) port.close();
        else globalThis.close();
        return;
      }
      run();
    }
  };

  /** @type {(message: Exclude<ToWorker, Setup>) => FromWorker} */
  const handle = (message) => {
    if (message.type === 'unload') {
      instances.delete(message.id);
      entries.delete(message.id);
      return { type: 'ready', thread };
    }
    try {
      const linked = message.imports.map(([name, id]) => [name, instances.get(id)?.exports ?? {}]);
      instances.set(message.id, new WebAssembly.Instance(message.module, { env: { memory }, ...Object.fromEntries(linked) }));
      entries.set(message.id, message.entries);
      return { type: 'ready', thread };
    } catch (error) {
      return { type: 'refused', thread, ...describe(error) };
    }
  };

  return { handle, serve };
}

/** @type {ReturnType<typeof start> | undefined} */
let thread;

/** @param {ToWorker} message */
function receive(message) {
  if (message.type === 'init') {
    thread = start(message);
    post({ type: 'ready', thread: message.thread });
  } else if (thread) {
    post(thread.handle(message));
  }
  thread?.serve();
}

if (port) port.on('message', receive);
else globalThis.addEventListener('message', ({ data }) => receive(data));
