import { cost, costOn, sumCounts, type AxisField, type Convention, type Counts, type LayerCost, type NetworkCost } from '@shoal/analyze';
import { ShapeError } from '@shoal/core';
import { networks, type NetworkName } from '@shoal/zoo';
import { openRuntime, type BackendName } from './backends.ts';
import { modelName } from './models.ts';
import { checkTargets, exitCode, messageOf, UsageError, writeJson, type Streams } from './output.ts';
import { progressBar } from './progress.ts';
import { formatBytes, formatCount, formatTable, type Column } from './table.ts';

export interface CostCommandOptions {
  readonly input?: readonly [height: number, width: number];
  readonly batch: number;
  readonly by: 'layer' | 'stage' | 'kind';
  readonly backend?: BackendName;
  readonly threads?: number;
  readonly convention: Convention;
  readonly json?: string;
}

/** Layers of one stage or one kind, summed. */
export interface CostGroup extends Counts {
  readonly name: string;
  /** How many layers. */
  readonly layers: number;
}

/** What a network costs: parameters, operations, memory and receptive field. */
export async function costCommand(model: string, options: CostCommandOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json });
  const counted = await countModel(modelName(model), options, streams);
  const { by, backend, json } = options;
  const groups = by === 'layer' ? null : { by, rows: groupLayers(counted.layers, by) };
  if (json) await writeJson(json, { ...counted, ...(backend ? { backend } : {}), ...(groups ? { by, groups: groups.rows } : {}) }, streams);
  if (json === '-') return exitCode.fine;
  streams.out(`${groups ? groupTable(groups.rows, groups.by, counted) : layerTable(counted.layers)}\n\n${totals(counted, backend)}`);
  return exitCode.fine;
}

/** @throws UsageError when the network cannot take an image of the size that was asked for */
async function countModel(model: NetworkName, options: CostCommandOptions, streams: Streams): Promise<NetworkCost> {
  const { input, batch, convention, backend } = options;
  const network = networks[model]();
  const wanted = { batch, convention, ...(input ? { input } : {}) };
  const bar = progressBar(streams, 1);
  bar.show(backend ? `counting, and compiling for ${backend}` : 'counting');
  try {
    if (!backend) return cost(network, wanted);
    const runtime = await openRuntime(backend, options);
    try {
      return await costOn(runtime, network, wanted);
    } finally {
      await runtime.dispose();
    }
  } catch (error) {
    if (error instanceof ShapeError) throw new UsageError(messageOf(error));
    throw error;
  } finally {
    bar.stop();
  }
}

function groupLayers(layers: readonly LayerCost[], by: 'stage' | 'kind'): readonly CostGroup[] {
  return [...Map.groupBy(layers, (layer) => layer[by])].map(([name, own]) => ({ name, layers: own.length, ...sumCounts(own) }));
}

const exact = (count: number): string => count.toLocaleString('en-US');
/** Nothing where there is none, so that the table shows where something is. */
const unlessZero = (count: number, text: (count: number) => string): string => (count === 0 ? '' : text(count));
const right = 'right' as const;

const countColumns: readonly Column<Counts>[] = [
  { title: 'params', align: right, text: ({ params }) => unlessZero(params, exact) },
  { title: 'MACs', align: right, text: ({ macs }) => unlessZero(macs, formatCount) },
  { title: 'compare', align: right, text: ({ comparisons }) => unlessZero(comparisons, formatCount) },
  { title: 'add', align: right, text: ({ additions }) => unlessZero(additions, formatCount) },
  { title: 'multiply', align: right, text: ({ multiplications }) => unlessZero(multiplications, formatCount) },
  { title: 'other', align: right, text: ({ transcendentals }) => unlessZero(transcendentals, formatCount) },
  { title: 'moved', align: right, text: ({ bytes }) => unlessZero(bytes, formatBytes) },
];

const operationsColumn: Column<Counts> = {
  title: 'FishNet ops',
  align: right,
  text: ({ operations = 0 }) => unlessZero(operations, formatCount),
};

const columnsFor = ({ operations }: Counts): readonly Column<Counts>[] =>
  operations === undefined ? countColumns : [...countColumns, operationsColumn];

/** Height and width, once where they are the same. */
function bothAxes({ height, width }: LayerCost['receptiveField'], text: (field: AxisField) => string): string {
  const [h, w] = [text(height), text(width)];
  return h === w ? h : `${h} x ${w}`;
}

const fieldText = ({ size, local }: AxisField): string =>
  size !== 'whole image' ? String(size) : local === null ? 'image' : `image (${local})`;
const orDash = (value: number | null): string => (value === null ? '-' : String(value));

function layerTable(layers: readonly LayerCost[]): string {
  const columns: readonly Column<LayerCost>[] = [
    { title: 'layer', text: ({ name }) => name },
    { title: 'kind', text: ({ kind }) => kind },
    { title: 'output', align: right, text: ({ shape }) => shape.slice(1).join('x') },
    ...columnsFor(layers[0]!),
    { title: 'field', align: right, text: ({ receptiveField }) => bothAxes(receptiveField, fieldText) },
    { title: 'jump', align: right, text: ({ receptiveField }) => bothAxes(receptiveField, ({ jump }) => orDash(jump)) },
    { title: 'start', align: right, text: ({ receptiveField }) => bothAxes(receptiveField, ({ start }) => orDash(start)) },
  ];
  return formatTable(columns, layers);
}

function groupTable(groups: readonly CostGroup[], by: 'stage' | 'kind', total: Counts): string {
  const columns: readonly Column<CostGroup>[] = [
    { title: by, text: ({ name }) => name },
    { title: 'layers', align: right, text: ({ layers }) => String(layers) },
    ...columnsFor(total),
    { title: 'of all MACs', align: right, text: ({ macs }) => unlessZero(macs, (count) => `${((100 * count) / total.macs).toFixed(1)} %`) },
  ];
  return formatTable(columns, groups);
}

function totals(counted: NetworkCost, backend: BackendName | undefined): string {
  const { model, input, params, logicalBytes, plannedBytes, receptiveField, operations, notes } = counted;
  const counts = (['macs', 'comparisons', 'additions', 'multiplications', 'transcendentals'] as const).map(
    (name) => [headings[name], `${exact(counted[name])}${counted[name] < 1000 ? '' : ` (${formatCount(counted[name])})`}`] as const,
  );
  const { height, width, layer } = receptiveField;
  const apart = Math.max(height.misalignment, width.misalignment);
  const lines = [
    ['parameters', `${exact(params)} (${formatBytes(4 * params)} in float32)`],
    ...counts,
    ...(operations === undefined
      ? []
      : [["operations, FishNet's way", `${exact(operations)} an image (${(operations / 1e9).toFixed(2)} G)`] as const]),
    ['activations, inference', `${formatBytes(logicalBytes.inference)} [1]`],
    ['activations, training', logicalBytes.training === null ? 'none: see below' : `${formatBytes(logicalBytes.training)} [1]`],
    ...(plannedBytes === undefined
      ? []
      : [[`arena on ${backend}`, `${formatBytes(plannedBytes)} (${exact(plannedBytes)} bytes) [3]`] as const]),
    [`field of ${layer}`, `${fieldText(height)} x ${fieldText(width)}, jump ${orDash(height.jump)} x ${orDash(width.jump)} [2]`],
    ['paths that meet', apart === 0 ? 'all look at the same place' : `look at places up to ${apart} pixels apart`],
  ] as const;
  const [batch, h, w] = input;
  return [
    `${model}, ${h}x${w}, ${batch} image${batch === 1 ? '' : 's'}`,
    ...lines.map(([name, text]) => `  ${name.padEnd(Math.max(...lines.map(([each]) => each.length)))}  ${text}`),
    ...notes,
    '',
    ...footnotes(plannedBytes !== undefined),
    '',
  ].join('\n');
}

const headings = {
  macs: 'multiply-accumulates',
  comparisons: 'comparisons',
  additions: 'additions beside them',
  multiplications: 'multiplications beside them',
  transcendentals: 'divisions, roots, exponentials',
} as const;

const footnotes = (planned: boolean): readonly string[] => [
  '[1] The largest sum of tensors alive at one step, unpadded float32, nothing fused: the image until it was read, intermediates, and outputs;',
  '    for training also the labels, what the gradients need, and the gradients of all parameters. Parameters and running statistics are not in it.',
  '[2] Of the last map: the box of pixels that one element depends on, as if the image went on. "image" is all of it; in brackets, without the',
  '    paths that read all of it anyway. Jump is the step from one element to the next, start the middle of the first one, in pixels.',
  ...(planned
    ? ['[3] What the backend allocates for inference: all tensors of a run, fused, placed and aligned. Parameters are not in it.']
    : []),
  'Moved: inputs, parameters and output of each layer once, unpadded float32.',
];
