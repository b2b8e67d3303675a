import { jaxEngine, type JaxJs } from '../jax-js.ts';
import type { OpenPageEngine } from './page.ts';
import { adapterFlags, importPeer, peerVersion } from './peer.ts';

export const open: OpenPageEngine = async () => {
  const jax = await importPeer<JaxJs>('@jax-js/jax/dist/index.js');
  return jaxEngine(jax, await peerVersion('@jax-js/jax'), 'webgpu', await adapterFlags());
};
