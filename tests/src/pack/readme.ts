import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

/** The program in README.md: its first block of JavaScript. */
export function readmeExample(): string {
  const [, code] = /^```js\n(.*?)^```$/ms.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
  if (code === undefined) throw new Error('README.md has no block of JavaScript.');
  return code;
}

/** Replaces text that must be there. */
export function replaced(source: string, from: string, to: string): string {
  if (!source.includes(from)) throw new Error(`The README's example has no '${from}'.`);
  return source.replaceAll(from, to);
}

/** The same program on the float64 backend that defines the others. */
export function onReference(example: string): string {
  const imported = replaced(
    example,
    "import { createRuntime, wasm } from '@shoal/backend-wasm';",
    "import { createRuntime } from '@shoal/core';\nimport { reference } from '@shoal/core/reference';",
  );
  const whole = replaced(replaced(imported, 'directConvWasm', 'convWasm'), 'maxPoolWasm', 'poolWasm');
  return replaced(replaced(replaced(whole, "/wasm'", "/reference'"), 'wasm()', 'reference()'), 'Wasm', 'Reference');
}

/** `Math.random` with a seed (Park and Miller's generator), so that every run of the example has the same numbers. */
export const seededRandom = `let state = 1;
Math.random = () => (state = (state * 48271) % 2147483647) / 2147483647;
`;
