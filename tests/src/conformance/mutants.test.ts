import { createRuntime, nhwc, type CaseTable, type Runtime, type Window2d } from '@shoal/core';
import { forEachPosition, reference, referenceKernel, type ReferenceKernel } from '@shoal/core/reference';
import { checksOf, evaluate } from '@shoal/conformance';
import { convCases } from '@shoal/conv/cases';
import { convReference } from '@shoal/conv/reference';
import { maxPool, maxPoolGradient, windowCells } from '@shoal/pool';
import { poolCases } from '@shoal/pool/cases';
import { poolReference } from '@shoal/pool/reference';
import { describe, expect, test } from 'vitest';

/**
 * The first check that a runtime fails, it being its own oracle: what is left when forward and backward are wrong alike, and
 * nobody else says what is right.
 */
async function killer(tables: readonly CaseTable[], kernels: readonly Readonly<Record<string, ReferenceKernel>>[]): Promise<string | null> {
  const runtime: Runtime = await createRuntime(reference(), kernels);
  for (const table of tables) {
    for (const one of table.cases) {
      for (const check of checksOf(one)) {
        const { ok } = await evaluate(table, one, check, runtime, runtime);
        if (!ok) return `${table.name} > ${one.name}: ${check}`;
      }
    }
  }
  return null;
}

/** Wrong attributes, in a forward op and its gradients alike. */
const wrongWindows: Readonly<Record<string, (window: Window2d) => Window2d>> = {
  'top and bottom padding swapped': (a) => ({ ...a, padding: { ...a.padding, top: a.padding.bottom, bottom: a.padding.top } }),
  'left and right padding swapped': (a) => ({ ...a, padding: { ...a.padding, left: a.padding.right, right: a.padding.left } }),
  'padding along height taken for width': (a) => ({ ...a, padding: { ...a.padding, left: a.padding.top } }),
  'padding along width taken for height': (a) => ({ ...a, padding: { ...a.padding, top: a.padding.left } }),
  'stride along height taken for width': (a) => ({ ...a, stride: { ...a.stride, width: a.stride.height } }),
  'stride along width taken for height': (a) => ({ ...a, stride: { ...a.stride, height: a.stride.width } }),
  'dilation along height taken for width': (a) => ({ ...a, dilation: { ...a.dilation, width: a.dilation.height } }),
  'dilation along width taken for height': (a) => ({ ...a, dilation: { ...a.dilation, height: a.dilation.width } }),
};

function withAttributes(
  kernels: Readonly<Record<string, ReferenceKernel>>,
  change: (window: Window2d) => Window2d,
): Readonly<Record<string, ReferenceKernel>> {
  return Object.fromEntries(
    Object.entries(kernels).map(([name, kernel]): [string, ReferenceKernel] => [
      name,
      {
        ...kernel,
        run: (site) => {
          const attributes: object = site.attributes;
          kernel.run('padding' in attributes ? { ...site, attributes: change(attributes as Window2d) as never } : site);
        },
      },
    ]),
  );
}

const named = (tables: readonly CaseTable[], prefix: string): readonly CaseTable[] => tables.filter(({ name }) => name.startsWith(prefix));

describe.each([
  ['max pooling', named(poolCases, 'pool/max'), poolReference],
  ['average pooling', named(poolCases, 'pool/average'), poolReference],
  ['convolution', convCases, convReference],
] as const)('the tables of %s kill', (_, tables, kernels) => {
  test.each(Object.entries(wrongWindows))('%s', async (_name, change) => {
    expect(await killer(tables, [withAttributes(kernels, change)])).not.toBeNull();
  });
});

/** A max pool whose decisions can be made wrong, one at a time. */
interface Decisions {
  /** Whether a value replaces the best so far. */
  readonly beats: (value: number, best: number) => boolean;
  /** What the search starts from; null: from the first cell. */
  readonly floor: number | null;
  /** Numbers a cell of the plane. */
  readonly cell: (h: number, w: number, height: number, width: number) => number;
  /** Reads and writes plane 0 of the batch for all. */
  readonly oneImage: boolean;
  readonly oneChannel: boolean;
  /** What a cell's gradient becomes when another window's arrives. */
  readonly accumulate: (held: number, arriving: number, cells: number) => number;
}

const right: Decisions = {
  beats: (value, best) => value > best || (Number.isNaN(value) && !Number.isNaN(best)),
  floor: null,
  cell: (h, w, _height, width) => h * width + w,
  oneImage: false,
  oneChannel: false,
  accumulate: (held, arriving) => held + arriving,
};

function maxPoolWith(decisions: Decisions): Readonly<Record<string, ReferenceKernel>> {
  const { beats, floor, cell, oneImage, oneChannel, accumulate } = decisions;
  const forward = referenceKernel(maxPool, ({ inputs: [x], outputs: [y, winner], attributes }) => {
    const [, height, width, channels] = nhwc(maxPool.name, x!.shape);
    const { rows, columns } = windowCells(x!.shape, y!.shape, attributes);
    forEachPosition(y!.shape, ([n, oh, ow, c], i) => {
      let [best, at] = [floor, 0];
      for (const h of rows[oh!]!) {
        for (const w of columns[ow!]!) {
          const value = x!.data[(((oneImage ? 0 : n!) * height + h) * width + w) * channels + (oneChannel ? 0 : c!)]!;
          if (best === null || beats(value, best)) [best, at] = [value, cell(h, w, height, width)];
        }
      }
      y!.data[i] = best ?? NaN;
      winner!.data[i] = at;
    });
  });
  const gradient = referenceKernel(maxPoolGradient, ({ inputs: [dy, winner], outputs: [dx], attributes: { window } }) => {
    const [, height, width, channels] = nhwc(maxPoolGradient.name, dx!.shape);
    forEachPosition(dy!.shape, ([n, , , c], i) => {
      const to = ((oneImage ? 0 : n!) * height * width + winner!.data[i]!) * channels + (oneChannel ? 0 : c!);
      dx!.data[to] = accumulate(dx!.data[to]!, dy!.data[i]!, window.height * window.width);
    });
  });
  return { ...poolReference, maxPool: forward, maxPoolGradient: gradient };
}

const mutants: Readonly<Record<string, Partial<Decisions>>> = {
  'the last tie wins': { beats: (value, best) => value >= best || (Number.isNaN(value) && !Number.isNaN(best)) },
  'the smallest wins': { beats: (value, best) => value < best || (Number.isNaN(value) && !Number.isNaN(best)) },
  'the maximum starts at 0': { floor: 0 },
  'the maximum starts at -Infinity, as its own cell': { floor: -Infinity },
  'the maximum starts at the lowest float32': { floor: -3.4028234663852886e38 },
  'NaN is passed over': { beats: (value, best) => value > best },
  'the last NaN wins': { beats: (value, best) => value > best || Number.isNaN(value) },
  'the winner is counted with H for W': { cell: (h, w, height) => h * height + w },
  'the winner is counted column by column': { cell: (h, w, height) => w * height + h },
  'every image is the first': { oneImage: true },
  'every channel is the first': { oneChannel: true },
  'the gradient overwrites instead of accumulating': { accumulate: (_, arriving) => arriving },
  'the gradient is shared among the window': { accumulate: (held, arriving, cells) => held + arriving / cells },
};

describe('the tables of max pooling', () => {
  const tables = named(poolCases, 'pool/max').filter(({ name }) => name === 'pool/max' || name === 'pool/max-gradient');

  test('let the unchanged kernel live', async () => {
    expect(await killer(tables, [maxPoolWith(right)])).toBeNull();
  });

  test.each(Object.entries(mutants))('kill: %s', async (_name, mutant) => {
    expect(await killer(tables, [maxPoolWith({ ...right, ...mutant })])).not.toBeNull();
  });
});
