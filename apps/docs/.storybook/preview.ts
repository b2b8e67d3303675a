import { defineDownsamplingExplorer } from '@shoal/widgets';
import type { Preview } from '@storybook/web-components-vite';
import { defineEngineDefects } from '../src/engine-defects.ts';
import { defineSupportMatrix } from '../src/support-matrix.ts';
import { keepLink } from './keep-link.ts';
import './preview.css';
import { isDark, theme } from './theme.ts';

document.documentElement.style.colorScheme = isDark() ? 'dark' : 'light';
defineDownsamplingExplorer();
defineSupportMatrix();
defineEngineDefects();
keepLink();

const preview: Preview = {
  parameters: {
    layout: 'fullscreen',
    docs: { theme: theme(), codePanel: false },
    options: {
      storySort: {
        order: [
          'Pool or stride?',
          'Getting started',
          'Run on WebGPU',
          'Operations',
          'Embed the explorer',
          'Performance',
          'Write a WASM kernel',
          'Write a WGSL kernel',
          'Support matrix',
          'Explorer',
        ],
      },
    },
    controls: { disable: true },
  },
};

export default preview;
