import { gradientFlow, type FlowEvent, type FlowReport } from '@shoal/analyze';
import { networks, type NetworkName } from '@shoal/zoo';
import { filter, lastValueFrom, map, tap } from 'rxjs';
import { openRuntime, type BackendName } from '../backends.ts';
import { environmentOf, type Environment } from '../bench/environment.ts';
import { checkFits, modelName } from '../models.ts';
import { checkTargets, exitCode, writeJson, writeText, type Streams } from '../output.ts';
import { progressBar, type Progress } from '../progress.ts';
import { conclusions } from './conclusions.ts';
import { flowPage } from './page.ts';
import { flowTables } from './tables.ts';

export interface FlowCommandOptions {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly input?: readonly [height: number, width: number];
  readonly batch: number;
  readonly seeds: number;
  readonly json?: string;
  readonly html?: string;
}

/** Where ImageNet networks are looked at unless somebody asks for more: a twelfth of the work of 224x224. */
const largestDefault = 64;

/** Gradient flow of one network, or of several side by side. */
export async function flow(models: readonly string[], options: FlowCommandOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json, html: options.html });
  const tasks = [...new Set(models.map(modelName))].map((model) => ({ model, size: sizeFor(model, options.input) }));
  // Before the first network has run for minutes, the last one is known to fit.
  tasks.forEach(({ model, size }) => checkFits(model, size, options.batch, true));
  const bar = progressBar(streams, tasks.length * options.seeds);
  const reports: FlowReport[] = [];
  let made: { readonly backend: string; readonly threads: number; readonly env: Environment } | undefined;
  try {
    for (const { model, size } of tasks) {
      // A runtime for each: the variables of one live as long as it does.
      const runtime = await openRuntime(options.backend, options);
      made ??= { backend: runtime.info.backend, threads: runtime.info.threads, env: environmentOf(runtime.info) };
      try {
        const { batch, seeds } = options;
        const events = gradientFlow((seed) => networks[model]({ seed }), runtime, { input: size, batch, seeds });
        reports.push(
          await lastValueFrom(
            events.pipe(
              tap((event) => show(event, bar)),
              filter((event) => event.kind === 'report'),
              map(({ report }) => report),
            ),
          ),
        );
      } finally {
        await runtime.dispose();
      }
    }
  } finally {
    bar.stop();
  }
  const sentences = conclusions(reports);
  if (options.json) {
    const json = {
      schema: 'shoal.flow/1',
      ...made,
      models: reports.map(({ network, ...rest }) => ({ model: network, ...rest })),
      conclusions: sentences,
    };
    await writeJson(options.json, json, streams);
  }
  if (options.html) await writeText(options.html, flowPage(reports, sentences, made!.env));
  if (options.json !== '-') {
    streams.out(`${flowTables(reports)}\n\nWhat the numbers say\n${sentences.map((sentence, i) => `${i + 1}. ${sentence}`).join('\n')}\n`);
  }
  if (options.html) streams.log(`Page with plots: ${options.html}\n`);
  return exitCode.fine;
}

function show(event: FlowEvent, bar: Progress): void {
  if (event.kind === 'prepare') bar.show(`preparing ${event.network}`);
  if (event.kind === 'run') bar.advance(`${event.network}, seed ${event.seed}`);
}

function sizeFor(model: NetworkName, size: FlowCommandOptions['input']): readonly [number, number] {
  if (size) return size;
  const [height, width] = networks[model]().input;
  return [Math.min(height, largestDefault), Math.min(width, largestDefault)];
}
