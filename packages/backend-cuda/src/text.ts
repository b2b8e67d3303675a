/** Enclose what no size decides. */
const [open, close] = ['⟦', '⟧'];

/**
 * Kernel text whose own numbers, and those put into it as numbers, belong to the kernel's structure: tile sides, dimensions of arrays,
 * loops to unroll. Every other number of a kernel counts as one that shapes and attributes decide; text that is put in keeps its own
 * distinction. It matters for generic kernels alone, which read the others from memory.
 */
export function fixed(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  const marked = (text: string | number): string => (text === '' ? '' : `${open}${text}${close}`);
  return texts.reduce((result, text, i) => {
    const value = i === 0 ? '' : values[i - 1]!;
    return result + (typeof value === 'number' ? marked(value) : value) + marked(text);
  }, '');
}

/** Text without a number that shapes decide. */
export const fixedText = (text: string): string => `${open}${text}${close}`;

/** The text for a compiler. */
export const withoutMarks = (text: string): string => text.replaceAll(/[⟦⟧]/g, '');

/** Text whose numbers were replaced, and the 32-bit words of those numbers. */
export interface Lifted {
  readonly text: string;
  readonly words: readonly number[];
}

/** A minus that belongs to a number stands right before it: subtractions have spaces. */
const numbers = /shoal_float\(0x[0-9a-f]+u\)|\(-2147483647 - 1\)|(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?[fu]?(?![\w.])/g;

const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;

/** Replaces every number that is not {@link fixed} by a word of the array `shoal_n`, from word `first`. */
export function lift(text: string, first: number): Lifted {
  const words: number[] = [];
  const lifted = text.split(/⟦([^⟧]*)⟧/).map((part, i) => {
    if (i % 2 === 1) return part;
    return part.replaceAll(numbers, (found) => {
      const word = (value: number): string => `shoal_n[${first + words.push(value) - 1}]`;
      if (found.startsWith('shoal_float')) return `shoal_float((unsigned)${word(Number(/0x[0-9a-f]+/.exec(found)![0]) | 0)})`;
      if (found.startsWith('(')) return word(-0x80000000);
      if (found.endsWith('f')) return `shoal_float((unsigned)${word(bitsOf(Number(found.slice(0, -1))))})`;
      return found.endsWith('u') ? `(unsigned)${word(Number(found.slice(0, -1)) | 0)}` : word(Number(found));
    });
  });
  return { text: lifted.join(''), words };
}
