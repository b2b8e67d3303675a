import type { Engine, EngineOptions } from './engine.ts';
import { shoalVersion } from './shoal-node.ts';
import { openShoalWebgpu } from './shoal-webgpu.ts';

/** In Node, through the npm package `webgpu`; as the variant `hardware`, never on a software adapter. */
export const open = ({ variant }: EngineOptions): Promise<Engine> => openShoalWebgpu(shoalVersion(), variant === 'hardware');
