import { concat, pad } from '@shoal/core';
import { conv2d, convTranspose2d } from '@shoal/conv';
import { add, leakyRelu, logSoftmax, matmul, relu, softmax, softmaxCrossEntropy } from '@shoal/math';
import {
  adaptiveAveragePool2d,
  adaptiveMaxPool2dWithWinner,
  averagePool2d,
  depthToSpace,
  globalAveragePool2d,
  globalLpPool2d,
  globalMaxPool2dWithWinner,
  lpPool2d,
  maxPool2dWithWinner,
  maxUnpool2d,
  spaceToDepth,
} from '@shoal/pool';
import { batchNorm, channelGroupSum, groupNorm, upsampleBilinear, upsampleNearest } from '@shoal/residual';
import { axpy } from './compositions.ts';
import { iohw, nchw, oihw } from './layout.ts';
import { paddingOf, poolable, type CaseReader } from './reader.ts';

/** PyTorch's functions; `grads` of the cases are taken of whatever becomes an output here. */
export const torch = {
  conv2d(r: CaseReader): void {
    r.exact = true;
    r.ignore('kernel_shape', 'bias'); // repeat what the inputs say
    const [x, weight, bias] = [r.image('x', nchw), r.value('w', oihw), r.optional('b')];
    r.output(0, conv2d(x, weight, { ...strided(r), padding: paddingOf(r.list('pads') ?? []), groups: r.number('group', 1), bias }), nchw);
  },

  conv_transpose2d(r: CaseReader): void {
    r.exact = true;
    r.ignore('kernel_shape', 'bias');
    const [x, weight, bias] = [r.image('x', nchw), r.value('w', iohw), r.optional('b')];
    const outputPadding = r.size('output_padding', 0);
    const options = { ...strided(r), padding: paddingOf(r.list('pads') ?? []), outputPadding, groups: r.number('group', 1), bias };
    r.output(0, convTranspose2d(x, weight, options), nchw);
  },

  max_pool2d(r: CaseReader): void {
    const { output, winner } = maxPool2dWithWinner(r.image('x', nchw), pooled(r));
    r.output(0, output, nchw);
    r.output(1, winner, nchw);
  },

  avg_pool2d(r: CaseReader): void {
    r.output(0, averagePool2d(r.image('x', nchw), { ...pooled(r), countIncludePad: r.flag('count_include_pad') }), nchw);
  },

  lp_pool2d(r: CaseReader): void {
    r.output(0, lpPool2d(r.image('x', nchw), { ...pooled(r), p: r.number('p', 2) }), nchw);
  },

  adaptive_avg_pool2d(r: CaseReader): void {
    r.output(0, adaptiveAveragePool2d(r.image('x', nchw), { output: r.size('output_size', 1) }), nchw);
  },

  adaptive_max_pool2d(r: CaseReader): void {
    const { output, winner } = adaptiveMaxPool2dWithWinner(r.image('x', nchw), { output: r.size('output_size', 1) });
    r.output(0, output, nchw);
    r.output(1, winner, nchw);
  },

  global_avg_pool: (r: CaseReader): void => r.output(0, globalAveragePool2d(r.image('x', nchw)), nchw),
  global_lp_pool: (r: CaseReader): void => r.output(0, globalLpPool2d(r.image('x', nchw), { p: r.number('p', 2) }), nchw),

  global_max_pool(r: CaseReader): void {
    const { output, winner } = globalMaxPool2dWithWinner(r.image('x', nchw));
    r.output(0, output, nchw);
    r.output(1, winner, nchw);
  },

  max_unpool2d(r: CaseReader): void {
    r.ignore('kernel_shape', 'strides', 'pads'); // the output size says it all
    r.output(0, maxUnpool2d(r.image('x', nchw), r.value('indices', nchw), { output: r.size('output_size', 1) }), nchw);
  },

  interpolate_nearest: (r: CaseReader): void =>
    r.output(0, upsampleNearest(r.image('x', nchw), { output: r.size('sizes', 1), mode: 'floor' }), nchw),
  interpolate_nearest_exact: (r: CaseReader): void =>
    r.output(0, upsampleNearest(r.image('x', nchw), { output: r.size('sizes', 1), mode: 'exact' }), nchw),
  interpolate_bilinear: (r: CaseReader): void =>
    r.output(0, upsampleBilinear(r.image('x', nchw), { output: r.size('sizes', 1), alignCorners: r.flag('align_corners') }), nchw),

  batch_norm_train(r: CaseReader): void {
    const { x, layout, state } = normalized(r);
    const { output, updates } = batchNorm(x, state, {
      train: true,
      momentum: r.number('momentum', 0.1),
      epsilon: r.number('epsilon', 1e-5),
    });
    r.output(0, output, layout);
    updates.forEach(([, value], i) => r.output(i + 1, value));
  },

  batch_norm_eval(r: CaseReader): void {
    const { x, layout, state } = normalized(r);
    r.output(0, batchNorm(x, state, { train: false, epsilon: r.number('epsilon', 1e-5) }).output, layout);
  },

  group_norm(r: CaseReader): void {
    const vectors = { gamma: r.value('weight'), beta: r.value('bias') };
    r.output(0, groupNorm(r.image('x', nchw), vectors, { groups: r.number('num_groups', 1), epsilon: r.number('epsilon', 1e-5) }), nchw);
  },

  channel_group_sum(r: CaseReader): void {
    const layout = r.text('layout', 'contiguous') === 'interleaved' ? 'interleaved' : 'contiguous';
    r.output(0, channelGroupSum(r.image('x', nchw), { groups: r.number('groups', 1), layout }), nchw);
  },

  softmax_cross_entropy(r: CaseReader): void {
    r.ignore('class_weight'); // says whether there is a third input
    const classesLast = r.tensor('logits').shape.length === 4 ? nchw : undefined;
    const probabilities = r.text('target', 'indices') === 'probabilities';
    const [logits, target, weight] = [
      r.value('logits', classesLast),
      r.value('target', probabilities ? classesLast : undefined),
      r.optional('weight'),
    ];
    const reduction = r.text('reduction', 'mean');
    if (reduction !== 'mean' && reduction !== 'sum' && reduction !== 'none') return r.skip('attribute', `reduction ${reduction}`);
    const ignoreIndex = r.number('ignore_index', -100);
    const options = {
      reduction,
      labelSmoothing: r.number('label_smoothing', 0),
      ...(probabilities ? {} : { ignoreIndex }),
      ...(weight ? { classWeights: weight } : {}),
    } as const;
    r.output(0, softmaxCrossEntropy(logits, target, options));
  },

  concat: (r: CaseReader): void =>
    r.output(
      0,
      concat(
        r.case.inputs.map((_, i) => r.value(i)),
        r.number('axis', 0),
      ),
    ),
  add_broadcast: (r: CaseReader): void => r.output(0, add(r.value('a'), r.value('b'))),
  relu: (r: CaseReader): void => r.output(0, relu(r.value('x'))),
  leaky_relu: (r: CaseReader): void => r.output(0, leakyRelu(r.value('x'), { slope: r.number('alpha', 0.01) })),
  softmax: (r: CaseReader): void => r.output(0, softmax(r.value('x'), { axis: r.number('axis', -1) })),
  log_softmax: (r: CaseReader): void => r.output(0, logSoftmax(r.value('x'), { axis: r.number('axis', -1) })),

  gemm(r: CaseReader): void {
    r.checkRank('a', 2);
    const product = matmul(r.value('a'), r.value('b'), { transposeA: r.flag('transA'), transposeB: r.flag('transB') });
    r.output(0, axpy(r.number('alpha', 1), product, r.number('beta', 1), r.optional('c')));
  },

  pad2d(r: CaseReader): void {
    const { top, left, bottom, right } = paddingOf(r.list('pads') ?? []);
    const mode =
      { constant: 'constant', reflect: 'reflect', circular: 'circular' }[r.text('mode', 'constant')] ?? r.skip('attribute', 'mode');
    const edges = { before: [0, top, left, 0], after: [0, bottom, right, 0] };
    const x = r.image('x', nchw);
    const value = r.number('value', 0);
    r.output(0, pad(x, mode === 'constant' ? { ...edges, value } : { ...edges, mode: mode as 'reflect' | 'circular' }), nchw);
  },

  depth_to_space: (r: CaseReader): void => r.output(0, depthToSpace(r.image('x', nchw), blocks(r)), nchw),
  space_to_depth: (r: CaseReader): void => r.output(0, spaceToDepth(r.image('x', nchw), blocks(r)), nchw),
};

function strided(r: CaseReader) {
  return { stride: r.size('strides', 1), dilation: r.size('dilations', 1) };
}

function pooled(r: CaseReader) {
  const window = poolable(r, { window: r.size('kernel_shape', 1), ...strided(r), padding: paddingOf(r.list('pads') ?? []) });
  return { ...window, ceilMode: r.flag('ceil_mode') };
}

function blocks(r: CaseReader) {
  return { block: r.number('blocksize', 1), order: r.text('mode', 'CRD') === 'CRD' ? 'channel-first' : 'block-first' } as const;
}

function normalized(r: CaseReader) {
  r.checkRank('x', 4, 2);
  const layout = r.tensor('x').shape.length === 4 ? nchw : undefined;
  const state = { gamma: r.value('weight'), beta: r.value('bias'), mean: r.variable('running_mean'), variance: r.variable('running_var') };
  return { x: r.value('x', layout), layout, state };
}
