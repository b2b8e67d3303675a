/**
 * Has something become slower than it was? Times are no answer on a machine that is not quiet, and none at all on another one. So this
 * compares ratios: how long each item takes beside the others that were measured with it, interleaved, in the same process.
 *
 *     npx -y pnpm@12 bench:check                     compare with the baseline of the repository; ends with 1 if something is slower
 *     npx -y pnpm@12 bench:check --update            make the baseline anew, for those who changed something on purpose
 *     npx -y pnpm@12 bench:check --store FILE        compare with, or update, a file of your own, such as one made before a change
 *
 * Each suite runs in several processes, alternating. How far the ratios move from one to the next, though the code is the same, is the
 * noise; only what changed by more is named. Ratios differ between processors and engine versions too: where those of the baseline are
 * others, make one of your own first.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compare, standingsOf, type Comparison, type Round, type Standings } from './compare.ts';

interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly v8: string;
  readonly flags: Readonly<Record<string, unknown>>;
}

interface Store {
  readonly schema: 'shoal.bench-check/1';
  readonly date: string;
  readonly machine: Machine;
  readonly suites: Readonly<Record<string, Standings>>;
}

interface Row {
  readonly phase: string;
  readonly samplesNs: readonly number[];
  readonly model?: string;
  readonly group?: string;
  readonly name?: string;
}

const root = join(import.meta.dirname, '../..');

/** What `shoal bench` is asked for. One thread: the others of a busy machine come and go. */
const suites: Readonly<Record<string, readonly string[]>> = {
  layers: ['--repeat', '25'],
  networks: ['squeezenet1_1', 'resnet18', 'all-cnn-c', 'fishnet-mini']
    .flatMap((model) => ['--model', model])
    .concat('--input', '96', '--repeat', '15'),
};

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: join(root, 'tools/bench-check/baseline.json') },
    update: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
  },
});

const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 2) throw new Error(`--rounds ${values.rounds} is not a whole number of at least 2`);
const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-check-'));

function run(suite: string): { readonly round: Round; readonly machine: Machine } {
  const argv = ['apps/cli/dist/main.js', 'bench', '--threads', '1', ...suites[suite]!, '--json', '-', '--html', join(folder, 'page.html')];
  const text = execFileSync(process.execPath, argv, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1e9 });
  const { env, rows } = JSON.parse(text) as { readonly env: Machine; readonly rows: readonly Row[] };
  // The fastest sample: what disturbs a run makes it slower, never faster (Chen and Revels, "Robust benchmarking in noisy environments", 2016).
  const round = new Map(rows.map(({ model, group, name, phase, samplesNs }) => [`${model ?? `${group}, ${name}`}, ${phase}`, Math.min(...samplesNs) / 1e6])); // prettier-ignore
  const { cpu, cores, v8, flags } = env;
  return { round, machine: { cpu, cores, v8, flags } };
}

/** All suites, in turn, as often as there are rounds. */
function measure(): Pick<Store, 'machine' | 'suites'> {
  const found = new Map<string, Round[]>(Object.keys(suites).map((suite) => [suite, []]));
  let machine: Machine | undefined;
  for (let i = 0; i < rounds; i++) {
    for (const [suite, own] of found) {
      process.stderr.write(`round ${i + 1} of ${rounds}: ${suite}\n`);
      const made = run(suite);
      own.push(made.round);
      machine = made.machine;
    }
  }
  return { machine: machine!, suites: Object.fromEntries([...found].map(([suite, own]) => [suite, standingsOf(own)])) };
}

const percent = (change: number): string => `${change > 0 ? '+' : ''}${(100 * change).toFixed(1)} %`;

function print(suite: string, compared: readonly Comparison[]): void {
  const changed = compared.filter(({ verdict }) => verdict !== 'same').toSorted((a, b) => b.change - a.change);
  const floors = compared.map(({ floor }) => floor);
  console.log(`${suite}: ${compared.length} items, noise ${percent(Math.min(...floors))} to ${percent(Math.max(...floors))}`);
  for (const { item, change, floor, verdict } of changed)
    console.log(`  ${verdict.padEnd(7)}${percent(change).padStart(9)}  (noise ${percent(floor)})  ${item}`);
  if (changed.length === 0) console.log('  nothing changed by more than noise');
}

/** What of a machine is not what it was: ratios may differ for that alone. */
const differences = (was: Machine, now: Machine): readonly string[] =>
  (['cpu', 'cores', 'v8', 'flags'] as const)
    .filter((fact) => JSON.stringify(was[fact]) !== JSON.stringify(now[fact]))
    .map((fact) => `${fact} was ${JSON.stringify(was[fact])}, is ${JSON.stringify(now[fact])}`);

try {
  const now = measure();
  if (values.update) {
    const store: Store = { schema: 'shoal.bench-check/1', date: new Date().toISOString(), ...now };
    writeFileSync(values.store, `${JSON.stringify(store, null, 2)}\n`);
    console.log(`Baseline written: ${values.store}`);
  } else {
    const baseline = JSON.parse(readFileSync(values.store, 'utf8')) as Store;
    differences(baseline.machine, now.machine).forEach((difference) => console.log(`Not the machine of the baseline: ${difference}.`));
    const compared = Object.entries(now.suites).map(([suite, own]) => [suite, compare(baseline.suites[suite] ?? {}, own)] as const);
    compared.forEach(([suite, rows]) => print(suite, rows));
    if (compared.some(([, rows]) => rows.some(({ verdict }) => verdict === 'slower'))) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
