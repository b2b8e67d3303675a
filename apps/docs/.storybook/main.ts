import type { StorybookConfig } from '@storybook/web-components-vite';

const config: StorybookConfig = {
  framework: '@storybook/web-components-vite',
  stories: ['../src/**/*.mdx', '../src/**/*.stories.ts'],
  addons: ['@storybook/addon-docs'],
  // Made before the site: the explorer's own page, and what the conformance tables found.
  staticDirs: [
    { from: '../dist/explorer', to: '/explorer' },
    { from: '../dist/data', to: '/data' },
  ],
  // The site talks to nobody.
  core: { disableTelemetry: true, disableWhatsNewNotifications: true, enableCrashReports: false },
  viteFinal: (vite) => ({
    ...vite,
    // Found from wherever the folder is served.
    base: './',
    resolve: { ...vite.resolve, conditions: ['@shoal/source', 'module', 'browser', 'development|production'] },
  }),
};

export default config;
