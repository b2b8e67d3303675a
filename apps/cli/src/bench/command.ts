import { fileURLToPath } from 'node:url';
import { openRuntime, type BackendName } from '../backends.ts';
import { readPhotograph } from '../image.ts';
import { checkTargets, exitCode, writeJson, writeText, type Streams } from '../output.ts';
import { answerInWords, checkClaims } from './answer.ts';
import { geometries, layerArms, stemArms } from './arms.ts';
import type { Phase } from './arm.ts';
import { environmentOf } from './environment.ts';
import { measure } from './measure.ts';
import { reducedPictures } from './pictures.ts';
import { htmlReport } from './report.ts';
import { collectRows } from './sampling.ts';
import { benchTables } from './tables.ts';

export interface BenchCommandOptions {
  readonly backend: BackendName;
  readonly threads?: number;
  readonly autotune?: boolean;
  readonly image?: string;
  readonly phase: readonly Phase[];
  readonly repeat: number;
  readonly json?: string;
  readonly html: string;
}

const shippedPhotograph = fileURLToPath(new URL('../../assets/chelsea.png', import.meta.url));
const credit = 'chelsea.png by Stefan van der Walt (CC0), as distributed with scikit-image.';
/** The input size of ImageNet networks. */
const pictureSize = 224;

/** The main job: every way to halve a feature map, and the stems of real networks, on a photograph. */
export async function bench(options: BenchCommandOptions, streams: Streams): Promise<number> {
  await checkTargets({ json: options.json, html: options.html });
  const photograph = await readPhotograph(options.image ?? shippedPhotograph, pictureSize);
  const runtime = await openRuntime(options.backend, options);
  runtime.info.notes.forEach((note) => streams.log(`${note}\n`));
  const arms = [...geometries.flatMap(layerArms), ...stemArms(photograph)];
  const samples = arms.length * options.phase.length * options.repeat;
  const rows = await collectRows(measure(runtime, arms, { phases: options.phase, repeat: options.repeat }), samples, streams);
  const environment = environmentOf(runtime.info);
  await runtime.dispose();
  const claims = checkClaims(rows);
  const answer = answerInWords(rows);
  if (options.json) await writeJson(options.json, { schema: 'shoal.bench/1', env: environment, rows, claims, answer }, streams);
  const pictures = await reducedPictures(photograph);
  await writeText(options.html, htmlReport({ environment, rows, claims, answer, pictures, credit: options.image ? '' : credit }));
  if (options.json !== '-') {
    const { backend, threads, clock } = rows[0]!;
    streams.out(`${benchTables(rows)}\n`);
    streams.out(
      `Backend ${backend}, ${threads} thread${threads === 1 ? '' : 's'}, clock: ${clock}, ${options.repeat} interleaved samples a row.\n\n`,
    );
    claims.forEach(({ claim, found, holds }) => streams.out(`Claim ${holds ? 'holds' : 'does not hold'}: ${claim}.\n  Found: ${found}.\n`));
    streams.out(`\nPool or stride?\n${answer.map((sentence, i) => `${i + 1}. ${sentence}`).join('\n')}\n`);
  }
  streams.log(`Report with plots: ${options.html}\n`);
  return exitCode.fine;
}
