import { printConstant, typeNames } from './expression.ts';
import type { CudaTable } from './kernel.ts';
import { fixed } from './text.ts';

/** Where a kernel finds a table: at namespace scope, or as the first statements of its body. */
export interface PrintedTables {
  readonly declarations: string;
  readonly statements: string;
}

/** Tables in the text of a kernel; one whose numbers are equal is that number. */
export function printTables(tables: readonly CudaTable[]): PrintedTables {
  const printed = tables.map(({ name, dtype, values }): PrintedTables => {
    const texts = values.map((value) => printConstant(value, dtype));
    const [first] = texts;
    if (texts.every((text) => text === first))
      return { declarations: '', statements: `const shoal_same<${typeNames[dtype]}> ${name} = {${first ?? '0'}};\n` };
    return { declarations: `SHOAL_TABLE ${typeNames[dtype]} ${name}[${texts.length}] = {${texts.join(', ')}};\n`, statements: '' };
  });
  return {
    declarations: printed.map(({ declarations }) => declarations).join(''),
    statements: printed.map(({ statements }) => statements).join(''),
  };
}

/** Tables as words behind those of a generic kernel, which reads from a word where each one begins. */
export function liftTables(tables: readonly CudaTable[]): {
  readonly text: (first: number) => string;
  readonly words: (begin: number) => number[];
} {
  const data = tables.map(({ dtype, values }) => [...new Int32Array((dtype === 'f32' ? Float32Array : Int32Array).from(values).buffer)]);
  return {
    text: (first) =>
      tables
        .map(({ name, dtype }, k) => {
          const type = `const ${typeNames[dtype]}*`;
          return fixed`${type} const ${name} = (${type})(shoal_n + shoal_n[${first + k}]);\n`;
        })
        .join(''),
    words(begin) {
      let at = begin + tables.length;
      const starts = data.map((values) => (at += values.length) - values.length);
      return [...starts, ...data.flat()];
    },
  };
}
