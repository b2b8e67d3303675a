import { emulatedBackend } from '@shoal/backend-cuda/testing';
import { createRuntime } from '@shoal/core';
import { test } from 'vitest';
import { cudaPlugins } from '../cuda.ts';
import { describeGoldens } from './goldens.ts';

/** The emulation is slow. */
const names = ['resnet-mini.frozenbn'];

const backend = await emulatedBackend([], { optimize: true });
if (typeof backend === 'string') test.skip(`golden networks on the cuda emulation skipped: ${backend}`);
else describeGoldens('cuda, emulated', names, () => createRuntime(backend, cudaPlugins));
