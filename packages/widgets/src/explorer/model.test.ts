import { filter, firstValueFrom, map, take, toArray } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { Results } from './calculator.ts';
import { createModel, type Computation } from './model.ts';
import { presets } from './presets.ts';

const start = { ...presets.start, language: 'en' as const };
const ready = (computation: Computation): computation is { kind: 'ready'; results: Results } => computation.kind === 'ready';

describe('model', () => {
  test('says that it is loading, then shows numbers', async () => {
    const { computation } = createModel(start);
    const [first, second] = await firstValueFrom(computation.pipe(take(2), toArray()));
    expect(first).toEqual({ kind: 'loading' });
    expect(second?.kind === 'ready' && second.results.operators.max.output).toEqual([4, 2, 2, 5]);
  });

  test('newer numbers cancel older ones: only the last of a burst is computed', async () => {
    const model = createModel(start);
    const shown = firstValueFrom(
      model.computation.pipe(
        filter(ready),
        map(({ results }) => results.numbers.shift.x),
        take(2),
        toArray(),
      ),
    );
    await firstValueFrom(model.computation.pipe(filter(ready)));
    for (const x of [1, 2, 3, -1]) model.update({ shift: { x, y: 0, edge: 'circular' } });
    expect(await shown).toEqual([0, -1]);
  });

  test('another language is not another computation', async () => {
    const model = createModel(start);
    const seen: string[] = [];
    const subscription = model.computation.subscribe(({ kind }) => seen.push(kind));
    await expect.poll(() => seen).toEqual(['loading', 'ready']);
    model.update({ language: 'pt-BR' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual(['loading', 'ready']);
    subscription.unsubscribe();
  });

  test('unsubscribing stops it', async () => {
    const model = createModel(start);
    const seen: string[] = [];
    const subscription = model.computation.subscribe(({ kind }) => seen.push(kind));
    await expect.poll(() => seen).toEqual(['loading', 'ready']);
    subscription.unsubscribe();
    model.update({ image: start.image.toReversed() });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(seen).toEqual(['loading', 'ready']);
  });
});
