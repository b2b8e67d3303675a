import type { EdgeFlow, FlowReport, IsolatedConvolution, LayerFlow, TrunkConvolution } from '@shoal/analyze';
import { formatTable, type Column } from '../table.ts';
import { formatFraction, formatNumber, formatRange, formatSummary } from './format.ts';

const right = 'right' as const;

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export const headline = ({ network, input: [batch, h, w], classes, seeds, loss }: FlowReport): string =>
  `${network}: ${batch} images of ${h}x${w}, ${classes} classes, ${seeds.length} ${seeds.length === 1 ? 'run' : 'runs'}, loss ${formatSummary(loss)}`;

/** Gradients stage by stage, with those of the weights that lead to it. */
export function stageTable({ activations, weightGradients }: FlowReport): Table {
  const rows = activations.map(({ name, shape, l2, rms }) => {
    const weights = weightGradients.find(({ stage }) => stage === name);
    const ofWeights = weights ? [formatNumber(weights.l2.mean), formatNumber(weights.relative.mean)] : ['', ''];
    return [name, shape.slice(1).join('x'), formatSummary(l2), formatRange(l2), formatNumber(rms.mean), ...ofWeights];
  });
  const last = weightGradients.find(({ stage }) => stage === 'output');
  const behind = last ? [['output', '', '', '', '', formatNumber(last.l2.mean), formatNumber(last.relative.mean)]] : [];
  return {
    title: 'Gradient of the loss, L2 norm by stage',
    columns: ['stage', 'shape', 'mean [95 % interval]', 'runs', 'RMS', 'of its weights', 'over the weights'],
    rows: [...rows, ...behind],
  };
}

/** Ways that need a word; identities and branches are counted in {@link edgeNote}. */
export const shownEdges = ({ edges }: FlowReport): readonly EdgeFlow[] =>
  edges.filter(({ kind }) => !['identity', 'branch', 'block'].includes(kind));

const spoken: Readonly<Record<EdgeFlow['kind'], string>> = {
  identity: 'identity',
  'group-sum': 'sum of channels',
  shortcut: 'shortcut without weights',
  'convolution-shortcut': 'convolution on the shortcut',
  branch: 'branch',
  block: 'whole block',
  'max-pool': 'max pooling',
  'average-pool': 'average pooling',
  upsampling: 'upsampling',
};

export function edgeTable(report: FlowReport): Table {
  return {
    title: 'Gradient passed by one way alone, its norm over that at the output',
    columns: ['where', 'way', 'gain [95 % interval]', 'runs'],
    rows: shownEdges(report).map(({ name, kind, gain, exact }) => [
      name,
      spoken[kind],
      formatSummary(gain, exact),
      exact ? '' : formatRange(gain),
    ]),
  };
}

export function edgeNote({ edges }: FlowReport): string {
  const of = (kind: EdgeFlow['kind']): readonly number[] => edges.filter((edge) => edge.kind === kind).map(({ gain }) => gain.mean);
  const between = (gains: readonly number[]): string => `${formatNumber(Math.min(...gains))} to ${formatNumber(Math.max(...gains))}`;
  const count = (n: number, one: string, many: string, passes: string): string =>
    n === 1 ? `1 ${one} passes ${passes}` : `${n} ${many} pass ${passes}`;
  const [identities, branches, blocks] = [of('identity').length, of('branch'), of('block')];
  const parts = [
    identities > 0 ? count(identities, 'identity', 'identities', '1 exactly') : '',
    branches.length > 0 ? count(branches.length, 'branch', 'branches', between(branches)) : '',
    blocks.length > 0 ? count(blocks.length, 'whole block', 'whole blocks', between(blocks)) : '',
  ];
  const said = parts.filter((part) => part !== '').join(', ');
  return said === '' ? 'There is no addition of feature maps.' : `Beside these: ${said}.`;
}

const hasUnreached = ({ kind, reached, exact }: LayerFlow): boolean => kind !== 'activation' && (reached.mean < 1 || !exact);

export function reachTable({ layers }: FlowReport): Table {
  return {
    title: 'Layers that leave inputs without gradient',
    columns: ['layer', 'kind', 'inputs that receive some'],
    rows: layers.filter(hasUnreached).map(({ name, kind, reached, exact }) => [name, kind, formatFraction(reached, exact)]),
  };
}

export function reachNote({ layers }: FlowReport): string {
  const means = layers.filter(({ kind }) => kind === 'activation').map(({ reached }) => reached.mean);
  if (means.length === 0) return 'There are no activations.';
  const percent = (value: number): string => `${formatNumber(100 * value)} %`;
  return `${means.length} activations pass on ${percent(Math.min(...means))} to ${percent(Math.max(...means))} of their inputs (measured).`;
}

export function poolTable({ pools }: FlowReport): Table {
  return {
    title: 'Windows of max pooling through which nothing gets back',
    columns: ['pooling', 'windows', 'no gradient arrives', 'all of it inactive', 'dead: either'],
    rows: pools.map(({ name, windows, silent, inactive, dead }) => [
      name,
      String(windows),
      formatFraction(silent),
      inactive ? formatFraction(inactive) : 'reads no ReLU',
      formatFraction(dead),
    ]),
  };
}

const size = ({ window: [h, w], stride: [sh, sw] }: IsolatedConvolution | TrunkConvolution): string =>
  `${h}x${w}${sh * sw > 1 ? `/${sh === sw ? sh : `${sh}x${sw}`}` : ''}`;

export function isolatedText({ isolatedConvolutions: isolated }: FlowReport): string {
  if (isolated.length === 0) return 'Isolated convolutions: none';
  const strided = isolated.filter((each) => each.strided).length;
  const list = isolated.map((each) => `${each.name} (${size(each)}, beside ${each.block})`).join(', ');
  return `Isolated convolutions: ${isolated.length}, ${strided} of them strided: ${list}`;
}

export function trunkText({ trunkConvolutions: trunk }: FlowReport): string {
  if (trunk.every(({ position }) => position === 'plain')) return `Trunk convolutions: all ${trunk.length}; there are no residual blocks`;
  return `Trunk convolutions: ${trunk.map((each) => `${each.name} (${size(each)}, ${each.position})`).join(', ')}`;
}

export function comparisonTable(reports: readonly FlowReport[]): Table {
  return {
    title: 'Networks compared',
    columns: [
      'network',
      'first stage over last',
      'mean [95 % interval]',
      'runs',
      'isolated',
      'strided',
      'gain of isolated, strided / others',
    ],
    rows: reports.map(({ network, shallowOverDeep: { shallow, deep, ratio }, isolatedConvolutions, edges }) => {
      const gains = (strided: boolean): string =>
        isolatedConvolutions
          .filter((each) => each.strided === strided)
          .flatMap(
            ({ name }) => edges.find(({ kind, convolutions }) => kind === 'convolution-shortcut' && convolutions.includes(name)) ?? [],
          )
          .map(({ gain }) => formatNumber(gain.mean))
          .join(' ') || '-';
      const strided = isolatedConvolutions.filter((each) => each.strided).length;
      return [
        network,
        `${shallow} / ${deep}`,
        formatSummary(ratio),
        formatRange(ratio),
        String(isolatedConvolutions.length),
        String(strided),
        `${gains(true)} / ${gains(false)}`,
      ];
    }),
  };
}

function asText({ title, columns, rows }: Table): string {
  const typed = columns.map((column, i): Column<readonly string[]> => ({
    title: column,
    align: i === 0 ? 'left' : right,
    text: (row) => row[i]!,
  }));
  return `${title}\n${rows.length > 0 ? formatTable(typed, rows) : 'none'}`;
}

/** Everything for the terminal. */
export function flowTables(reports: readonly FlowReport[]): string {
  const each = reports.map((report) =>
    [
      headline(report),
      asText(stageTable(report)),
      `${isolatedText(report)}\n${trunkText(report)}`,
      `${asText(edgeTable(report))}\n${edgeNote(report)}`,
      `${asText(reachTable(report))}\n${reachNote(report)}`,
      asText(poolTable(report)),
    ].join('\n\n'),
  );
  return [...each, ...(reports.length > 1 ? [asText(comparisonTable(reports))] : [])].join('\n\n\n');
}
