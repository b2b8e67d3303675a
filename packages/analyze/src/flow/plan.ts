import { gradients, input, ShapeError, formatShape, type Shape, type Value, type Variable } from '@shoal/core';
import { softmaxCrossEntropy } from '@shoal/math';
import type { Network } from '@shoal/residual';
import { rolesIn, type ConvolutionRoles } from './convolutions.ts';
import { findEdges, type EdgeKind } from './edges.ts';
import { Names } from './names.ts';
import { Probes, type Reading } from './probes.ts';
import { either, findPoolWindows, findReach, silent, type ReachKind } from './reach.ts';
import { stagesOf, weightsByStage } from './stages.ts';
import { Structure } from './structure.ts';
import { findSums } from './sums.ts';

/** A number that is known in advance, or read from each run. */
export type Quantity = { readonly exact: number } | { readonly reading: Reading };

export interface FlowPlanOptions {
  /** [batch, height, width, channels] */
  readonly image: Shape;
  readonly stages?: readonly string[] | undefined;
  readonly dropout: boolean;
}

/** Everything that is looked at in a network, as one program and the readings of what it brings back. */
export interface FlowPlan {
  readonly outputs: Readonly<Record<string, Value>>;
  /** Every variable of the network, in the order that it made them. */
  readonly variables: readonly Variable[];
  readonly classes: number;
  readonly loss: Reading;
  readonly roles: ConvolutionRoles;
  readonly activations: readonly { readonly name: string; readonly shape: Shape; readonly l2: Reading }[];
  readonly edges: readonly {
    readonly name: string;
    readonly kind: EdgeKind;
    readonly convolutions: readonly string[];
    readonly gain: Quantity;
  }[];
  readonly weights: readonly { readonly stage: string; readonly l2: Reading; readonly weightL2: Reading }[];
  readonly layers: readonly { readonly name: string; readonly kind: ReachKind; readonly reached: Quantity }[];
  readonly pools: readonly {
    readonly name: string;
    readonly windows: number;
    readonly silent: Reading;
    readonly inactive: Reading | null;
    readonly dead: Reading;
  }[];
}

/** The names under which a run is fed. */
export const feedNames = { image: 'image', labels: 'labels' } as const;

/**
 * One forward and one backward pass in training mode, and the backward passes along each edge alone. The latter are asked for from the
 * same values with the same rules, so that compiling shares what they have in common with the whole.
 *
 * @throws ShapeError when the network's output is not [batch, classes]
 */
export function planFlow(network: Network, options: FlowPlanOptions): FlowPlan {
  const image = input(feedNames.image, options.image);
  const built = network.build(image, { train: true, dropout: options.dropout });
  const { output } = built;
  if (output.shape.length !== 2) {
    throw new ShapeError({
      op: 'analyze/flow',
      fact: `the output of ${network.name} is ${formatShape(output.shape)}, not [batch, classes]`,
      next: 'Analyse a classifier',
    });
  }
  const loss = softmaxCrossEntropy(output, input(feedNames.labels, [options.image[0]!], 'i32'));
  const structure = new Structure(image, output);
  const names = new Names(structure, built.taps);
  const sums = findSums(structure);
  const stages = stagesOf(network, built, options.stages);
  const edges = findEdges(structure, sums, names);
  const pools = findPoolWindows(structure, names);
  const weights = weightsByStage(built, stages);

  const arriving = gradientsAt(loss, [
    image,
    ...stages.map(({ value }) => value),
    ...edges.map(({ to }) => to),
    ...pools.map((pool) => pool.output),
    ...weights.flatMap((group) => group.weights),
  ]);
  const probes = new Probes();
  const together = (values: readonly Value[]): Reading => {
    const norms = values.map((value) => probes.norm(value));
    return (fetched) => Math.hypot(...norms.map((norm) => norm(fetched)));
  };
  const ratio =
    (part: Reading, whole: Reading): Reading =>
    (fetched) =>
      part(fetched) / whole(fetched);
  const lossSum = probes.sum(loss);
  return {
    variables: Object.values(network.scope.state),
    classes: output.shape[1]!,
    loss: lossSum,
    roles: rolesIn(structure, sums, names),
    activations: [{ name: 'input', value: image }, ...stages].map(({ name, value }) => ({
      name,
      shape: value.shape,
      l2: probes.norm(arriving(value)),
    })),
    edges: edges.map(({ name, kind, convolutions, to, exact, back }) => {
      const gain = exact === null ? { reading: ratio(probes.norm(back(arriving(to))), probes.norm(arriving(to))) } : { exact };
      return { name, kind, convolutions, gain };
    }),
    weights: weights.map((group) => ({ stage: group.stage, l2: together(group.weights.map(arriving)), weightL2: together(group.weights) })),
    layers: findReach(structure, names).map(({ name, kind, exact, reached }) => ({
      name,
      kind,
      reached: exact === null ? { reading: probes.fraction(reached()) } : { exact },
    })),
    pools: pools.map(({ name, count, output: y, inactive }) => {
      const quiet = silent(arriving(y));
      return {
        name,
        windows: count,
        silent: probes.fraction(quiet),
        inactive: inactive && probes.fraction(inactive),
        dead: probes.fraction(inactive ? either(quiet, inactive) : quiet),
      };
    }),
    outputs: probes.outputs,
  };
}

/** The gradients of a loss to all of `values` in one pass, by value. */
function gradientsAt(loss: Value, values: readonly Value[]): (value: Value) => Value {
  const distinct = [...new Set(values)];
  const found = gradients(loss, distinct);
  const byValue = new Map(distinct.map((value, i) => [value, found[i]!]));
  return (value) => byValue.get(value)!;
}
