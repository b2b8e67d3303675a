import { gradients, input, sizeOf, type Program, type Runtime, type TensorData, type Value } from '@shoal/core';
import { softmaxCrossEntropy } from '@shoal/math';
import type { BlockResult, Network } from '@shoal/residual';
import { networkName, networks, type NetworkName } from '../networks.ts';
import type { SpringenbergOptions } from '../springenberg.ts';
import { loadStateDict, toTorch, torchShape } from '../state-dict.ts';
import { distance, measureTensor } from './compare.ts';
import type { Golden, GradientRow, ImageFacts, LogitFacts, StageFacts } from './format.ts';
import { bitsSum, formulaStateDict, formulaTensor, kindOf } from './weights.ts';

export interface GoldenCheck {
  /** `eval/layer1.0`, `train/loss`, `gradient/conv1.weight` ... */
  readonly name: string;
  readonly ok: boolean;
  /** Relative to the norm or root mean square of what is expected; 0 or 1 for what is equal or not. */
  readonly error: number;
  readonly tolerance: number;
}

export interface GoldenOptions {
  /** Whether the runtime computes in float64, as the reference does: then the float64 numbers of the file are the measure. */
  readonly float64: boolean;
  /** Called after each check. */
  readonly onCheck?: (check: GoldenCheck) => void;
}

/**
 * Runs a network under the weights of a golden file and compares: weights, logits, stages, loss, gradients, running statistics.
 *
 * In float64 everything must agree to 1e-9. In float32 the file says how far PyTorch's float32 is from its float64, and a
 * quantity may be {@link noiseFactor} times as far: the order of summation differs between implementations, the size of its effect
 * does not, but where a runtime says that it uses Winograd convolutions (flag `winograd`). Gradients have kinks: of millions of ReLUs
 * and windows some are within rounding of changing sides, and one that does changes gradients by far more than rounding. So where
 * gradients of float32 differ, the step is repeated with other last bits of the image, and each gradient counts by its best result:
 * rounding decides anew, and what is wrong stays wrong.
 *
 * @throws ShoalError `ATTRIBUTE` when the file is about a network that is not in the zoo
 */
export async function verifyGolden(golden: Golden, runtime: Runtime, options: GoldenOptions): Promise<readonly GoldenCheck[]> {
  return new Verification(golden, runtime, options).run();
}

/** Of float64 results, relative: files give 12 digits or more, and PyTorch's own float64 repeats to 3e-11. */
const float64Tolerance = 1e-9;
/** How many times further than PyTorch's float32 another float32 implementation may be from float64. */
const noiseFactor = 8;
/** How many times the error of direct convolution that of Winograd's way may be: the bound that its own tests hold it to. */
const winogradFactor = 2.5;
/**
 * No float32 result is better than this, whatever luck a file records: in a sum of K products, each rounded to 6e-8, errors add up to
 * about 6e-8 sqrt(K), and a window of 3x3 cells of 32 channels or more has K of 288 or more.
 */
const noiseFloor = 1e-6;
/** A few elements may differ by more than the tensor does, but not by any amount. */
const recordedLimit = 8;
/** How often float32 gradients may be computed anew. Two units within rounding of their kinks are right together in one try of four. */
const kinkTries = 16;

/** The network a file is about. `.pool-ceil` names the same network with the other alignment of its poolings. */
export function goldenNetwork(golden: Golden, options: SpringenbergOptions = {}): Network {
  const [base, pooling] = golden.net.split('.');
  const make: (options: SpringenbergOptions) => Network = networks[networkName(base!) satisfies NetworkName];
  const classes = golden.train.logits_f64.shape.at(-1);
  return make({ classes, ...(pooling === 'pool-ceil' ? { pooling: 'ceil' } : {}), ...options });
}

class Verification {
  readonly #golden: Golden;
  readonly #runtime: Runtime;
  readonly #options: GoldenOptions;
  readonly #network: Network;
  readonly #checks: GoldenCheck[] = [];

  constructor(golden: Golden, runtime: Runtime, options: GoldenOptions) {
    this.#golden = golden;
    this.#runtime = runtime;
    this.#options = options;
    this.#network = goldenNetwork(golden);
  }

  async run(): Promise<readonly GoldenCheck[]> {
    const { eval: evaluation, train, extra } = this.#golden;
    await this.#weights(this.#network);
    if (evaluation) await this.#evaluate(evaluation);
    await this.#train(train);
    const linear = extra?.without_final_relu_f64;
    if (linear && evaluation) {
      const network = goldenNetwork(this.#golden, { finalRelu: false });
      await this.#weights(network, 'without final ReLU/');
      await this.#withoutFinalRelu(network, linear, evaluation);
    }
    return this.#checks;
  }

  /** Builds the graph once, so that the variables exist, and gives them their numbers. */
  async #weights(network: Network, prefix = ''): Promise<void> {
    const { gain2, params, weights_bits_sum_u32: sum } = this.#golden;
    network.build(imageInput(this.#golden.train.input));
    const dict = formulaStateDict(network, gain2);
    if (params) {
      const own = Object.values(network.scope.state).flatMap((variable) =>
        variable.dtype === 'f32' ? [[variable.name, torchShape(variable.shape), kindOf(variable, network)]] : [],
      );
      this.#equal(`${prefix}parameters`, JSON.stringify(own) === JSON.stringify(params.filter(([, , kind]) => kind !== 'bn.count')));
    }
    this.#equal(`${prefix}weights`, bitsSum(Object.values(dict).map(({ data }) => data)) === sum);
    await loadStateDict(this.#runtime, network, dict);
  }

  async #evaluate({ input: image, stages, f64, f32_vs_f64_maxerr_over_rms: noise }: NonNullable<Golden['eval']>): Promise<void> {
    const built = this.#network.build(imageInput(image));
    const feeds = { image: this.#image('eval', image) };
    const { logits } = await this.#once({ outputs: { logits: built.output } }, feeds);
    await this.#stages('eval', built, { stages, noise }, feeds);
    this.#logits('eval/logits', built.output, logits!, f64, noise);
  }

  async #train(train: Golden['train']): Promise<void> {
    const frozen = train.mode.startsWith('eval-mode');
    const built = this.#network.build(imageInput(train.input), { train: !frozen, dropout: false });
    const labels = input('labels', [train.labels.length], 'i32');
    const loss = softmaxCrossEntropy(built.output, labels);
    const found = gradients(loss, built.parameters);
    const named = (prefix: string, pairs: readonly (readonly [string, Value])[]): Record<string, Value> =>
      Object.fromEntries(pairs.map(([name, value]) => [`${prefix}${name}`, value]));
    const program = {
      outputs: {
        loss,
        logits: built.output,
        ...named(
          'gradient/',
          built.parameters.map(({ name }, i) => [name, found[i]!]),
        ),
        ...named(
          'running/',
          built.updates.map(([{ name }, value]) => [name, value]),
        ),
      },
    };
    const feeds = { image: this.#image('train', train.input), labels: Int32Array.from(train.labels) };
    const noise = train.logits_f32_vs_f64_maxerr_over_rms;
    await this.#stages('train', built, { stages: train.stages, noise }, { image: feeds.image });
    const executable = await this.#runtime.compile(program);
    const results = await executable.run(feeds);

    this.#logits('train/logits', built.output, results['logits']!, train.logits_f64, noise);
    this.#check('train/loss', Math.abs(results['loss']![0]! - train.loss_f64) / train.loss_f64, noise);
    for (const row of train.bn_running_after) this.#add(this.#row(`running/${row[0]}`, row, results, 0));

    const gradientChecks = (found: typeof results): readonly GoldenCheck[] =>
      train.grads.map((row) => this.#row(`gradient/${row[0]}`, row, found, train.grad_f32_vs_f64.median));
    let checks = gradientChecks(results);
    for (let attempt = 0; !this.#options.float64 && attempt < kinkTries && checks.some(({ ok }) => !ok); attempt++) {
      const again = gradientChecks(await executable.run({ ...feeds, image: withOtherLastBits(feeds.image, attempt) }));
      checks = checks.map((check, i) => (again[i]!.error < check.error ? again[i]! : check));
    }
    executable.dispose();
    checks.forEach((check) => this.#add(check));
  }

  async #withoutFinalRelu(
    network: Network,
    known: { readonly eval_logits: LogitFacts; readonly train_loss: number; readonly grad_total_l2: number },
    evaluation: NonNullable<Golden['eval']>,
  ): Promise<void> {
    const { train } = this.#golden;
    const prefix = 'without final ReLU';
    const evaluated = network.build(imageInput(evaluation.input));
    const { logits } = await this.#once({ outputs: { logits: evaluated.output } }, { image: formulaImage(evaluation.input) });
    const noise = evaluation.f32_vs_f64_maxerr_over_rms;
    this.#logits(`${prefix}/eval/logits`, evaluated.output, logits!, known.eval_logits, noise);

    const built = network.build(imageInput(train.input), { train: true, dropout: false });
    const loss = softmaxCrossEntropy(built.output, input('labels', [train.labels.length], 'i32'));
    const outputs = Object.fromEntries(gradients(loss, built.parameters).map((value, i) => [`${i}`, value]));
    const feeds = { image: formulaImage(train.input), labels: Int32Array.from(train.labels) };
    const { loss: value, ...found } = await this.#once({ outputs: { loss, ...outputs } }, feeds);
    const total = Math.hypot(...Object.values(found).map((data) => measureTensor(data, [], 0).l2));
    const trainNoise = Math.max(train.logits_f32_vs_f64_maxerr_over_rms, train.grad_f32_vs_f64.median);
    this.#check(`${prefix}/train/loss`, Math.abs(value![0]! - known.train_loss) / known.train_loss, trainNoise);
    this.#check(`${prefix}/train/gradient norm`, Math.abs(total - known.grad_total_l2) / known.grad_total_l2, trainNoise);
  }

  async #stages(
    phase: string,
    built: BlockResult,
    known: { readonly stages: readonly StageFacts[]; readonly noise: number },
    feeds: Record<string, TensorData>,
  ): Promise<void> {
    const taps = new Map(built.taps.map(({ name, value }) => [name, value]));
    const wanted = known.stages.map((stage) => ({ stage, name: stage.name.replace(/ \(.*\)$/, '') }));
    const outputs = Object.fromEntries(wanted.flatMap(({ name }) => (taps.has(name) ? [[name, taps.get(name)!]] : [])));
    const results = await this.#once({ outputs }, feeds);
    // Errors grow on the way: what a stage happened to record is no less than what the ones before it did, and little more than the end.
    let noise = 0;
    for (const { stage, name } of wanted) {
      const value = taps.get(name);
      if (!value) {
        this.#equal(`${phase}/${name}`, false);
        continue;
      }
      const { f32, f64 } = stage;
      const recorded = distance({ ...f32, size: sizeOf(value.shape), first: f32.first4 }, f64, f64.first4);
      noise = Math.max(noise, Math.min(recorded, recordedLimit * known.noise));
      this.#check(`${phase}/${name}`, distance(measureTensor(results[name]!, value.shape, 4), f64, f64.first4), noise);
    }
  }

  #logits(name: string, value: Value, data: TensorData, known: LogitFacts, noise: number): void {
    this.#check(name, distance(measureTensor(data, value.shape, 16), known, known.first16), noise);
  }

  /** A row of gradients or running statistics: norm and first elements. */
  #row(label: string, row: GradientRow, results: Readonly<Record<string, TensorData>>, least: number): GoldenCheck {
    const [name, l2, first4, l2F32, first4F32, noise] = row;
    const data = results[label] as Float32Array | Float64Array | undefined;
    const variable = this.#network.scope.state[name];
    if (!data || !variable) return equality(label, false);
    const size = data.length;
    // Nothing but rounding: its size in the file is the measure.
    if (this.#golden.train.mathematically_zero_grads?.includes(name)) return this.#judge(label, measureTensor(data, [size], 0).l2, l2F32);
    const own = measureTensor(toTorch(variable.shape, data), [size], 4);
    const recorded = distance({ sum: 0, l2: l2F32, size, first: first4F32 }, { sum: 0, l2 }, first4);
    const whole = Math.max(noise, least);
    const error = distance({ ...own, sum: 0 }, { sum: 0, l2 }, first4);
    return this.#judge(label, error, Math.max(whole, Math.min(recorded, recordedLimit * whole)));
  }

  #image(phase: string, image: ImageFacts): Float32Array {
    const sum = bitsSum([formulaTensor(image.name, image.shape, 'input', 1)]);
    this.#equal(`${phase}/image`, sum === image.bits_sum_u32);
    return formulaImage(image);
  }

  async #once(program: Program, feeds: Record<string, TensorData>): Promise<Readonly<Record<string, TensorData>>> {
    const executable = await this.#runtime.compile(program);
    try {
      return await executable.run(feeds);
    } finally {
      executable.dispose();
    }
  }

  #equal(name: string, equal: boolean): void {
    this.#add(equality(name, equal));
  }

  #check(name: string, error: number, noise: number): void {
    this.#add(this.#judge(name, error, noise));
  }

  #judge(name: string, error: number, noise: number): GoldenCheck {
    const factor = this.#runtime.info.flags['winograd'] === true ? noiseFactor * winogradFactor : noiseFactor;
    const tolerance = this.#options.float64 ? float64Tolerance : factor * Math.max(noise, noiseFloor);
    return { name, ok: error <= tolerance, error, tolerance };
  }

  #add(check: GoldenCheck): void {
    this.#checks.push(check);
    this.#options.onCheck?.(check);
  }
}

const equality = (name: string, equal: boolean): GoldenCheck => ({ name, ok: equal, error: equal ? 0 : 1, tolerance: 0 });

/** The image with the last bit of some of its float32 numbers changed, other ones at each attempt. */
function withOtherLastBits(image: Float32Array, attempt: number): Float32Array {
  const changed = image.slice();
  const bits = new Uint32Array(changed.buffer);
  const draws = formulaTensor(`attempt ${attempt}`, [image.length], 'bias', 1);
  draws.forEach((draw, i) => (bits[i]! ^= draw < 0 ? 1 : 0));
  return changed;
}

function imageInput({ shape: [n, c, h, w] }: ImageFacts): Value {
  return input('image', [n, h, w, c]);
}

/** The image of a file, in Shoal's layout. */
function formulaImage({ name, shape }: ImageFacts): Float32Array {
  const [n, c, h, w] = shape;
  const data = formulaTensor(name, shape, 'input', 1);
  const image = new Float32Array(data.length);
  let i = 0;
  for (let b = 0; b < n; b++)
    for (let channel = 0; channel < c; channel++)
      for (let row = 0; row < h; row++)
        for (let column = 0; column < w; column++) image[((b * h + row) * w + column) * c + channel] = data[i++]!;
  return image;
}
