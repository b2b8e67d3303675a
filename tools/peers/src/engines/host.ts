import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { readWork, writeArrays } from '../portable/file.ts';
import type { PortableWork } from '../portable/graph.ts';
import { Unsupported, type Engine, type OpenEngine, type Prepared, type Sample } from './engine.ts';
import type { Replies, Reply, Request } from './protocol.ts';

/** The process of an engine that runs in Node: `node host.ts MODULE THREADS [VARIANT]`, with the protocol of `protocol.ts`. */
const [module, threads, variant] = process.argv.slice(2);
const REPLIES = 3;

const reply = (message: Reply): void => void writeSync(REPLIES, `${JSON.stringify(message)}\n`);
const fail = (error: unknown): void =>
  reply({ error: error instanceof Error ? error.message : String(error), unsupported: error instanceof Unsupported });

let prepared: Prepared | undefined;

async function answer(engine: Engine, request: Request): Promise<Replies[keyof Replies]> {
  if (request.call === 'prepare') {
    const { order } = request;
    const portable = (): Promise<PortableWork> => {
      if (order.file === undefined) throw new Unsupported(order.reason ?? 'no portable form');
      return readWork(order.file);
    };
    prepared = await engine.prepare({ ...order, portable });
    return prepared.note === undefined ? {} : { note: prepared.note };
  }
  if (request.call === 'close') {
    await engine.close();
    return {};
  }
  if (!prepared) throw new Error(`${request.call} before prepare`);
  switch (request.call) {
    case 'results': {
      const arrays = await prepared.results();
      return { lengths: arrays && (await writeArrays(request.file, arrays)) };
    }
    case 'warm': {
      const until = performance.now() + request.milliseconds;
      let last: Sample = { nanoseconds: 0 };
      for (let run = 0; run < request.runs || performance.now() < until; run++) last = await prepared.sample(1);
      return last;
    }
    case 'sample':
      return prepared.sample(request.runs);
    case 'release':
      await prepared.release();
      prepared = undefined;
      return {};
  }
}

try {
  const { open } = (await import(pathToFileURL(module!).href)) as { open: OpenEngine };
  const engine = await open({ threads: Number(threads), ...(variant === undefined ? {} : { variant }) });
  reply({ ready: engine.info });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      reply({ value: await answer(engine, request) });
    } catch (error) {
      fail(error);
    }
    if (request.call === 'close') break;
  }
  process.exit(0);
} catch (error) {
  fail(error);
  process.exit(1);
}
