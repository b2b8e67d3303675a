import { disposed, entryIndex, exportNames, trapped, unlinked } from './executor.ts';
import type { Executor, ModuleHandle, RunOptions, RunReport } from './executor.ts';

/**
 * One thread: the caller's. The way without cross-origin isolation, and the one without start-up cost; a run blocks the caller and cannot be
 * stopped once it has begun.
 */
export function createInline({ memory }: { readonly memory: WebAssembly.Memory }): Executor {
  let instances: Map<number, WebAssembly.Exports> | undefined = new Map();
  let loaded = 0;
  const open = (): Map<number, WebAssembly.Exports> => {
    if (!instances) throw disposed();
    return instances;
  };
  return {
    threads: 1,
    memory,
    load: async (module: WebAssembly.Module, imports: Readonly<Record<string, ModuleHandle>> = {}): Promise<ModuleHandle> => {
      const all = open();
      const linked = Object.entries(imports).map(([name, { id }]) => [name, all.get(id) ?? {}] as const);
      try {
        all.set(++loaded, new WebAssembly.Instance(module, { env: { memory }, ...Object.fromEntries(linked) }).exports);
      } catch (error) {
        throw unlinked(error);
      }
      return { id: loaded, exports: exportNames(module) };
    },
    unload: async ({ id }: ModuleHandle): Promise<void> => {
      open().delete(id);
    },
    run: async (handle: ModuleHandle, entry: string, args: readonly number[] = [], { signal }: RunOptions = {}): Promise<RunReport> => {
      const all = open();
      entryIndex(handle, entry, args);
      if (signal?.aborted) return { nanoseconds: 0, aborted: true };
      const run = all.get(handle.id)?.[entry];
      const start = performance.now();
      try {
        if (typeof run !== 'function') throw new Error(`module ${handle.id} is not loaded`);
        run(0, 1, ...args);
      } catch (error) {
        throw trapped(entry, 0, error);
      }
      return { nanoseconds: (performance.now() - start) * 1e6, aborted: false };
    },
    dispose: async (): Promise<void> => {
      instances = undefined;
    },
  };
}
