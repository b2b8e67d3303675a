import { encodeState, linkFields, type StateChangeEvent } from '@shoal/widgets';
import { debounceTime, filter, fromEvent, map } from 'rxjs';
import { DOCS_RENDERED, STORY_RENDERED } from 'storybook/internal/core-events';
import { addons } from 'storybook/preview-api';
import { linkEvent, type LinkEvent } from './link-event.ts';

/**
 * Keeps the state of the page's explorer in the address of the window around the frame, which is the one that people copy. That window
 * hands its query to the frame when it is loaded, so reading the state back needs nobody's help.
 */
export function keepLink(): void {
  const channel = addons.getChannel();
  const send = (fields: URLSearchParams): void => {
    const event: LinkEvent = Object.fromEntries(linkFields.map((field) => [field, fields.get(field)]));
    channel.emit(linkEvent, event);
  };

  // The address belongs to the first page of the frame. A page that is turned to starts with an address of its own.
  let link: string | null = location.search;
  const opened = (): void => {
    if (link === null) send(new URLSearchParams());
    else document.querySelector('shoal-downsampling-explorer')?.open(link);
    link = null;
  };
  for (const event of [DOCS_RENDERED, STORY_RENDERED]) channel.on(event, opened);

  // A page that was left says nothing more.
  fromEvent<StateChangeEvent>(document, 'state-change')
    .pipe(
      map(({ state, target }) => ({ state, explorer: target as Element })),
      debounceTime(100),
      filter(({ explorer }) => explorer.checkVisibility()),
    )
    .subscribe(({ state }) => send(new URLSearchParams(encodeState(state))));
}
