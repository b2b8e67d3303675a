/** From the frame of a page to the window around it, with the fields of a link; null removes one. */
export const linkEvent = 'shoal/link';

export type LinkEvent = Readonly<Record<string, string | null>>;
