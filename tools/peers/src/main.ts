import { writeFile } from 'node:fs/promises';
import { matchesGlob } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { measure } from './coordinator.ts';
import { engineNames, engines, usualEngineNames } from './engines/registry.ts';
import { installPeers } from './install.ts';
import { markdownReport, textReport } from './report.ts';
import { gpuWorks, phases, works, type Phase, type Work } from './works/index.ts';

interface Options {
  readonly layers?: string;
  readonly networks?: readonly string[];
  readonly peers: readonly string[];
  readonly phase: readonly Phase[];
  readonly threads: readonly number[];
  readonly repeat: number;
  readonly json?: string;
  readonly markdown?: string;
  readonly list?: boolean;
  readonly gpu?: boolean;
}

const words = (text: string): readonly string[] => text.split(',').map((word) => word.trim());

/** A list whose words are all known. */
const known =
  <T extends string>(names: readonly T[]) =>
  (text: string): readonly T[] =>
    words(text).map((word) => {
      const found = names.find((name) => name === word);
      if (found === undefined) throw new InvalidArgumentError(`'${word}' is none of ${names.join(', ')}.`);
      return found;
    });

const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(`It is not a whole number of at least ${least}.`);
    return value;
  };

const program = new Command('bench:peers')
  .description(
    'The same work, with the same numbers, in Shoal and in other engines: results checked, samples interleaved, times as ratios.',
  )
  .option('--layers <glob>', "layers to measure, by name: '*3x3*'. Without --layers and --networks: all layers and networks")
  .option('--networks <list>', 'networks to measure, for inference and training, by name', words)
  .addOption(
    new Option('--peers <list>', `engines that take part, Shoal's among them: ${engineNames.join(', ')}`)
      .argParser(known(engineNames))
      .default(usualEngineNames, 'all but those on GPUs'),
  )
  .option('--phase <list>', `${phases.join(', ')}: forward, backward, a training step`, known(phases), phases)
  .option('--threads <list>', 'numbers of threads, each measured by itself', (text) => words(text).map(wholeNumber(1)), [1])
  .option('--repeat <n>', 'samples of each engine', wholeNumber(3), 11)
  .option('--json <file>', 'write the record with all samples (shoal.peers/1); - is standard output')
  .option('--markdown <file>', 'write the tables as Markdown')
  .option('--gpu', 'the work of GPUs: layers, inference and training of ResNet-50, batches of 64')
  .option('--list', 'name what would be measured, and stop')
  .allowExcessArguments(false)
  .exitOverride()
  .showHelpAfterError('Run with --help for the options and examples.')
  .addHelpText(
    'after',
    `
Examples:
  npx -y pnpm@12 bench:peers --layers '*3x3*' --phase fwd --peers shoal,shoal-wide,ort-web,ort-node
  npx -y pnpm@12 bench:peers --networks resnet18,squeezenet1_1 --threads 1,2 --markdown peers.md
  npx -y pnpm@12 bench:peers --networks resnet18 --peers shoal-webgpu-chromium,tfjs-webgpu,ort-webgpu
  npx -y pnpm@12 bench:peers --gpu --peers shoal-cuda,shoal-cuda-cudnn,pytorch-cuda,pytorch-cuda-graph,ort-cuda
  npx -y pnpm@12 -s bench:peers --layers 'AllCNN*' --phase bwd --repeat 21 --json - > peers.json

The first run installs the peers into tools/peers/third-party. PyTorch takes part where /usr/bin/python3, or the one that SHOAL_PYTHON names, can import torch.
Engines on WebGPU take the GPU, and else an adapter that computes on the CPU, which the tables mark as software.`,
  );

/** What the options name. A layer's id is its name, a space, and what is computed: globs are matched against both. */
function chosen({ layers, networks, phase, gpu }: Options): readonly Work[] {
  const everything = layers === undefined && networks === undefined;
  const matches = ({ group, id }: Work): boolean => {
    if (everything) return true;
    if (group === 'layer') return layers !== undefined && (matchesGlob(id, layers) || matchesGlob(id, `${layers} *`));
    return networks?.includes(id.split(' ')[0]!) ?? false;
  };
  return (gpu ? gpuWorks : works).filter((work) => phase.includes(work.phase) && matches(work));
}

async function run(options: Options): Promise<number> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  const selected = chosen(options);
  if (selected.length === 0) {
    log(`Nothing has that name. There are:\n${works.map(({ id }) => `  ${id}`).join('\n')}`);
    return 2;
  }
  if (options.list) {
    selected.forEach(({ id }) => console.log(id));
    return 0;
  }
  const taking = engines.filter(({ name }) => options.peers.includes(name));
  if (taking.some(({ installed }) => installed)) installPeers(log);
  const record = await measure({ ...options, works: selected, engines: taking, phases: options.phase, log });
  if (options.json === '-') console.log(JSON.stringify(record, null, 1));
  else if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(record, null, 1)}\n`);
  if (options.markdown !== undefined) await writeFile(options.markdown, markdownReport(record));
  if (options.json !== '-') process.stdout.write(textReport(record));
  return 0;
}

try {
  await program.parseAsync();
  process.exitCode = await run(program.opts<Options>());
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
