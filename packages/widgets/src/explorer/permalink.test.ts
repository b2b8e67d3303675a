import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { languages } from '../strings/index.ts';
import { decodeState, encodeState, linkFields } from './permalink.ts';
import { presetNames, presets } from './presets.ts';
import { cellNumber, type ExplorerState } from './state.ts';

const cell = fc.double({ min: -99, max: 99, noNaN: true }).map((value) => cellNumber(value)!);
const cells = (count: number): fc.Arbitrary<number[]> => fc.array(cell, { minLength: count, maxLength: count });
const states: fc.Arbitrary<ExplorerState> = fc.record({
  image: cells(16),
  filter: cells(4),
  upstream: fc.oneof(fc.constant([1, 1, 1, 1]), cells(4)),
  shift: fc.record({
    x: fc.integer({ min: -3, max: 3 }),
    y: fc.integer({ min: -3, max: 3 }),
    edge: fc.constantFrom('circular' as const, 'zero' as const),
  }),
  language: fc.constantFrom(...languages),
});

describe('permalink', () => {
  test('a link brings back every state, whole', () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(decodeState(encodeState(state))).toEqual({ kind: 'state', state });
      }),
    );
  });

  test('survives being the query of a URL, among others', () => {
    fc.assert(
      fc.property(states, (state) => {
        const { search } = new URL(`https://example.org/?id=page&${encodeState(state)}&viewMode=docs`);
        expect(decodeState(search)).toEqual({ kind: 'state', state });
        expect(linkFields).toEqual(expect.arrayContaining([...new URLSearchParams(encodeState(state)).keys()]));
      }),
    );
  });

  test('survives being the fragment of a URL', () => {
    fc.assert(
      fc.property(states, (state) => {
        const link = new URL('https://example.org/explorer/');
        link.hash = encodeState(state);
        expect(decodeState(new URL(link.href).hash)).toEqual({ kind: 'state', state });
      }),
    );
  });

  test('anything else is read as no link or as a broken one, never half', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webQueryParameters(),
          fc.string().map((text) => `shoal=1&i=${text}`),
        ),
        (text) => {
          expect(['none', 'broken']).toContain(decodeState(text).kind);
        },
      ),
    );
  });

  test('is short: every preset in less than 120 characters', () => {
    for (const name of presetNames) expect(encodeState({ ...presets[name], language: 'pt-BR' }).length).toBeLessThan(120);
  });

  test('version 1 is read for ever', () => {
    const fragment = '#shoal=1&i=1_3_2_0_4_2_1_1_0_1_5_2_2_0_1_-3.125&f=1_0_0_-1&u=1_2_0_0.5&s=-1_2_zero&l=pt-BR';
    expect(decodeState(fragment)).toEqual({
      kind: 'state',
      state: {
        image: [1, 3, 2, 0, 4, 2, 1, 1, 0, 1, 5, 2, 2, 0, 1, -3.125],
        filter: [1, 0, 0, -1],
        upstream: [1, 2, 0, 0.5],
        shift: { x: -1, y: 2, edge: 'zero' },
        language: 'pt-BR',
      },
    });
  });

  const good = encodeState({ ...presets.shift, language: 'en' });
  test.each([
    ['another version', good.replace('shoal=1', 'shoal=2')],
    ['a number too few', good.replace('i=0_', 'i=')],
    ['a number too many', good.replace('f=1', 'f=1_1')],
    ['a number out of range', good.replace('i=0_9', 'i=0_100')],
    ['no number', good.replace('i=0_9', 'i=0_Infinity')],
    ['a shift too far', good.replace('s=1_0', 's=4_0')],
    ['an unknown edge', good.replace('_circular', '_reflect')],
    ['an unknown language', good.replace('l=en', 'l=xx')],
  ])('%s: broken', (_, fragment) => {
    expect(decodeState(good).kind).toBe('state');
    expect(decodeState(fragment)).toEqual({ kind: 'broken' });
  });

  test.each(['', '#', '#section-2', 'page=1'])("'%s' is no link of the explorer's", (fragment) => {
    expect(decodeState(fragment)).toEqual({ kind: 'none' });
  });
});
