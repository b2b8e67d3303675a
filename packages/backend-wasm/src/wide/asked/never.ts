/** A page has no command line: this file takes the place of ./node.ts, and what it loads. */
export const asCommandLineAsks = (): void => undefined;
