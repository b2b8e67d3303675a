import type { CommandKinds, ControlLayout } from './control.ts';

/** Messages to a worker. It reads them only after a `listen` command, or before its first one. */
export type ToWorker =
  | {
      readonly type: 'init';
      readonly memory: WebAssembly.Memory;
      readonly thread: number;
      readonly threadCount: number;
      readonly control: ControlLayout;
      readonly kinds: CommandKinds;
    }
  | {
      readonly type: 'load';
      readonly id: number;
      readonly module: WebAssembly.Module;
      readonly entries: readonly string[];
      readonly imports: readonly (readonly [name: string, id: number])[];
    }
  | { readonly type: 'unload'; readonly id: number };

/** Messages from a worker. `ready` and `refused` answer a message, `done` and `trap` belong to the run that began with `epoch`. */
export type FromWorker =
  | { readonly type: 'ready'; readonly thread: number }
  | { readonly type: 'refused'; readonly thread: number; readonly message: string; readonly stack: string }
  | { readonly type: 'done'; readonly epoch: number; readonly nanoseconds: number }
  | { readonly type: 'trap'; readonly epoch: number; readonly thread: number; readonly message: string; readonly stack: string };
