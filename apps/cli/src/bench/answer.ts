import { formatCount, formatMs } from '../table.ts';
import type { BenchRow } from './measure.ts';

/** A claim of the discussion that the rows can check. */
export interface Claim {
  readonly claim: string;
  readonly found: string;
  readonly holds: boolean;
}

type Find = (name: string, phase?: BenchRow['phase']) => BenchRow | undefined;

const finder = (rows: readonly BenchRow[], question: BenchRow['question'], group?: string): Find => {
  const own = rows.filter((row) => row.question === question && (group === undefined || row.group === group));
  return (name, phase) => own.find((row) => row.name === name && (phase === undefined || row.phase === phase));
};

/** The claims of the source discussion about stems, checked with the numbers of the rows. */
export function checkClaims(rows: readonly BenchRow[]): readonly Claim[] {
  const stem = finder(rows, 'one network');
  const [strided, pooled, three, threeStrided] = ['7x7/2', '7x7/1, max 2x2', 'three 3x3/1', 'three 3x3, first /2 (ResNet-D)'].map((name) =>
    stem(name),
  );
  if (!strided || !pooled || !three || !threeStrided) return [];
  const [forward, forwardPooled] = [stem('7x7/2', 'fwd'), stem('7x7/1, max 2x2', 'fwd')];
  const work = pooled.macs / strided.macs;
  const took = forward && forwardPooled ? `, ${(forwardPooled.medianMs / forward.medianMs).toFixed(1)} times the time` : '';
  return [
    {
      claim: '7x7 at stride 1 followed by pooling is 4 times the work of 7x7 at stride 2',
      found: `${work.toFixed(2)} times the multiply-accumulates${took} (${pooled.id}, ${strided.id})`,
      holds: Math.abs(work - 4) < 0.05,
    },
    {
      claim: 'three 3x3 at stride 1 have the same receptive field of 7 as one 7x7',
      found: `${three.receptiveField} (${three.id}) and ${strided.receptiveField} (${strided.id})`,
      holds: three.receptiveField === 7 && strided.receptiveField === 7,
    },
    {
      claim: 'the strided three-3x3 stem of ResNet-D has that receptive field too',
      found: `${threeStrided.receptiveField} (${threeStrided.id}): the first stride doubles the reach of the layers behind it`,
      holds: threeStrided.receptiveField === 7,
    },
  ];
}

const times = (a: BenchRow, b: BenchRow, of = ({ medianMs }: BenchRow): number => medianMs): string =>
  `${(of(a) / of(b)).toFixed(1)} times`;

/** The answer in words: at most six sentences, each pointing at rows or at something published. What was measured decides how they begin. */
export function answerInWords(rows: readonly BenchRow[]): readonly string[] {
  const group = rows.find((row) => row.question === 'one layer')?.group;
  const layer = finder(rows, 'one layer', group);
  const stem = finder(rows, 'one network');
  const phase = rows.some((row) => row.phase === 'fwd') ? 'fwd' : 'bwd';
  const direction = phase === 'fwd' ? 'forward' : 'backward';
  const [max, conv, cheap, depth] = ['max 2x2', 'conv 3x3/2', 'depthwise 3x3/2', 'space-to-depth + 1x1'].map((name) => layer(name, phase));
  const [strided, pooled] = [stem('7x7/2', phase), stem('7x7/1, max 2x2', phase)];
  if (!max || !conv || !cheap || !depth || !strided || !pooled) return published;
  const isPoolingCheaper = max.medianMs < conv.medianMs;
  const isStrideCheaper = strided.medianMs < pooled.medianMs;
  return [
    `Pooling was ${isPoolingCheaper ? '' : 'not '}the cheaper reduction: on ${group}, conv 3x3/2 (${conv.id}) took ${times(conv, max)} as long ${direction} as max 2x2 (${max.id}), ` +
      `${formatMs(conv.medianMs)} against ${formatMs(max.medianMs)} ms, for ${formatCount(conv.params)} parameters that it can train.`,
    `What learns differs in price: depthwise 3x3/2 (${cheap.id}) took ${times(cheap, max)} max pooling's time with ${formatCount(cheap.params)} parameters, ` +
      `while space-to-depth + 1x1 (${depth.id}) keeps every value for ${formatCount(depth.params)} parameters at ${times(depth, max)}.`,
    `Where the stride stands ${isStrideCheaper ? 'counts' : 'did not count here'}: pooling after a 7x7 at stride 1 (${pooled.id}) took ${times(pooled, strided)} as long ${direction} as the stride inside it (${strided.id}), ` +
      `with ${times(pooled, strided, ({ macs }) => macs)} the multiply-accumulates.`,
    ...published,
    `So pool where ${isPoolingCheaper ? 'speed and ' : ''}size decide${isPoolingCheaper ? '' : 's'} (${max.id} against ${conv.id}), ` +
      `and stride where the layer before would otherwise run at full resolution (${strided.id} against ${pooled.id}); ` +
      'what would change the choice is a training run of your own network under your own recipe.',
  ];
}

const published: readonly string[] = [
  'On accuracy, at equal layers the strided network did worse than the pooled one in 9 of 9 comparisons of the All-CNN experiment and its two reproductions (published, not measured here: Springenberg et al. 2015, table 3).',
  'With the parameters made equal, the all-convolutional network beat its pooled control in 2 of 9 (published, not measured here: the same tables), so learned downsampling can replace pooling but is not shown to beat it.',
];
