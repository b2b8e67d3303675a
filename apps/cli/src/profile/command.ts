import { countNetwork, profileNetwork, type Phase, type ProfileEvent } from '@shoal/analyze';
import { networks, type NetworkName } from '@shoal/zoo';
import { filter, lastValueFrom, map, tap } from 'rxjs';
import { openRuntime, type BackendName } from '../backends.ts';
import { environmentOf, modeOf } from '../bench/environment.ts';
import { checkFits, modelName } from '../models.ts';
import { checkTargets, exitCode, UsageError, writeJson, writeText, type Streams } from '../output.ts';
import { progressBar, type Progress } from '../progress.ts';
import { countMarkdown, countText } from './count.ts';
import { profilePage } from './page.ts';
import { profileText } from './tables.ts';

export interface ProfileCommandOptions {
  readonly phase: Phase;
  readonly backend: BackendName;
  readonly threads?: number;
  readonly autotune?: boolean;
  readonly batch: number;
  readonly input?: readonly [height: number, width: number];
  readonly repeat: number;
  readonly json?: string;
  readonly html?: string;
  /** Read off the kernels what they ask of the device, and run nothing. */
  readonly count?: true;
  /** With `count`. */
  readonly markdown?: string;
}

/** Where the time of one network goes. */
export async function profile(name: string, options: ProfileCommandOptions, streams: Streams): Promise<number> {
  if (options.count && options.html !== undefined) throw new UsageError('--html is a plot of times, and --count has none');
  if (!options.count && options.markdown !== undefined) throw new UsageError('--markdown is the table of --count');
  await checkTargets({ json: options.json, html: options.html, markdown: options.markdown });
  const { phase, batch, input, repeat, json, html } = options;
  const model = modelName(name);
  const network = networks[model]();
  const [height, width] = input ?? network.input;
  checkFits(model, [height, width], batch, phase === 'step');
  if (options.count) return count(model, options, streams);
  const bar = progressBar(streams, 2 * repeat);
  const runtime = await openRuntime(options.backend, { ...options, onTuning: (kernel) => bar.show(`timing ${kernel}`) });
  try {
    const events = profileNetwork(runtime, network, { phase, batch, repeat, input: [height, width] });
    const found = await lastValueFrom(
      events.pipe(
        tap((event) => show(event, bar)),
        filter((event) => event.kind === 'report'),
        map(({ report }) => report),
      ),
    );
    const report = { ...found, ...modeOf(runtime.info) };
    const env = environmentOf(runtime.info);
    if (json) await writeJson(json, { schema: 'shoal.profile/1', env, ...report }, streams);
    if (html) await writeText(html, profilePage(report, env));
    if (json !== '-') streams.out(profileText(report));
    if (html) streams.log(`Page with a plot: ${html}\n`);
    return exitCode.fine;
  } finally {
    bar.stop();
    await runtime.dispose();
  }
}

/** What one network asks of a device. */
async function count(model: NetworkName, options: ProfileCommandOptions, streams: Streams): Promise<number> {
  const { phase, batch, input, json, markdown } = options;
  const runtime = await openRuntime(options.backend, options);
  try {
    const counted = await countNetwork(runtime, networks[model](), { phase, batch, ...(input ? { input } : {}) });
    if (json) await writeJson(json, { schema: 'shoal.count/1', ...counted }, streams);
    if (markdown) await writeText(markdown, countMarkdown(counted));
    if (json !== '-') streams.out(countText(counted));
    return exitCode.fine;
  } finally {
    await runtime.dispose();
  }
}

function show(event: ProfileEvent, bar: Progress): void {
  if (event.kind === 'prepare') bar.show(event.what);
  if (event.kind === 'run') bar.advance('measuring');
}
