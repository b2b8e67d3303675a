import { openChoices, type Choices } from '@shoal/cache/choices';

/** What an earlier visit chose with this browser; found while workers start. */
export const keptChoices = (): Promise<Choices> => openChoices(['wasm', globalThis.navigator?.userAgent ?? '']);
