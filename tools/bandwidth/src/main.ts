import { parseArgs } from 'node:util';
import { createRuntime, wasm } from '@shoal/backend-wasm';
import { interfaceOf, sizeOf, type Executable, type Runtime } from '@shoal/core';
import { mathWasm } from '@shoal/math/wasm';
import { poolWasm } from '@shoal/pool/wasm';
import { residualWasm } from '@shoal/residual/wasm';
import { median, quantile } from 'simple-statistics';
import { copyOf, worksOf, type Work } from './works.ts';

/**
 * Steps that are bound by memory, each against a copy that moves as many bytes: reads half of them and writes half. Both run on the same
 * threads, one sample of each in turn; a work's time is that of its own steps, without those that only make its inputs. 100 % is the speed
 * of the copy.
 *
 *     node --conditions=@shoal/source tools/bandwidth/src/main.ts --threads 2 --batch 16 --only max
 */
const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    batch: { type: 'string', default: '1' },
    samples: { type: 'string', default: '25' },
    only: { type: 'string', default: '' },
  },
});
const [threads, batch, samples] = [Number(values.threads), Number(values.batch), Number(values.samples)];
const warmUp = 6;

const runtime = await createRuntime(wasm({ threads }), [mathWasm, poolWasm, residualWasm]);

interface Timed {
  readonly executable: Executable;
  readonly feeds: Readonly<Record<string, Float32Array>>;
  readonly isCounted: (op: string) => boolean;
}

async function prepare(owner: Runtime, { program, counted }: Work): Promise<Timed> {
  const feeds = [...interfaceOf(program).inputs].map(([name, { shape }], i) => {
    return [name, Float32Array.from({ length: sizeOf(shape) }, (_, at) => (((at + i) * 7919) % 2017) / 1009 - 1)] as const;
  });
  return { executable: await owner.compile(program), feeds: Object.fromEntries(feeds), isCounted: (op) => counted.test(op) };
}

/** Milliseconds of the counted steps. */
async function sample({ executable, feeds, isCounted }: Timed): Promise<number> {
  const { steps = [] } = await executable.timed(feeds, { fetch: [], profile: true });
  return steps.reduce((sum, { op, nanoseconds }) => sum + (isCounted(op) ? nanoseconds : 0), 0) / 1e6;
}

const milliseconds = (times: readonly number[]): string => median([...times]).toFixed(3);
console.log(`${threads} threads, batch ${batch}, ${samples} samples, Node ${process.versions.node}`);
for (const work of worksOf(batch)) {
  if (!work.name.includes(values.only)) continue;
  const [own, copy] = [await prepare(runtime, work), await prepare(runtime, copyOf(work.bytes))];
  const [ownTimes, copyTimes]: [number[], number[]] = [[], []];
  for (let i = -warmUp; i < samples; i++) {
    const [ownTime, copyTime] = [await sample(own), await sample(copy)];
    if (i < 0) continue;
    ownTimes.push(ownTime);
    copyTimes.push(copyTime);
  }
  const ratios = ownTimes.map((time, i) => (100 * copyTimes[i]!) / time);
  const gigabytes = work.bytes / median([...copyTimes]) / 1e6;
  console.log(
    `${work.name.padEnd(36)} ${median(ratios).toFixed(0).padStart(4)} % of the copy's speed (${quantile(ratios, 0.25).toFixed(0)} .. ${quantile(ratios, 0.75).toFixed(0)}), ` +
      `${milliseconds(ownTimes)} ms, copy ${milliseconds(copyTimes)} ms (${gigabytes.toFixed(1)} GB/s)`,
  );
  own.executable.dispose();
  copy.executable.dispose();
}
await runtime.dispose();
