import { createRuntime } from '@shoal/core';
import { convWebgpu } from '@shoal/conv/webgpu';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { onWebgpu } from '../webgpu.ts';
import { describeGoldens } from './goldens.ts';

/** Small ones, and one of each kind: the adapter is software. */
const names = ['model-a.pool-ceil', 'strided-cnn-c', 'resnet-mini.frozenbn', 'fishnet-mini'];

await onWebgpu((backend) =>
  describeGoldens('webgpu', names, () => createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu])),
);
