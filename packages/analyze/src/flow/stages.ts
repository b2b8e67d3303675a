import { ShoalError, topological, Variable, type Node, type Value } from '@shoal/core';
import type { BlockResult, Network, Tap } from '@shoal/residual';

/** Where gradients are looked at: {@link Network.stages}, or the feature maps that belong to no larger part, each once. */
export function stagesOf(network: Network, { taps }: BlockResult, wanted = network.stages): readonly Tap[] {
  const stages = wanted?.map((name) => tapNamed(network, taps, name)) ?? outermost(taps);
  if (stages.length > 0) return stages;
  throw new ShoalError('ATTRIBUTE', {
    op: 'analyze/flow',
    fact: `${network.name} names no feature map`,
    next: 'Give some a name with net.tap, or pass stages',
  });
}

function tapNamed({ name: network }: Network, taps: readonly Tap[], name: string): Tap {
  const found = taps.find((tap) => tap.name === name);
  if (found) return found;
  throw new ShoalError('ATTRIBUTE', {
    op: 'analyze/flow',
    fact: `${network} has no value named '${name}'`,
    next: `Names: ${outermost(taps)
      .map((tap) => tap.name)
      .join(', ')}, and those within them`,
  });
}

function outermost(taps: readonly Tap[]): readonly Tap[] {
  const names = new Set(taps.map(({ name }) => name));
  const isWithin = (name: string): boolean => {
    const parts = name.split('.');
    return parts.some((_, i) => i > 0 && names.has(parts.slice(0, i).join('.')));
  };
  const seen = new Set<Value>();
  return taps.filter(({ name, value }) => {
    if (value.shape.length !== 4 || value.dtype !== 'f32' || isWithin(name) || seen.has(value)) return false;
    seen.add(value);
    return true;
  });
}

export interface StageWeights {
  /** The first stage that they are needed for; `output` for what follows the last. */
  readonly stage: string;
  readonly weights: readonly Variable[];
}

/** The weights of convolutions and matrix products (biases and the vectors of norms left out), by stage. */
export function weightsByStage({ output, parameters }: BlockResult, stages: readonly Tap[]): readonly StageWeights[] {
  const left = new Set(parameters.filter(({ shape }) => shape.length > 1));
  const seen = new Set<Node>();
  const needed = (stage: string, value: Value): StageWeights => {
    const own: Variable[] = [];
    for (const node of topological([value])) {
      if (seen.has(node)) continue;
      seen.add(node);
      for (const read of node.inputs) if (read instanceof Variable && left.delete(read)) own.push(read);
    }
    return { stage, weights: own };
  };
  return [...stages.map(({ name, value }) => needed(name, value)), needed('output', output)].filter((group) => group.weights.length > 0);
}
