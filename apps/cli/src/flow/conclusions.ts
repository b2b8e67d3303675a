import type { EdgeFlow, FlowReport, Summary } from '@shoal/analyze';
import { formatNumber } from './format.ts';

/** What the numbers say about these networks, and what they do not say. Every sentence follows from the reports. */
export function conclusions(reports: readonly FlowReport[]): readonly string[] {
  return [
    ...reports.map(endToEnd),
    ...(reports.length > 1 ? [inOrder(reports)] : []),
    ...reports.flatMap(shortcuts),
    'All this is at initialisation, on random images and labels; nothing was trained. Networks that differ in more than their shortcuts are no controlled comparison of shortcuts.',
  ];
}

function range(summary: Summary): string {
  if (!summary.interval) return formatNumber(summary.mean);
  return `${formatNumber(summary.mean)} (95 % interval ${summary.interval.map(formatNumber).join(' to ')})`;
}

function endToEnd({ network, shallowOverDeep: { shallow, deep, ratio } }: FlowReport): string {
  const { values, min, max } = ratio;
  if (!values.every(Number.isFinite)) return `${network}: its gradients are 0 at ${deep}, or no finite numbers.`;
  const runs = values.length === 1 ? 'in the one run' : `in each of ${values.length} runs`;
  if (min > 1)
    return `${network}: the gradient does not vanish end to end. It is larger at ${shallow} than at ${deep} ${runs}, ${range(ratio)} times on average.`;
  if (max < 1) return `${network}: the gradient is smaller at ${shallow} than at ${deep} ${runs}, ${range(ratio)} times that on average.`;
  return `${network}: the gradient at ${shallow} is larger than at ${deep} in some runs only, ${range(ratio)} times that on average.`;
}

/** Only what the intervals keep apart is put in order. */
function inOrder(reports: readonly FlowReport[]): string {
  const sorted = reports.toSorted((a, b) => a.shallowOverDeep.ratio.mean - b.shallowOverDeep.ratio.mean);
  const chain = sorted.map(({ network, shallowOverDeep: { ratio } }, i) => {
    const before = sorted[i - 1]?.shallowOverDeep.ratio;
    if (!before) return network;
    return `${(before.interval?.[1] ?? Infinity) < (ratio.interval?.[0] ?? -Infinity) ? '<' : '~'} ${network}`;
  });
  return `First stage over last stage, in order (~ where the intervals meet, or there are none): ${chain.join(' ')}.`;
}

function shortcuts({ network, edges, isolatedConvolutions: isolated }: FlowReport): readonly string[] {
  if (isolated.length === 0) return [`${network} has no isolated convolution.`];
  const edgeOf = (name: string): EdgeFlow | undefined =>
    edges.find(({ kind, convolutions }) => kind === 'convolution-shortcut' && convolutions.includes(name));
  const gains = isolated.flatMap(({ name, strided }) => {
    const edge = edgeOf(name);
    return edge ? [{ strided, gain: edge.gain.mean }] : [];
  });
  const between = (wanted: boolean): string => {
    const own = gains.filter(({ strided }) => strided === wanted).map(({ gain }) => gain);
    if (own.length === 0) return '';
    const [least, most] = [Math.min(...own), Math.max(...own)].map(formatNumber);
    return `${own.length} ${wanted ? 'strided' : 'at stride 1'}, passing ${least === most ? least : `${least} to ${most}`}`;
  };
  const parts = [between(true), between(false)].filter((part) => part !== '').join('; ');
  return [
    `${network} has ${isolated.length} isolated convolution${isolated.length === 1 ? '' : 's'}: ${parts} times the norm of the gradient. An identity passes exactly 1.`,
  ];
}
