import cliProgress from 'cli-progress';
import type { Streams } from './output.ts';

/** Progress for whoever watches; silent where nobody does. */
export interface Progress {
  /** One more is done; `what` is shown beside the bar. */
  advance(what: string): void;
  /** Shows what is going on without anything being done. */
  show(what: string): void;
  stop(): void;
}

const silent: Progress = { advance: () => undefined, show: () => undefined, stop: () => undefined };

/** A bar of `total` steps on standard error, if that is a terminal. */
export function progressBar({ interactive }: Streams, total: number): Progress {
  if (!interactive) return silent;
  const bar = new cliProgress.SingleBar(
    { format: '{bar} {percentage}%  {what}', hideCursor: true, clearOnComplete: true, stream: process.stderr },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { what: '' });
  return {
    advance: (what) => bar.increment(1, { what }),
    show: (what) => bar.update({ what }),
    stop: () => bar.stop(),
  };
}
