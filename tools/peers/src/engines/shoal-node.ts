import { readFileSync } from 'node:fs';
import { enableWide } from '@shoal/backend-wasm/wide';
import type { Engine, EngineOptions } from './engine.ts';
import { openShoal } from './shoal.ts';

export const shoalVersion = (): string =>
  (JSON.parse(readFileSync(new URL(import.meta.resolve('@shoal/backend-wasm/package.json')), 'utf8')) as { version: string }).version;

/** With the flags that Node was started with, which are recorded: under `--experimental-wasm-revectorize` Shoal is asked to be wide. */
export async function open(options: EngineOptions): Promise<Engine> {
  if (process.execArgv.includes('--experimental-wasm-revectorize')) enableWide();
  const engine = await openShoal(options, 'default', shoalVersion());
  const node = process.execArgv.filter((flag) => flag.startsWith('--experimental')).join(' ');
  return node === '' ? engine : { ...engine, info: { ...engine.info, flags: { ...engine.info.flags, node } } };
}
