import type { Phase } from '@shoal/analyze';
import { networks } from '@shoal/zoo';
import { openRuntime, type BackendName } from '../../backends.ts';
import { checkFits, modelName } from '../../models.ts';
import { checkTargets, exitCode, writeJson, writeText, type Streams } from '../../output.ts';
import { formatTable } from '../../table.ts';
import { environmentOf } from '../environment.ts';
import { collectRows } from '../sampling.ts';
import { measureNetworks } from './measure.ts';
import { encodingNotes, networkColumns, networkHeadline, networkNotes, networksPage } from './report.ts';

export interface NetworkBenchCommandOptions {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly autotune?: boolean;
  readonly phase: readonly Phase[];
  readonly batch: number;
  readonly input?: readonly [height: number, width: number];
  readonly repeat: number;
  readonly json?: string;
  readonly html: string;
}

/** Whole networks of the zoo, inference and training steps side by side. */
export async function benchNetworks(names: readonly string[], options: NetworkBenchCommandOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json, html: options.html });
  const { phase: phases, batch, input, repeat, json, html } = options;
  const models = [...new Set(names.map(modelName))];
  for (const model of models) {
    const [height, width] = input ?? networks[model]().input;
    checkFits(model, [height, width], batch, phases.includes('step'));
  }
  const runtime = await openRuntime(options.backend, options);
  try {
    runtime.info.notes.forEach((note) => streams.log(`${note}\n`));
    const events = measureNetworks(runtime, { models, phases, batch, repeat, ...(input ? { input } : {}) });
    const rows = await collectRows(events, models.length * phases.length * repeat, streams);
    const env = environmentOf(runtime.info);
    if (json) await writeJson(json, { schema: 'shoal.bench-model/1', env, rows }, streams);
    await writeText(html, networksPage(rows, env));
    if (json !== '-')
      streams.out(
        [formatTable(networkColumns, rows), networkHeadline(rows[0]!), '', ...encodingNotes(rows), ...networkNotes, ''].join('\n'),
      );
    streams.log(`Report with plots: ${html}\n`);
    return exitCode.fine;
  } finally {
    await runtime.dispose();
  }
}
