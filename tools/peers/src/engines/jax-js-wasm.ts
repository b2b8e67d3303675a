import { jaxEngine, type JaxJs } from './jax-js.ts';
import { importPeer, peerVersion } from './third-party.ts';
import type { OpenEngine } from './engine.ts';

export const open: OpenEngine = async () => jaxEngine(await importPeer<JaxJs>('@jax-js/jax'), peerVersion('@jax-js/jax'), 'wasm');
