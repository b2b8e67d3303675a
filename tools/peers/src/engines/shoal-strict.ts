import type { Engine, EngineOptions } from './engine.ts';
import { shoalVersion } from './shoal-node.ts';
import { openShoal } from './shoal.ts';

/** `precision: 'strict'`: the same bits on every machine. */
export const open = (options: EngineOptions): Promise<Engine> => openShoal(options, 'strict', shoalVersion());
