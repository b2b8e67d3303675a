import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import { onWebgpu } from '../webgpu.ts';
import { describeExternal } from './describe-external.ts';

await onWebgpu((backend) => describeExternal('webgpu', () => createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu])));
