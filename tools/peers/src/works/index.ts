import { convolutionWorks } from './convolution.ts';
import { gpuWorks } from './gpu.ts';
import { memoryBoundWorks } from './memory-bound.ts';
import { networkWorks } from './networks.ts';
import { trainingWorks } from './training.ts';
import type { Work } from './work.ts';

export * from './work.ts';
export { gpuWorks };

/** What can be measured on any machine, in the order of the report. */
export const works: readonly Work[] = [...convolutionWorks, ...memoryBoundWorks, ...networkWorks, ...trainingWorks];

const byId = new Map([...works, ...gpuWorks].map((work) => [work.id, work]));

export function workNamed(id: string): Work {
  const work = byId.get(id);
  if (!work) throw new Error(`there is no work '${id}'`);
  return work;
}
