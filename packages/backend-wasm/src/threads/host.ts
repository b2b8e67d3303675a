import type { FromWorker, ToWorker } from './protocol.ts';

/** A worker, whichever way this engine makes them. */
export interface Host {
  post(message: ToWorker): void;
  /** In Node: whether the worker keeps the process alive. */
  hold(alive: boolean): void;
  terminate(): Promise<void>;
}

export interface HostEvents {
  readonly message: (message: FromWorker) => void;
  /** The worker could not start, or ended by itself. */
  readonly failure: (cause: unknown) => void;
}

/** Node, if this is it. Its modules are asked for at run time: static imports would reach into the bundles of pages. */
const node = (): NodeJS.Process | undefined =>
  typeof process === 'object' && typeof process.getBuiltinModule === 'function' ? process : undefined;

/** How many threads can run at once. */
export const processors = (): number => node()?.getBuiltinModule('node:os').availableParallelism() ?? navigator.hardwareConcurrency;

export function spawn(events: HostEvents): Host {
  const threads = node()?.getBuiltinModule('node:worker_threads');
  return threads ? spawnInNode(threads, events) : spawnInBrowser(events);
}

function spawnInBrowser({ message, failure }: HostEvents): Host {
  // Bundlers look for exactly this expression.
  const worker = new Worker(new URL('../worker.js', import.meta.url), { type: 'module', name: 'shoal' });
  worker.addEventListener('message', (event: MessageEvent<FromWorker>) => message(event.data));
  worker.addEventListener('error', (event) => failure(event.error ?? new Error(event.message || 'the worker script did not load')));
  worker.addEventListener('messageerror', () => failure(new Error('a message could not be read')));
  return {
    post: (data) => worker.postMessage(data),
    hold: () => undefined,
    terminate: async () => worker.terminate(),
  };
}

function spawnInNode({ Worker: NodeWorker }: typeof import('node:worker_threads'), { message, failure }: HostEvents): Host {
  // Not a literal inside `new URL`, which bundlers for pages would take for an asset.
  const file = '../worker.js';
  const worker = new NodeWorker(new URL(file, import.meta.url), { execArgv: [], name: 'shoal' });
  let ending = false;
  worker.on('message', message);
  worker.on('error', failure);
  worker.on('exit', (code) => {
    if (!ending) failure(new Error(`the worker ended with code ${code}`));
  });
  worker.unref();
  return {
    post: (data) => worker.postMessage(data),
    hold: (alive) => (alive || ending ? worker.ref() : worker.unref()),
    terminate: async () => {
      ending = true;
      // Whoever waits for the end must not find the process gone before it.
      worker.ref();
      await worker.terminate();
    },
  };
}
