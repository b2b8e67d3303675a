import type { Subject } from '../works/index.ts';
import { exportGraph } from './export.ts';
import type { PortableWork, Task } from './graph.ts';

/**
 * A subject in the form that every engine can read. Backward passes keep the forward graph: engines differentiate by themselves.
 *
 * @throws Error naming the first op that has no portable form
 */
export async function portableWork(subject: Subject): Promise<PortableWork> {
  const { graph, data, nameOf } = await exportGraph(subject.phase === 'step' ? subject.logits : subject.y);
  const named = (value: Parameters<typeof nameOf>[0]): string => {
    const name = nameOf(value);
    if (name === undefined) throw new Error('a gradient is asked for to something that the graph does not read');
    return name;
  };
  const all = new Map<string, Float32Array | Int32Array>(data);
  for (const [name, numbers] of Object.entries(subject.feeds))
    all.set(name, numbers instanceof Int32Array ? numbers : Float32Array.from(numbers));
  switch (subject.phase) {
    case 'fwd':
      return { graph, task: { phase: 'fwd' }, data: all };
    case 'bwd': {
      const task: Task = { phase: 'bwd', seed: 'dy', wrt: subject.wrt.map(named) };
      return { graph, task, data: all.set('dy', subject.dy) };
    }
    case 'step': {
      const { learningRate, momentum } = subject;
      const task: Task = { phase: 'step', labels: 'labels', parameters: subject.parameters.map(named), learningRate, momentum };
      return { graph, task, data: all };
    }
  }
}
