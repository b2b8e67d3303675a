import type { Engine } from './engine.ts';
import { shoalVersion } from './shoal-node.ts';
import { openShoalWebgpu } from './shoal-webgpu.ts';

/** In Node, through the npm package `webgpu`. */
export const open = (): Promise<Engine> => openShoalWebgpu(shoalVersion());
