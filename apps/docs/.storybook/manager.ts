import { addons } from 'storybook/manager-api';
import { linkEvent, type LinkEvent } from './link-event.ts';
import { theme } from './theme.ts';

addons.setConfig({ theme: theme(), layout: { showPanel: false, showToolbar: false }, ui: { enableShortcuts: false } });

// Replaced, not pushed: a slider is not a journey to go back through.
addons.register(linkEvent, (api) => api.on(linkEvent, (fields: LinkEvent) => api.applyQueryParams(fields, { replace: true })));
