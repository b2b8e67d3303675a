/** What wide mode came to: on, or off with the reason. */
export type WideVerdict = { readonly wide: true } | { readonly wide: false; readonly reason: string };

/** What the process has decided about wide mode: one decision, as the engine's flag is one. */
interface Request {
  /** The self-test, once wide mode is asked for: it comes with the asking, so that pages do not load it. */
  test: ((fma: boolean) => WideVerdict) | null;
  /** A runtime was opened: from then on it is too late to ask. */
  opened: boolean;
}

export const wideRequest: Request = { test: null, opened: false };
