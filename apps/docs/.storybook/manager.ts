import { addons } from 'storybook/manager-api';
import { theme } from './theme.ts';

addons.setConfig({ theme: theme(), layout: { showPanel: false, showToolbar: false }, ui: { enableShortcuts: false } });
