import { create, type ThemeVars } from 'storybook/theming';

const font = 'system-ui, sans-serif';
const shared = { brandTitle: 'Shoal', brandUrl: './', brandTarget: '_self', fontBase: font, appBorderRadius: 10 } as const;

/** The reader's choice of light or dark, when the page is opened. */
export const isDark = (): boolean => matchMedia('(prefers-color-scheme: dark)').matches;

/** The same colours as the widgets'. */
export const theme = (): ThemeVars =>
  isDark()
    ? create({
        ...shared,
        base: 'dark',
        colorPrimary: '#5cc8be',
        colorSecondary: '#2f8f88',
        appBg: '#10181f',
        appContentBg: '#0b1116',
        appPreviewBg: '#0b1116',
        barBg: '#10181f',
        textColor: '#e6edf3',
      })
    : create({
        ...shared,
        base: 'light',
        colorPrimary: '#0b6b66',
        colorSecondary: '#0b6b66',
        appBg: '#f4f7f9',
        appContentBg: '#ffffff',
        appPreviewBg: '#ffffff',
        textColor: '#16232e',
      });
