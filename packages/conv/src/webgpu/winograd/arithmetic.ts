import { printConstant } from '@shoal/backend-webgpu';
import type { Arithmetic } from '../../winograd/transforms.ts';

/** Statements written one after the other, each result under a name of its own. */
export interface Printed {
  readonly arithmetic: Arithmetic<string>;
  readonly add: (statement: string) => void;
  /** What gives the text of a cell, asked once for each. */
  readonly once: (text: (row: number, column: number) => string) => (row: number, column: number) => string;
  readonly text: () => string;
}

export function printed(): Printed {
  const statements: string[] = [];
  const let_ = (text: string): string => {
    const name = `w${statements.length}`;
    statements.push(`let ${name} = ${text};`);
    return name;
  };
  const factor = (value: number): string => printConstant(value, 'f32');
  return {
    arithmetic: {
      add: (x, y) => let_(`${x} + ${y}`),
      subtract: (x, y) => let_(`${x} - ${y}`),
      scale: (x, by) => let_(`${factor(by)} * ${x}`),
      plus: (x, by, y) => let_(`fma(${factor(by)}, ${y}, ${x})`),
      minus: (x, by, y) => let_(`fma(${factor(-by)}, ${y}, ${x})`),
    },
    add: (statement) => void statements.push(statement),
    once(text) {
      const known = new Map<string, string>();
      return (row, column) => {
        const key = `${row},${column}`;
        const name = known.get(key) ?? let_(text(row, column));
        known.set(key, name);
        return name;
      };
    },
    text: () => statements.join('\n'),
  };
}
