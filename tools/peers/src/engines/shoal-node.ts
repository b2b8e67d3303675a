import { readFileSync } from 'node:fs';
import type { Engine, EngineOptions } from './engine.ts';
import { openShoal } from './shoal.ts';

export const shoalVersion = (): string =>
  (JSON.parse(readFileSync(new URL('../../../../packages/backend-wasm/package.json', import.meta.url), 'utf8')) as { version: string })
    .version;

/** With the flags that Node was started with, which are recorded: `--experimental-wasm-revectorize` makes it wide. */
export async function open(options: EngineOptions): Promise<Engine> {
  const engine = await openShoal(options, 'default', shoalVersion());
  const node = process.execArgv.filter((flag) => flag.startsWith('--experimental')).join(' ');
  return node === '' ? engine : { ...engine, info: { ...engine.info, flags: { ...engine.info.flags, node } } };
}
