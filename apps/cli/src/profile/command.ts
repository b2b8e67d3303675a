import { profileNetwork, type Phase, type ProfileEvent } from '@shoal/analyze';
import { networks } from '@shoal/zoo';
import { filter, lastValueFrom, map, tap } from 'rxjs';
import { openRuntime, type BackendName } from '../backends.ts';
import { environmentOf, modeOf } from '../bench/environment.ts';
import { checkFits, modelName } from '../models.ts';
import { checkTargets, exitCode, writeJson, writeText, type Streams } from '../output.ts';
import { progressBar, type Progress } from '../progress.ts';
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
}

/** Where the time of one network goes. */
export async function profile(name: string, options: ProfileCommandOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json, html: options.html });
  const { phase, batch, input, repeat, json, html } = options;
  const model = modelName(name);
  const network = networks[model]();
  const [height, width] = input ?? network.input;
  checkFits(model, [height, width], batch, phase === 'step');
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

function show(event: ProfileEvent, bar: Progress): void {
  if (event.kind === 'prepare') bar.show(event.what);
  if (event.kind === 'run') bar.advance('measuring');
}
