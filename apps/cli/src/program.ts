import { ShoalError } from '@shoal/core';
import { Command, CommanderError, Option } from 'commander';
import { backendName, backendNames } from './backends.ts';
import { version } from './bench/environment.ts';
import { exitCode, imageSize, isExpected, UsageError, wholeNumber, type Streams } from './output.ts';

const phasesOf = {
  layers: ['fwd', 'bwd'],
  models: ['fwd', 'step'],
} as const;

/** The phases of a list that are of one kind of benchmark, or all there are. */
function phases<P extends string>(text: string | undefined, known: readonly P[], hint: string): readonly P[] {
  if (text === undefined) return known;
  return text.split(',').map((phase, i, all) => {
    const found = known.find((each) => each === phase);
    if (!found) throw new UsageError(`--phase ${text}: '${phase}' is no phase${hint}. Phases: ${known.join(', ')}`);
    if (all.indexOf(phase) !== i) throw new UsageError(`--phase ${text}: ${phase} is there twice`);
    return found;
  });
}

/**
 * Runs one command and returns the exit code. Commands are loaded when they are asked for, so that `--help` is quick. `enableWide` is
 * called before a command unless `--no-wide` is given: it decides for the whole process, so only who owns the process passes it.
 */
export async function runCommandLine(argv: readonly string[], streams: Streams, enableWide?: () => void): Promise<number> {
  let code: number = exitCode.fine;
  const program = commands(streams, (result) => (code = result)).hook('preAction', (main) => {
    if (main.opts<{ wide: boolean }>().wide) enableWide?.();
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.fine : exitCode.usage;
    if (!isExpected(error)) throw error;
    streams.log(`shoal: ${error.message}\n`);
    const isUsage = error instanceof UsageError || (error instanceof ShoalError && error.code === 'ATTRIBUTE');
    return isUsage ? exitCode.usage : exitCode.bad;
  }
}

function commands(streams: Streams, finish: (code: number) => void): Command {
  const program = new Command('shoal')
    .description('Pool or stride? Measure, explain and check the ways a convolutional network can shrink its feature maps.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: streams.out, writeErr: streams.log })
    .option('--no-wide', 'leave out 256-bit vectors on the CPU, an experimental flag of V8')
    .showHelpAfterError('Run with --help for the options and an example.');
  const backend = (): Option =>
    new Option('--backend <name>', `cpu, ${backendNames.join(', ')}`).argParser(backendName).default('wasm' as const, 'cpu');
  const threads = (): Option => new Option('--threads <n>', 'threads of the CPU backend').argParser(wholeNumber('--threads', 1, 256));

  const noAutotune = (): Option => new Option('--no-autotune', 'run kernels of GPUs as estimated, without choosing by timing');

  command(program, 'bench', 'Every way to halve a feature map, and the stems of real networks on a photograph: counted and timed.')
    .addOption(backend())
    .addOption(threads())
    .addOption(noAutotune())
    .option('--model <name>', 'a whole network instead: resnet50, squeezenet1_1 ...; can be repeated', repeated, [])
    .option('--batch <n>', 'with --model: images at once (default: 1)', wholeNumber('--batch', 1))
    .option('--input <HxW>', "with --model: height and width of the images (default: the network's own)", imageSize)
    .option('--image <file>', 'a PNG or JPEG photograph instead of the one that is shipped')
    .option('--phase <list>', 'fwd, bwd or fwd,bwd; with --model fwd, step or fwd,step (default: both)')
    .option('--repeat <n>', 'samples of each row', wholeNumber('--repeat', 3), 21)
    .option('--json <file>', 'write the rows with all samples; - is standard output')
    .option('--html <file>', 'where the report with plots goes', 'shoal-bench.html')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal bench --phase fwd --repeat 9 --json rows.json\n  shoal bench --model resnet18 --model squeezenet1_1 --phase fwd,step --batch 8 --threads 2 --json -',
    )
    .action(async ({ model, phase, batch, input, image, ...options }) => {
      if (model.length > 0) {
        if (image !== undefined) throw new UsageError('--image is for comparing layers; with --model images are random');
        const wanted = { ...options, phase: phases(phase, phasesOf.models, ' of a whole network'), batch: batch ?? 1, input };
        finish(await (await import('./bench/networks/command.ts')).benchNetworks(model, wanted, streams));
        return;
      }
      if (batch !== undefined || input !== undefined)
        throw new UsageError('--batch and --input need --model, a network to give the images to');
      const wanted = { ...options, image, phase: phases(phase, phasesOf.layers, '') };
      finish(await (await import('./bench/command.ts')).bench(wanted, streams));
    });

  command(program, 'profile', 'Where the time of a network goes: layer by layer, beside the least that each can take.')
    .argument('<model>', 'its name: resnet50, squeezenet1_1, fishnet99, all-cnn-c ...')
    .addOption(new Option('--phase <name>', 'inference, or a step of training').choices(['fwd', 'step']).default('fwd'))
    .addOption(backend())
    .addOption(threads())
    .addOption(noAutotune())
    .option('--batch <n>', 'images at once', wholeNumber('--batch', 1), 1)
    .option('--input <HxW>', "height and width of the images (default: the network's own)", imageSize)
    .option('--repeat <n>', 'runs', wholeNumber('--repeat', 3), 11)
    .option('--json <file>', 'write everything, with all samples; - is standard output')
    .option('--html <file>', 'also write one page with a plot that works offline')
    .option('--count', 'count launches, bytes and arithmetic instead, beside the least: runs nothing, and needs --backend webgpu')
    .option('--markdown <file>', 'with --count: also write the table by kind')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal profile resnet18 --phase step --batch 4 --threads 2 --html profile.html\n  shoal profile resnet50 --backend webgpu --count --json counts.json',
    )
    .action(async (model, options) => finish(await (await import('./profile/command.ts')).profile(model, options, streams)));

  command(program, 'explain', 'A 4x4 image and a 2x2 filter: pooling beside stride 2, forward and backward.')
    .option('--image <values>', '16 numbers, row by row, separated by commas')
    .option('--filter <values>', '4 numbers, row by row, separated by commas')
    .option('--html <file>', 'also write one page that works offline')
    .option('--json <file>', 'write the numbers; - is standard output')
    .addHelpText('after', '\nExample:\n  shoal explain --image 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16 --filter 1,0,0,-1')
    .action(async (options) => finish(await (await import('./explain/command.ts')).explain(options, streams)));

  command(program, 'doctor', 'Which backends run here, how fast, and why the others do not.')
    .option('--json <file>', 'write the findings; - is standard output')
    .addHelpText('after', '\nExample:\n  shoal doctor --json -')
    .action(async (options) => finish(await (await import('./doctor.ts')).doctor(options, streams)));

  command(program, 'conform', 'Is a backend right? Its conformance table, or a folder of external cases (ONNX, PyTorch, tfjs).')
    .addOption(backend())
    .addOption(threads())
    .option('--matrix <file>', 'write op by backend, for every backend that runs here, as .md or .json')
    .option('--cases <dir>', "a folder of external cases; without it, the project's own table")
    .option('--json <file>', 'write the result; - is standard output')
    .addHelpText('after', '\nExample:\n  shoal conform --backend wasm --cases ./peer-cases --json -')
    .action(async (options) => finish(await (await import('./conform.ts')).conform(options, streams)));

  command(program, 'cost', 'What a network costs: parameters, operations of each kind, memory and receptive field, layer by layer.')
    .argument('<model>', 'its name: resnet50, squeezenet1_1, fishnet99, all-cnn-c ...')
    .option('--input <HxW>', "height and width of the image (default: the network's own)", imageSize)
    .option('--batch <n>', 'images at once', wholeNumber('--batch', 1), 1)
    .addOption(new Option('--by <what>', 'a row for each').choices(['layer', 'stage', 'kind']).default('layer'))
    .addOption(
      new Option('--backend <name>', `also compile, and say what it allocates: cpu, ${backendNames.join(', ')}`).argParser(backendName),
    )
    .addOption(threads())
    .addOption(
      new Option('--convention <name>', "fishnet adds the operations as FishNet's authors count them")
        .choices(['operations', 'fishnet'])
        .default('operations'),
    )
    .option('--json <file>', 'write everything, exactly; - is standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal cost resnet50 --by stage\n  shoal cost fishnet99 --input 256x224 --batch 8 --backend cpu --json cost.json',
    )
    .action(async (model, options) => finish(await (await import('./cost.ts')).costCommand(model, options, streams)));

  command(program, 'verify', 'Does a whole network compute on a backend what PyTorch did? Stages, loss, gradients, against a golden file.')
    .argument('<golden>', 'a golden file: weights by formula, and what PyTorch made of them')
    .addOption(backend())
    .addOption(threads())
    .option('--json <file>', 'write every check; - is standard output')
    .addHelpText('after', '\nExample:\n  shoal verify resnet18.json --backend wasm --json checks.json')
    .action(async (golden, options) => finish(await (await import('./verify.ts')).verify(golden, options, streams)));

  command(program, 'flow', 'Where the gradients of networks go: norms by stage, gains by edge, isolated convolutions, dead windows.')
    .argument('<model...>', 'names of networks: resnet50, fishnet99, all-cnn-c ...')
    .option('--input <HxW>', "height and width of the images (default: the network's own, at most 64x64)", imageSize)
    .option('--batch <n>', 'images of one run', wholeNumber('--batch', 1), 8)
    .option('--seeds <n>', 'runs, each with weights, images and labels of its own', wholeNumber('--seeds', 1), 5)
    .addOption(backend())
    .addOption(threads())
    .option('--json <file>', 'write everything, run by run; - is standard output')
    .option('--html <file>', 'also write one page with plots that works offline')
    .addHelpText('after', '\nExample:\n  shoal flow resnet50 fishnet99 --input 64x64 --seeds 5 --html flow.html')
    .action(async (models, options) => finish(await (await import('./flow/command.ts')).flow(models, options, streams)));
  return program;
}

const repeated = (text: string, before: readonly string[]): readonly string[] => [...before, text];

function command(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).exitOverride().allowExcessArguments(false);
}
