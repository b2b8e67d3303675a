import type { FunctionBuilder, FunctionReference } from '../encoder/function.ts';
import type { ModuleBuilder } from '../encoder/module.ts';
import type { Operand } from '../encoder/values.ts';
import { control } from './control.ts';

type Barrier = FunctionReference<{ readonly threadCount: 'i32' }, undefined>;

/**
 * Waits until all threads of the run are here, and lets them see each other's writes. A thread that is early looks for some 20 to 50
 * microseconds, then sleeps. Writes nothing in a module over a memory that is not shared.
 */
export function emitBarrier(module: ModuleBuilder, f: FunctionBuilder, threadCount: Operand<'i32'>): void {
  if (!module.shared) return;
  f.call(
    module.once<Barrier>('shoal.barrier', () => defineBarrier(module)),
    { threadCount },
  );
}

/**
 * Returns from the entry function when the run was aborted. All threads take the same way, because the answer changes only inside a barrier.
 * Writes nothing in a module over a memory that is not shared: what runs in the caller's thread cannot be interrupted.
 */
export function emitAbortCheck(module: ModuleBuilder, f: FunctionBuilder): void {
  if (module.shared) f.if(f.atomic.load(control.aborted), () => f.return());
}

function defineBarrier(module: ModuleBuilder): Barrier {
  return module.function({ name: 'shoal.barrier', parameters: { threadCount: 'i32' } }, (f, { threadCount }) => {
    const { atomic, i32 } = f;
    const generation = f.local.i32(atomic.load(control.generation));
    const moved = () => i32.ne(atomic.load(control.generation), generation);
    const trapIfTrapped = (): void => f.if(atomic.load(control.trapped), () => f.unreachable());

    const last = i32.eq(atomic.add(control.arrived, 1), i32.sub(threadCount, 1));
    f.if(
      last,
      () => {
        atomic.store(control.arrived, 0);
        f.if(atomic.load(control.abortRequested), () => atomic.store(control.aborted, 1));
        f.drop(atomic.add(control.generation, 1));
        // A sleeper counts itself before it looks at the generation for the last time, so one of the two sees the other.
        f.if(atomic.load(control.sleepers), () => f.drop(atomic.notify(control.generation, -1)));
      },
      () => {
        const spins = f.local.i32(i32.load(control.spins));
        f.block((done) => {
          f.loop((look) => {
            f.brIf(done, moved());
            f.brIf(look, i32.gtS(f.tee(spins, i32.sub(spins, 1)), 0));
          });
          f.loop((sleep) => {
            trapIfTrapped();
            f.drop(atomic.add(control.sleepers, 1));
            f.drop(atomic.wait32(control.generation, generation, f.i64.const(-1)));
            f.drop(atomic.sub(control.sleepers, 1));
            f.brIf(sleep, i32.eqz(moved()));
          });
        });
      },
    );
    // A thread that trapped will never arrive; it moves the generation instead.
    trapIfTrapped();
  });
}
