import Table from 'cli-table3';
import { geometricMean } from 'simple-statistics';
import { isMeasured, type Measured, type PeersRecord, type RatioRecord, type Row } from './record.ts';

/** A table, before it is text. The first column is on the left, numbers are on the right. */
interface Grid {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type Printer = (grid: Grid) => string;
/** An engine in a table: whose GPU is software, says so. */
type Label = (engine: string) => string;

/** For the terminal, without colours: as readable in a file. */
const asText: Printer = ({ title, head, rows }) => {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, i) => (i === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  rows.forEach((row) => table.push([...row]));
  return `${title}\n${table.toString()}`;
};

const asMarkdown: Printer = ({ title, head, rows }) => {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [`**${title}**\n`, line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
};

export const textReport = (record: PeersRecord): string => report(record, asText);
export const markdownReport = (record: PeersRecord): string => report(record, asMarkdown);

function report(record: PeersRecord, print: Printer): string {
  const titleOf = ({ group, phase, threads }: Row): string => `${group}, ${phase}, ${threads} thread${threads > 1 ? 's' : ''}`;
  const software = new Set(record.engines.flatMap(({ name, info }) => (info?.flags['software'] === true ? [name] : [])));
  const labelOf: Label = (engine) => (software.has(engine) ? `${engine} (software)` : engine);
  const sections = [...new Set(record.rows.map(titleOf))].map((title) => ({
    title,
    rows: record.rows.filter((row) => titleOf(row) === title),
  }));
  const grids = sections.flatMap(({ title, rows }) => [
    timeGrid(title, rows, labelOf),
    ...shoalsOf(rows).map((shoal) => ratioGrid(title, shoal, rows, labelOf)),
  ]);
  return [...grids.map(print), reasons(record), setup(record)].filter((part) => part !== '').join('\n\n') + '\n';
}

/** Two digits: `0.53`, `0.0021`. */
const ratioText = (ratio: number): string => (ratio < 0.1 ? String(Number(ratio.toPrecision(2))) : ratio.toFixed(2));

const milliseconds = (nanoseconds: number): string => (nanoseconds / 1e6).toPrecision(3);

const measuredIn = ({ measurements }: Row, engine: string): Measured | undefined =>
  measurements.filter(isMeasured).find((measurement) => measurement.engine === engine);

/** Engines in their order, those left out that measured nothing here. */
const enginesOf = (rows: readonly Row[]): readonly string[] => [
  ...new Set(
    rows
      .flatMap(({ measurements }) => measurements.map(({ engine }) => engine))
      .filter((engine) => rows.some((row) => measuredIn(row, engine))),
  ),
];

const shoalsOf = (rows: readonly Row[]): readonly string[] => [...new Set(rows.flatMap(({ ratios }) => ratios.map(({ shoal }) => shoal)))];

function timeGrid(title: string, rows: readonly Row[], labelOf: Label): Grid {
  const engines = enginesOf(rows);
  const cell = (row: Row, engine: string): string => {
    const found = measuredIn(row, engine);
    return found
      ? `${milliseconds(found.medianNs)} (${milliseconds(found.q1Ns)}-${milliseconds(found.q3Ns)}), ${milliseconds(found.bestNs)}`
      : '-';
  };
  return {
    title: `Milliseconds a run, median (quartiles), best: ${title}`,
    head: ['work', ...engines.map(labelOf)],
    rows: rows.map((row) => [row.work, ...engines.map((engine) => cell(row, engine))]),
  };
}

function ratioGrid(title: string, shoal: string, rows: readonly Row[], labelOf: Label): Grid {
  const ofShoal = (row: Row): readonly RatioRecord[] => row.ratios.filter((ratio) => ratio.shoal === shoal);
  const peers = [...new Set(rows.flatMap((row) => ofShoal(row).map(({ peer }) => peer)))];
  const find = (row: Row, peer: string, clock: RatioRecord['clock']): RatioRecord | undefined =>
    ofShoal(row).find((ratio) => ratio.peer === peer && ratio.clock === clock);
  const cell = (row: Row, peer: string): string => {
    const [call, device] = [find(row, peer, 'call'), find(row, peer, 'device')];
    if (!call) return '-';
    return `${ratioText(call.ratio)} [${ratioText(call.low)}, ${ratioText(call.high)}]${device ? ` / ${ratioText(device.ratio)}` : ''}`;
  };
  const mean = (peer: string, clock: RatioRecord['clock']): string => {
    const ratios = rows.flatMap((row) => find(row, peer, clock)?.ratio ?? []);
    return ratios.length === 0 ? '' : ratioText(geometricMean(ratios));
  };
  const means = peers.map((peer) => [mean(peer, 'call'), mean(peer, 'device')].filter((text) => text !== '').join(' / '));
  return {
    title: `Time of ${labelOf(shoal)} / time of the peer, around the call [95 % interval] / with operands in place: ${title}`,
    head: ['work', ...peers.map(labelOf)],
    rows: [
      ...rows.map((row) => [row.work, ...peers.map((peer) => cell(row, peer))]),
      ...(rows.length > 1 ? [['geometric mean', ...means]] : []),
    ],
  };
}

/** Why there are gaps: each reason once, with how many works it left out. */
function reasons({ rows, engines }: PeersRecord): string {
  const counted = new Map<string, number>();
  for (const { measurements } of rows) {
    for (const measurement of measurements) {
      if (isMeasured(measurement)) continue;
      const key = `${measurement.engine}: ${measurement.reason}`;
      counted.set(key, (counted.get(key) ?? 0) + 1);
    }
  }
  for (const { name, info, reason } of engines)
    if (!info && reason !== undefined && !counted.has(`${name}: ${reason}`)) counted.set(`${name}: ${reason}`, rows.length);
  if (counted.size === 0) return '';
  return ['Not measured:', ...[...counted].map(([reason, count]) => `- ${reason} (${count} of ${rows.length})`)].join('\n');
}

function setup({ env, engines, options }: PeersRecord): string {
  const described = engines.flatMap(({ name, title, threads, info }) => {
    if (!info) return [];
    const flags = Object.entries(info.flags).map(([flag, value]) => `${flag} ${value}`);
    return [
      `- ${name}: ${title}, ${info.version}, ${info.threads} of ${threads} asked thread${threads > 1 ? 's' : ''}${flags.length > 0 ? `; ${flags.join(', ')}` : ''}`,
    ];
  });
  return [
    `${env.cpu}, ${env.cores} cores, ${env.platform}, Node ${env.node} (V8 ${env.v8}), Shoal ${env.shoal} at ${env.commit || 'no commit'}, ${env.date.slice(0, 10)}; ` +
      `${options.repeat} interleaved samples; load average ${env.load.before.toFixed(1)} before and ${env.load.after.toFixed(1)} after.`,
    ...described,
    ...(engines.some(({ info }) => info?.flags['software'] === true)
      ? ['Software: a GPU computed on the CPU. Its times say nothing about a GPU.']
      : []),
  ].join('\n');
}
