import type { OpenEngine } from '../engines/engine.ts';
import { openShoal } from '../engines/shoal.ts';

/** An engine that is right once, as one is whose device has failed without a word. */
export const open: OpenEngine = async (options) => {
  const engine = await openShoal(options, 'default', '1');
  return {
    ...engine,
    async prepare(order) {
      const prepared = await engine.prepare(order);
      let timed = false;
      return {
        ...prepared,
        sample(runs) {
          timed = true;
          return prepared.sample(runs);
        },
        results: async () => (await prepared.results())!.map((values) => (timed ? values.map(() => 0) : values)),
      };
    },
  };
};
