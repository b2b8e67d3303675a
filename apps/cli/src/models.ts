import { input, ShapeError } from '@shoal/core';
import { networkNames, networks, type NetworkName } from '@shoal/zoo';
import { distance } from 'fastest-levenshtein';
import { UsageError } from './output.ts';

/** Narrows a text to the name of a network; the error for another text has the names that look like it. */
export function modelName(text: string): NetworkName {
  const known = networkNames.find((name) => name === text);
  if (known) return known;
  const near = networkNames
    .map((name) => ({ name, away: distance(name, text.toLowerCase()) }))
    .filter(({ name, away }) => away <= Math.max(2, name.length / 3))
    .toSorted((a, b) => a.away - b.away)
    .slice(0, 4)
    .map(({ name }) => name);
  const hint = near.length > 0 ? `Did you mean ${near.join(', ')}? ` : '';
  throw new UsageError(`there is no network '${text}'. ${hint}All networks: ${networkNames.join(', ')}`);
}

/**
 * Builds the graph of a network at a size, so that a command knows before its work that it can be done.
 *
 * @throws UsageError when the network cannot take images of that size
 */
export function checkFits(model: NetworkName, size: readonly [height: number, width: number], batch: number, train: boolean): void {
  const network = networks[model]();
  try {
    network.build(input('image', [batch, ...size, network.input[2]]), { train });
  } catch (error) {
    throw error instanceof ShapeError ? new UsageError(error.message) : error;
  }
}
