import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';

/** A process of its own: the test runner's computes as well. */
async function measure<Report>(task: 'start' | 'load'): Promise<Report> {
  const script = fileURLToPath(new URL('load.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@shoal/source', script, task], { timeout: 50_000 });
  return JSON.parse(stdout) as Report;
}

test('the first result of SqueezeNet 1.1 comes after less than a second of processor time', async () => {
  const { processorMs, wallMs } = await measure<{ readonly processorMs: number; readonly wallMs: number }>('start');
  console.log(`SqueezeNet 1.1, from imports to the first result: ${wallMs.toFixed(0)} ms, ${processorMs.toFixed(0)} ms of the processors`);
  expect(processorMs).toBeLessThan(1000);
});

describe('threads', () => {
  interface Load {
    readonly hashes: readonly string[];
    /** Processor time of a run with one thread, one for each processor, and four: without rivals, and with two for each processor. */
    readonly alone: readonly [one: number, equal: number, many: number];
    readonly contested: readonly [one: number, equal: number, many: number];
    readonly callerShare: number;
    readonly idleShare: number;
  }
  let load: Load;
  beforeAll(async () => {
    load = await measure('load');
  }, 60_000);

  test('their number changes no bit, be they more than processors', () => {
    expect(new Set(load.hashes).size).toBe(1);
  });

  test('waste little: a run takes less than three times the processor time that one thread takes, whoever competes', () => {
    const { alone, contested } = load;
    const [one] = alone;
    expect([...alone, ...contested].filter((spent) => spent >= 3 * one)).toEqual([]);
  });

  test("leave the caller's thread alone, and sleep when there is nothing to run", () => {
    expect(load.callerShare).toBeLessThan(0.25);
    expect(load.idleShare).toBeLessThan(0.25);
  });
});
