import type { StorybookConfig } from '@storybook/web-components-vite';
import remarkGfm from 'remark-gfm';

const config: StorybookConfig = {
  framework: '@storybook/web-components-vite',
  stories: ['../src/**/*.mdx', '../src/**/*.stories.ts'],
  addons: [{ name: '@storybook/addon-docs', options: { mdxPluginOptions: { mdxCompileOptions: { remarkPlugins: [remarkGfm] } } } }],
  // Made before the site: the explorer's own page, and what the conformance tables found.
  staticDirs: [
    { from: '../dist/explorer', to: '/explorer' },
    { from: '../dist/data', to: '/data' },
  ],
  // A site for readers, not a workshop to be set up.
  features: { sidebarOnboardingChecklist: false },
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
