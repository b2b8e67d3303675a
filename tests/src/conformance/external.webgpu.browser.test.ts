import { parseFile } from '@shoal/conformance/external';
import { convWebgpu } from '@shoal/conv/webgpu';
import { createRuntime } from '@shoal/core';
import { mathWebgpu } from '@shoal/math/webgpu';
import { poolWebgpu } from '@shoal/pool/webgpu';
import { residualWebgpu } from '@shoal/residual/webgpu';
import texts from 'virtual:external-cases';
import { onWebgpu } from '../webgpu.ts';
import { declareExternal } from './declare-external.ts';

const folders = Object.fromEntries(
  Object.entries(texts).map(([name, files]) => [name, files && Object.entries(files).map(([path, text]) => parseFile(path, text))]),
);

await onWebgpu((backend) =>
  declareExternal(folders, 'webgpu in Chromium', () => createRuntime(backend, [convWebgpu, mathWebgpu, poolWebgpu, residualWebgpu])),
);
