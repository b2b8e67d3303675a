import { readFileSync } from 'node:fs';
import type { Engine, EngineOptions } from './engine.ts';
import { openShoal } from './shoal.ts';

export const shoalVersion = (): string =>
  (JSON.parse(readFileSync(new URL('../../../../packages/backend-wasm/package.json', import.meta.url), 'utf8')) as { version: string })
    .version;

/** With the flags that Node was started with: `--experimental-wasm-revectorize` makes it wide. */
export const open = (options: EngineOptions): Promise<Engine> => openShoal(options, 'default', shoalVersion());
