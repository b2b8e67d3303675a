import type { Engine, EngineInfo, Prepared, Sample } from './engine.ts';
import { openShoal } from './shoal.ts';

/** What the page offers to the process that drives it (`shoal-chromium.ts`). Arrays cross as base64. */
export interface PageEngine {
  open(threads: number, version: string): Promise<EngineInfo>;
  prepare(id: string): Promise<void>;
  results(): Promise<readonly string[]>;
  sample(runs: number): Promise<Sample>;
  release(): Promise<void>;
}

let engine: Engine;
let prepared: Prepared;

const base64 = ({ buffer, byteOffset, byteLength }: Float32Array): string => {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  // A call takes some ten thousand arguments; three bytes make four characters.
  const chunk = 3 * 4096;
  let text = '';
  for (let at = 0; at < bytes.length; at += chunk) text += btoa(String.fromCharCode(...bytes.subarray(at, at + chunk)));
  return text;
};

const pageEngine: PageEngine = {
  async open(threads, version) {
    engine = await openShoal({ threads }, 'default', version);
    const { flags, ...info } = engine.info;
    return { ...info, flags: { ...flags, browser: navigator.userAgent, crossOriginIsolated } };
  },
  async prepare(id) {
    prepared = await engine.prepare({ id, amount: { flop: 0, bytes: 0 } });
  },
  results: async () => ((await prepared.results()) ?? []).map(base64),
  sample: (runs) => prepared.sample(runs),
  release: () => prepared.release(),
};

Object.assign(globalThis, { pageEngine });
