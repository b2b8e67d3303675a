import { setFlagsFromString } from 'node:v8';
import { ShoalError } from '@shoal/core';
import { wideRequest } from './request.ts';
import { testWide } from './self-test.ts';

/** V8's name for it. */
export const wideFlag = 'experimental-wasm-revectorize';

/** Engines before this do not know the flag, and complain on standard error. */
const firstV8 = 12;

/**
 * Wide mode, for Node on x86 with AVX2: lets V8 join pairs of 128-bit instructions into 256-bit ones, which about doubles the speed of
 * convolutions and matrix products and changes no bit of any result. It sets V8's `--experimental-wasm-revectorize` for the whole
 * process, workers included, so call it once, first thing, before any runtime is opened; a process that was started with that flag, on
 * Node's command line or in NODE_OPTIONS, need not call it. The flag is experimental: each process checks
 * numbers and speed when its first runtime is opened, and computes as without it where they are not right. `runtime.info.flags.wide` says
 * what came of it and `runtime.info.notes` why not.
 *
 * @throws ShoalError `UNSUPPORTED` after a runtime was opened without it: compiled code would stay as it is
 */
export function enableWide(): void {
  if (wideRequest.test) return;
  if (wideRequest.opened) {
    throw new ShoalError('UNSUPPORTED', { op: 'enableWide', fact: 'a runtime was opened before', next: 'Call it first thing' });
  }
  const isKnown = Number.parseInt(process.versions.v8, 10) >= firstV8;
  if (isKnown) setFlagsFromString(`--${wideFlag}`);
  wideRequest.test = (fma) => testWide(fma, () => isKnown && setFlagsFromString(`--no-${wideFlag}`));
}
