import type { Value } from '@shoal/core';
import { calledIn, type Assembled } from '../assemble.ts';
import { elementsOf, type EmittedLaunch } from '../emit.ts';
import type { Address } from '../machine.ts';
import { named, type Parameter } from '../source.ts';
import { liftTables } from '../tables.ts';
import { fixed, lift, withoutMarks } from '../text.ts';

/**
 * Makes of a launch a kernel that holds no number of its shapes, and the words that it reads instead. Each function has a pointer of its
 * own, wherever its tensor lies, so the kernel does not depend on what is where.
 */
export function assembleGeneric({ op, launch, accessors }: EmittedLaunch, placeOf: (value: Value) => Address): Assembled {
  const { body, declarations = '', tables = [], threads, blocks, resident } = launch;
  const used = calledIn(body, accessors);
  const tensors = used.map(({ reads, writes }) => [...reads, ...writes][0]!);
  const functions = used.map((accessor, k) => accessor.print(elementsOf(() => `t${k}`)));
  // Parts of a concatenation are read by functions of other names, and by the same kernel.
  const renamed = used.reduce(
    (text, { name }, k) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), `tensor${k}`),
    functions.join('') + body,
  );
  const main = lift(renamed, 0);
  const lifted = liftTables(tables);
  const setup = fixed`const int* const shoal_n = t${used.length};\n${lifted.text(main.words.length)}`;
  const kernel = named(op, {
    threads,
    ...(resident === undefined ? {} : { resident }),
    parameters: [
      ...used.map(({ pointer, writes }, k): Parameter => ({
        dtype: pointer ?? tensors[k]!.dtype,
        written: writes.length > 0,
        aliased: true,
      })),
      { dtype: 'i32', written: false, aliased: false },
    ],
    declarations,
    body: withoutMarks(setup) + main.text,
  });
  return { kernel, blocks, arguments: tensors.map(placeOf), words: [...main.words, ...lifted.words(main.words.length)] };
}
