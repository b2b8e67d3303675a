import { parseWork } from '../../portable/file-format.ts';
import { Unsupported, type Engine, type EngineInfo, type EngineOptions, type Prepared, type Sample, type WorkOrder } from '../engine.ts';

/** What an engine's module in this folder exports. */
export type OpenPageEngine = (options: PageEngineOptions) => Promise<Engine>;

export interface PageEngineOptions extends Pick<EngineOptions, 'threads'> {
  readonly shoalVersion: string;
}

/** What crosses from the page: errors lose their class on the way, and gain a stack. */
export type Answer<T> = { readonly value: T } | { readonly error: string; readonly unsupported: boolean };

/** What the page offers to the process that drives it (`chromium.ts`). Arrays cross as base64, the portable work as a file. */
export interface PageEngine {
  open(name: string, options: PageEngineOptions): Promise<Answer<EngineInfo>>;
  prepare(order: WorkOrder): Promise<Answer<{ readonly note?: string }>>;
  results(): Promise<Answer<readonly string[] | null>>;
  sample(runs: number): Promise<Answer<Sample>>;
  release(): Promise<Answer<void>>;
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

const fetched = async (url: string): Promise<Response> => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${url}`);
  return response;
};

async function answer<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error), unsupported: error instanceof Unsupported };
  }
}

const pageEngine: PageEngine = {
  open: (name, options) =>
    answer(async () => {
      const { open } = (await import(`./engine-${name}.ts`)) as { open: OpenPageEngine };
      engine = await open(options);
      const { flags, ...info } = engine.info;
      return { ...info, flags: { ...flags, crossOriginIsolated } };
    }),
  prepare: (order) =>
    answer(async () => {
      const portable = async () => {
        if (order.file === undefined) throw new Unsupported(order.reason ?? 'no portable form');
        const [header, data] = await Promise.all([fetched('/work.json'), fetched('/work.bin')]);
        return parseWork(await header.text(), await data.arrayBuffer());
      };
      prepared = await engine.prepare({ ...order, portable });
      return prepared.note === undefined ? {} : { note: prepared.note };
    }),
  results: () => answer(async () => (await prepared.results())?.map(base64) ?? null),
  sample: (runs) => answer(() => prepared.sample(runs)),
  release: () => answer(() => prepared.release()),
};

Object.assign(globalThis, { pageEngine });
