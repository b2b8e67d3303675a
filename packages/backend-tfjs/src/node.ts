import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { ShoalError } from '@shoal/core';
import type { Tensorflow } from './engine.ts';

/** Engines that {@link importEngine} knows; any other is imported by the caller and passed to `tfjs`. */
export type EngineName = 'cpu' | 'wasm';

/** What each engine needs installed. */
const packages = {
  cpu: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu'],
  wasm: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'],
} satisfies Record<EngineName, readonly string[]>;

/**
 * Imports TensorFlow.js with one engine, in Node, and sets it to that engine. Its packages are optional peers.
 *
 * @throws ShoalError `UNSUPPORTED` that names the packages to install when one is missing, or says that the engine did not start
 */
export async function importEngine(name: EngineName): Promise<Tensorflow> {
  const tf = await load(name);
  if (!(await tf.setBackend(name).catch(() => false))) {
    throw new ShoalError('UNSUPPORTED', { op: 'backend-tfjs', fact: `the TensorFlow.js engine ${name} did not start` });
  }
  return tf;
}

async function load(name: EngineName): Promise<Tensorflow> {
  try {
    const tf = await import('@tensorflow/tfjs-core');
    // Without it the cpu engine prints an advertisement for tfjs-node, which must not be installed: see ADR 0001.
    tf.enableProdMode();
    if (name === 'cpu') {
      await import('@tensorflow/tfjs-backend-cpu');
    } else {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
      setWasmPaths(`${dirname(entry)}/`);
    }
    return tf;
  } catch (cause) {
    throw new ShoalError('UNSUPPORTED', {
      op: 'backend-tfjs',
      fact: `the TensorFlow.js engine ${name} is not installed`,
      next: `Install it: npm install ${packages[name].join(' ')}`,
      cause,
    });
  }
}
