import { apply, expression as e, gradients, input, map, sizeOf, variable, type Program, type Value } from '@shoal/core';
import { adam, relu, sgd } from '@shoal/math';
import { averagePool2d, maxPool2d } from '@shoal/pool';
import { batchNormGradient, batchNormOp } from '@shoal/residual';

export interface Work {
  readonly name: string;
  readonly program: Program;
  /** The steps that are timed, by their op. */
  readonly counted: RegExp;
  /** What they must read and write, each tensor once; the winners of pooling, a byte each, are not counted. */
  readonly bytes: number;
}

const everything = /./;
const bytesOf = (...values: readonly Value[]): number => values.reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);

/** A copy that reads and writes `bytes` together. The product keeps it from being nothing at all, and costs nothing beside the memory. */
export function copyOf(bytes: number): Work {
  const x = input('x', [Math.round(bytes / 8)]);
  return { name: 'copy', program: { outputs: { y: map([x], (a) => e.mul(a, 3)) } }, counted: everything, bytes };
}

type Pool = (x: Value, options: { readonly window: number; readonly stride: number; readonly padding?: number }) => Value;

/** Forward alone, and the step that computes the gradient, at the size of ResNet's first pooling. */
function poolWorks(name: string, pool: Pool, batch: number): readonly Work[] {
  const x = input('x', [batch, 112, 112, 64]);
  const windows = [
    { window: 2, stride: 2 },
    { window: 3, stride: 2, padding: 1 },
  ];
  return windows.flatMap((options): Work[] => {
    const y = pool(x, options);
    const seed = input('seed', y.shape);
    const [dx] = gradients(y, [x], { seed });
    const size = `${options.window}x${options.window}/2`;
    return [
      { name: `${name} ${size} forward`, program: { outputs: { y } }, counted: everything, bytes: bytesOf(x, y) },
      ...(pool === maxPool2d
        ? [{ name: `${name} ${size} forward in training`, program: { outputs: { y, dx: dx! } }, counted: /max$/, bytes: bytesOf(x, y) }]
        : []),
      {
        name: `${name} ${size} backward`,
        program: { outputs: { dx: dx! } },
        counted: /gradient/,
        bytes: bytesOf(seed, dx!),
      },
    ];
  });
}

/** Everything that batch norm does in a training step between two convolutions: with the ReLU behind it, and its gradient. */
function batchNormWorks(batch: number): readonly Work[] {
  const x = input('x', [batch, 112, 112, 64]);
  const [gamma, beta] = [input('gamma', [64]), input('beta', [64])];
  const [y, mean, variance] = apply(batchNormOp, [x, gamma, beta], { epsilon: 1e-5 });
  const dy = input('dy', x.shape);
  const gradient = apply(batchNormGradient, [x, gamma, input('mean', [64]), input('variance', [64]), dy], { epsilon: 1e-5 });
  const [mask, other] = [input('mask', x.shape), input('other', x.shape)];
  const masked = map([dy, other, mask], (a, b, m) => e.select(e.gt(m, 0), e.add(a, b), 0));
  const joined = apply(batchNormGradient, [x, gamma, input('mean', [64]), input('variance', [64]), masked], { epsilon: 1e-5 });
  const outputs = (values: readonly Value[]): Program => ({ outputs: Object.fromEntries(values.map((value, i) => [`y${i}`, value])) });
  const forward = outputs([relu(y!), mean!, variance!]);
  return [
    { name: 'batch norm and ReLU forward', program: forward, counted: everything, bytes: bytesOf(x, x, x) },
    {
      name: 'batch norm backward',
      program: outputs(gradient),
      counted: everything,
      bytes: bytesOf(x, dy, x, dy, x),
    },
    {
      name: 'batch norm backward, mask and sum',
      program: outputs(joined),
      counted: everything,
      bytes: 2 * bytesOf(x, dy, other, mask) + bytesOf(x),
    },
  ];
}

function elementwiseWorks(batch: number): readonly Work[] {
  const [a, b] = [input('a', [batch, 56, 56, 256]), input('b', [batch, 56, 56, 256])];
  const [scale, shift] = [input('scale', [256]), input('shift', [256])];
  const y = relu(map([a, b, scale, shift], (u, v, s, t) => e.add(e.add(e.mul(u, s), t), v)));
  return [{ name: 'elementwise chain', program: { outputs: { y } }, counted: everything, bytes: bytesOf(a, b, y) }];
}

/** The parameters of a convolution with 512 channels, as often as there are images. */
function optimizerWorks(batch: number): readonly Work[] {
  const p = variable('p', [batch, 3, 3, 512, 512]);
  const g = input('g', p.shape);
  const shared = { parameters: [p], gradients: [g], learningRate: 0.01 };
  return [
    { name: 'sgd with momentum', ...sgd({ ...shared, momentum: 0.9 }), passes: 5 },
    { name: 'adam', ...adam(shared), passes: 7 },
  ].map(({ name, updates, passes }) => ({
    name,
    program: { outputs: {}, updates },
    counted: everything,
    bytes: passes * bytesOf(p),
  }));
}

export const worksOf = (batch: number): readonly Work[] => [
  ...poolWorks('max pool', maxPool2d, batch),
  ...poolWorks('average pool', averagePool2d, batch),
  ...batchNormWorks(batch),
  ...elementwiseWorks(batch),
  ...optimizerWorks(Math.min(batch, 4)),
];
