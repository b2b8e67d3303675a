import { enableWide, wideFlag } from '../index.ts';

/** Whoever starts Node with the engine's flag, on the command line or in NODE_OPTIONS, asks for wide mode. */
export function asCommandLineAsks(): void {
  const words = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(' ')].map((word) => word.replaceAll('_', '-'));
  if (words.includes(`--${wideFlag}`)) enableWide();
}
