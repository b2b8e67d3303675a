import { openChoices, type Choices } from '@shoal/cache/choices';
import { cpus } from 'node:os';

/** What was chosen before with this V8 on this processor. */
export const keptChoices = (): Promise<Choices> => openChoices(['wasm', process.versions['v8'] ?? '', cpus()[0]?.model ?? process.arch]);
