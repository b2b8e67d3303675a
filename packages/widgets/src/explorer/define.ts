import { DownsamplingExplorer } from './explorer.ts';
import { NumberGrid } from './number-grid.ts';

/** Registers `<shoal-downsampling-explorer>` and the grid it is made of. Importing this package registers nothing; calling this twice is fine. */
export function defineDownsamplingExplorer(registry: CustomElementRegistry = customElements): void {
  if (!registry.get('shoal-number-grid')) registry.define('shoal-number-grid', NumberGrid);
  if (!registry.get('shoal-downsampling-explorer')) registry.define('shoal-downsampling-explorer', DownsamplingExplorer);
}

declare global {
  interface HTMLElementTagNameMap {
    'shoal-number-grid': NumberGrid;
    'shoal-downsampling-explorer': DownsamplingExplorer;
  }
}
