import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { userEvent } from 'vitest/browser';
import { decodeState, encodeState } from './permalink.ts';
import type { NumberGrid } from './number-grid.ts';

// Before anything else here: the package is imported, and nothing may have been registered by that.
const widgets = await import('../index.ts');
const registeredByImport = customElements.get('shoal-downsampling-explorer');
widgets.defineDownsamplingExplorer();

type Explorer = InstanceType<typeof widgets.DownsamplingExplorer>;

const complaints: unknown[] = [];
const noteComplaint = (event: ErrorEvent | PromiseRejectionEvent): unknown => complaints.push(event);

/** Numbers are computed after the event that asks for them, on machines that are busy. */
const patiently = { timeout: 10_000 };

/** Puts an explorer on the page and waits for its numbers. */
async function show(attributes = 'lang="en"'): Promise<Explorer> {
  document.body.innerHTML = `<main><h1>Test</h1><shoal-downsampling-explorer ${attributes}></shoal-downsampling-explorer></main>`;
  const explorer = document.querySelector('shoal-downsampling-explorer')!;
  await expect.poll(() => all(explorer, '.card').length, patiently).toBe(4);
  return explorer;
}

const root = (explorer: Explorer): ShadowRoot => explorer.shadowRoot!;
const all = <E extends Element>(explorer: Explorer, selector: string): E[] => [...root(explorer).querySelectorAll<E>(selector)];
const one = <E extends Element = HTMLElement>(...found: Parameters<typeof all<E>>): E => all<E>(...found)[0]!;
const grid = (explorer: Explorer, name: string): NumberGrid => one<NumberGrid>(explorer, `[data-grid=${name}]`);
const cells = (explorer: Explorer, name: string): HTMLInputElement[] => [...grid(explorer, name).shadowRoot!.querySelectorAll('input')];
const card = (operator: string): string => `[data-operator=${operator}]`;
/** What is drawn: the outputs, and the arrows as [cell, gradient]. */
const outputs = (explorer: Explorer, operator: string): string[] =>
  all(explorer, `${card(operator)} text.output`).map((text) => text.textContent);
const arrows = (explorer: Explorer, operator: string): [cell: number, gradient: number][] =>
  all<SVGGElement>(explorer, `${card(operator)} .arrow`)
    .map(({ dataset }): [number, number] => [Number(dataset['cell']), Number(dataset['gradient'])])
    .toSorted(([a], [b]) => a - b);
/** The deepest focused element. */
const focused = (): Element | null => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
};
/** Selects all of a field and types over it, as a reader would. */
async function enter(field: HTMLInputElement, text: string): Promise<void> {
  field.focus();
  await userEvent.keyboard(`${text}{Enter}`);
}
function slide(explorer: Explorer, which: number, value: number): void {
  const slider = all<HTMLInputElement>(explorer, 'input[type=range]')[which]!;
  slider.value = String(value);
  slider.dispatchEvent(new InputEvent('input', { bubbles: true }));
}

beforeEach(() => {
  history.replaceState(null, '', location.pathname + location.search);
  complaints.length = 0;
  window.addEventListener('error', noteComplaint);
  window.addEventListener('unhandledrejection', noteComplaint);
  vi.spyOn(console, 'error').mockImplementation((...message) => complaints.push(message));
  vi.spyOn(console, 'warn').mockImplementation((...message) => complaints.push(message));
});

afterEach(() => {
  document.body.innerHTML = '';
  window.removeEventListener('error', noteComplaint);
  window.removeEventListener('unhandledrejection', noteComplaint);
  vi.restoreAllMocks();
  // Lit says once that it runs from its development build: that is about the test server, not about the widget.
  const found = complaints.filter((each) => !String(each).includes('Lit is in dev mode'));
  if (found.length > 0) throw new Error(`the page complained:\n${found.map(String).join('\n')}`);
});

test('importing registers nothing, defining twice is fine', () => {
  expect(registeredByImport).toBeUndefined();
  expect(customElements.get('shoal-downsampling-explorer')).toBe(widgets.DownsamplingExplorer);
  widgets.defineDownsamplingExplorer();
});

describe('values', () => {
  test('shows the outputs of all four', async () => {
    const explorer = await show();
    expect(outputs(explorer, 'max')).toEqual(['4', '2', '2', '5']);
    expect(outputs(explorer, 'average')).toEqual(['2.5', '1', '0.75', '2.75']);
    expect(outputs(explorer, 'convolution')).toEqual(['−1', '1', '0', '2']);
    expect(outputs(explorer, 'spaceToDepth').join(' ')).toBe('1 3 4 2 2 0 1 1 0 1 2 0 5 2 1 3');
  });

  test('says the same in tables, for who does not see the drawing', async () => {
    const explorer = await show();
    const tables = all(explorer, `${card('max')} .unseen table`);
    expect(tables.map((table) => table.querySelector('caption')!.textContent.trim())).toEqual([
      'Max pooling: output',
      'Max pooling: gradient to the image',
    ]);
    expect([...tables[1]!.querySelectorAll('td')].map((cell) => cell.textContent).join(' ')).toBe('0 0 1 0 1 0 0 0 0 0 1 0 1 0 0 0');
  });

  test('counts what each costs', async () => {
    const explorer = await show();
    const badge = (operator: string, cost: string): string => one(explorer, `${card(operator)} [data-cost=${cost}] dd`).textContent;
    expect([badge('max', 'comparisons'), badge('average', 'additions'), badge('convolution', 'multiplyAccumulates')]).toEqual([
      '12',
      '12',
      '16',
    ]);
    expect([badge('convolution', 'parameters'), badge('max', 'parameters')]).toEqual(['4', '0']);
  });

  test('computed by WebAssembly, it is the same', async () => {
    const explorer = await show('lang="en" backend="wasm"');
    expect(outputs(explorer, 'average')).toEqual(['2.5', '1', '0.75', '2.75']);
    expect(backend(explorer).value).toBe('wasm');
  });

  const backend = (explorer: Explorer): HTMLSelectElement => one<HTMLSelectElement>(explorer, '[data-control=backend]');
  const problem = (explorer: Explorer): string => one(explorer, '.problem').textContent;

  test('readers switch to the GPU, where it is the same', async () => {
    const explorer = await show();
    const submits = vi.spyOn(GPUQueue.prototype, 'submit');
    await userEvent.selectOptions(backend(explorer), 'webgpu');
    await expect.poll(() => submits.mock.calls.length, patiently).toBeGreaterThanOrEqual(2);
    explorer.state = { image: explorer.state.image.with(0, 9) };
    await expect.poll(() => outputs(explorer, 'max')[0], patiently).toBe('9');
    expect(outputs(explorer, 'average')).toEqual(['4.5', '1', '0.75', '2.75']);
    expect(submits.mock.calls.length).toBeGreaterThanOrEqual(4);
    expect([explorer.getAttribute('backend'), backend(explorer).value, problem(explorer)]).toEqual(['webgpu', 'webgpu', '']);
  });

  test('without a GPU it says why, and computes all the same', async () => {
    vi.spyOn(navigator, 'gpu', 'get').mockReturnValue(undefined as unknown as GPU);
    const explorer = await show('lang="en" backend="webgpu"');
    expect(outputs(explorer, 'average')).toEqual(['2.5', '1', '0.75', '2.75']);
    expect(problem(explorer)).toBe(
      'WebGPU, float32: backend-webgpu: WebGPU is not available: this environment has no navigator.gpu. JavaScript computes instead.',
    );
    expect(backend(explorer).value).toBe('reference');
    explorer.backend = 'wasm';
    await expect.poll(() => problem(explorer), patiently).toBe('');
    expect(backend(explorer).value).toBe('wasm');
  });
});

describe('backward', () => {
  test('arrows lead to the cells that hear back', async () => {
    const explorer = await show();
    expect(arrows(explorer, 'max')).toEqual([
      [2, 1],
      [4, 1],
      [10, 1],
      [12, 1],
    ]);
    expect(arrows(explorer, 'average')).toEqual(Array.from({ length: 16 }, (_, cell) => [cell, 0.25]));
    expect(arrows(explorer, 'convolution')).toEqual([
      [0, 1],
      [2, 1],
      [5, -1],
      [7, -1],
      [8, 1],
      [10, 1],
      [13, -1],
      [15, -1],
    ]);
    expect(arrows(explorer, 'spaceToDepth').length).toBe(16);
  });

  test('of a tie the first cell gets the arrow, in every window', async () => {
    const explorer = await show();
    await userEvent.click(one(explorer, '[data-preset=tie]'));
    await expect
      .poll(() => arrows(explorer, 'max'))
      .toEqual([
        [0, 1],
        [2, 1],
        [8, 1],
        [10, 1],
      ]);
    expect(all(explorer, `${card('max')} .winner`).length).toBe(4);
  });

  test('all negative: four arrows, none lost', async () => {
    const explorer = await show();
    await userEvent.click(one(explorer, '[data-preset=negative]'));
    await expect
      .poll(() => arrows(explorer, 'max'))
      .toEqual([
        [0, 1],
        [2, 1],
        [8, 1],
        [10, 1],
      ]);
  });

  test('the gradient from above can be edited, and made ones again; thicker arrows carry more', async () => {
    const explorer = await show();
    const [first, second] = cells(explorer, 'upstream');
    await enter(first!, '-3');
    await enter(second!, '0');
    await expect
      .poll(() => arrows(explorer, 'max'))
      .toEqual([
        [4, -3],
        [10, 1],
        [12, 1],
      ]);
    const width = (cell: number): number =>
      parseFloat(one<SVGPathElement>(explorer, `${card('max')} .arrow[data-cell="${cell}"] path`).style.strokeWidth);
    expect(width(4)).toBeGreaterThan(width(10));
    await userEvent.click(one(explorer, '.upstream button'));
    await expect.poll(() => arrows(explorer, 'max').length, patiently).toBe(4);
  });

  test('the filter can be edited: of four quarters it is average pooling', async () => {
    const explorer = await show();
    for (const cell of cells(explorer, 'filter')) await enter(cell, '.25');
    await expect.poll(() => outputs(explorer, 'convolution'), patiently).toEqual(outputs(explorer, 'average'));
    expect(arrows(explorer, 'convolution')).toEqual(arrows(explorer, 'average'));
    expect(one(explorer, '[data-preset=average]').getAttribute('aria-pressed')).toBe('true');
  });
});

describe('shift', () => {
  test('by one pixel: other outputs, and what they were', async () => {
    const explorer = await show();
    await userEvent.click(one(explorer, '[data-preset=shift]'));
    await expect.poll(() => outputs(explorer, 'max'), patiently).toEqual(['0', '9', '0', '9']);
    expect(all(explorer, `${card('max')} .was`).map((text) => text.textContent)).toEqual(['was 9', 'was 9']);
    expect(one(explorer, `${card('max')} .effect`).textContent).toBe('Shifted: 2 of 4 outputs are new');
  });

  test('by two pixels around the edge: the same outputs, moved; with zeros: not', async () => {
    const explorer = await show();
    slide(explorer, 0, 2);
    await expect.poll(() => one(explorer, `${card('average')} .effect`)?.textContent, patiently).toBe('Shifted: same outputs, moved');
    expect(outputs(explorer, 'average')).toEqual(['1', '2.5', '2.75', '0.75']);
    await userEvent.click(one(explorer, 'input[value=zero]'));
    await expect.poll(() => outputs(explorer, 'average'), patiently).toEqual(['0', '2.5', '0', '0.75']);
  });

  test('up and down too, by the keyboard, said aloud', async () => {
    const explorer = await show();
    const slider = all<HTMLInputElement>(explorer, 'input[type=range]')[1]!;
    slider.focus();
    await userEvent.keyboard('{ArrowLeft}');
    await expect.poll(() => slider.getAttribute('aria-valuetext'), patiently).toBe('1 pixel up');
    expect(explorer.state.shift).toEqual({ x: 0, y: -1, edge: 'circular' });
  });
});

describe('keyboard', () => {
  test('one stop per grid, arrow keys between cells', async () => {
    const explorer = await show();
    const image = cells(explorer, 'image');
    expect(image.filter(({ tabIndex }) => tabIndex === 0)).toEqual([image[0]]);
    image[0]!.focus();
    await userEvent.keyboard('{ArrowRight}{ArrowDown}');
    expect(focused()).toBe(image[5]);
    await userEvent.keyboard('{End}{ArrowRight}{ArrowDown}{Home}{ArrowLeft}{ArrowUp}{ArrowUp}{ArrowUp}');
    expect(focused()).toBe(image[0]);
    await userEvent.keyboard('{Tab}');
    expect(focused()).toBe(cells(explorer, 'filter')[0]);
  });

  test('typing replaces at once, Enter keeps, Escape takes back', async () => {
    const explorer = await show();
    const field = cells(explorer, 'image')[3]!;
    field.focus();
    await userEvent.keyboard('7');
    await expect.poll(() => outputs(explorer, 'max')[1], patiently).toBe('7');
    await userEvent.keyboard('{Escape}');
    await expect.poll(() => outputs(explorer, 'max')[1], patiently).toBe('2');
    expect(field.value).toBe('0');
    await userEvent.keyboard('8{Enter}');
    await userEvent.keyboard('{Escape}');
    expect(explorer.state.image[3]).toBe(8);
  });

  test('Enter edits inside a number: arrow keys then move in the text', async () => {
    const explorer = await show();
    const field = cells(explorer, 'image')[1]!;
    field.focus();
    await userEvent.keyboard('{Enter}{ArrowLeft}1{Enter}');
    expect(focused()).toBe(field);
    expect(explorer.state.image[1]).toBe(13);
  });

  test('what is no number is said, and not taken', async () => {
    const explorer = await show();
    const field = cells(explorer, 'image')[0]!;
    field.focus();
    await userEvent.keyboard('100');
    await expect.poll(() => field.getAttribute('aria-invalid'), patiently).toBe('true');
    expect(grid(explorer, 'image').shadowRoot!.querySelector('[role=alert]')!.textContent).toContain('−99');
    expect(explorer.state.image[0]).toBe(10);
    await userEvent.keyboard('{Escape}');
    expect(explorer.state.image[0]).toBe(1);
    await expect.poll(() => field.getAttribute('aria-invalid'), patiently).toBe('false');
  });

  test('the focused cell is followed through all four, to where the shift put it', async () => {
    const explorer = await show();
    slide(explorer, 0, 1);
    cells(explorer, 'image')[0]!.focus();
    const followed = (): string[] => all<SVGElement>(explorer, '.cell.followed').map(({ dataset }) => dataset['cell']!);
    await expect.poll(followed, patiently).toEqual(['1', '1', '1', '1']);
    cells(explorer, 'image')[0]!.blur();
    await expect.poll(followed, patiently).toEqual([]);
  });
});

describe('links', () => {
  test('the address holds the whole state, and brings it back', async () => {
    const explorer = await show('lang="en" sync-url');
    await enter(cells(explorer, 'image')[0]!, '-1.5');
    await enter(cells(explorer, 'filter')[2]!, '0.125');
    await enter(cells(explorer, 'upstream')[3]!, '2');
    slide(explorer, 0, -1);
    await userEvent.click(one(explorer, 'input[value=zero]'));
    await userEvent.selectOptions(one(explorer, 'select'), 'pt-BR');
    const { state } = explorer;
    expect(state).toMatchObject({ upstream: [1, 1, 1, 2], shift: { x: -1, y: 0, edge: 'zero' }, language: 'pt-BR' });
    await expect.poll(() => decodeState(location.hash), patiently).toEqual({ kind: 'state', state });
    const again = await show('lang="en" sync-url');
    expect(again.state).toEqual(state);
    expect(again.lang).toBe('pt-BR');
  });

  test('another link in the same page is followed', async () => {
    const explorer = await show('lang="en" sync-url');
    location.hash = encodeState({ ...widgets.presets.tie, language: 'en' });
    await expect.poll(() => arrows(explorer, 'max').map(([cell]) => cell), patiently).toEqual([0, 2, 8, 10]);
  });

  test('a broken link is said, and the start is shown', async () => {
    history.replaceState(null, '', '#shoal=1&i=1_2_3');
    const explorer = await show('lang="en" sync-url');
    expect(one(explorer, '.problem').textContent).toContain('could not be read');
    expect(outputs(explorer, 'max')).toEqual(['4', '2', '2', '5']);
  });

  test('the address is left alone without being asked', async () => {
    const explorer = await show();
    slide(explorer, 0, 1);
    await expect.poll(() => all(explorer, '.effect').length, patiently).toBe(4);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(location.hash).toBe('');
  });

  test('the button copies a link, to the page that was named', async () => {
    const explorer = await show('lang="en" link-base="/explorer/?from=test"');
    const copy = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
    await userEvent.click(one(explorer, 'button.main'));
    await expect.poll(() => one(explorer, '.status').textContent, patiently).toContain('Copied');
    const link = new URL(copy.mock.calls[0]![0]);
    expect(link.pathname + link.search).toBe('/explorer/?from=test');
    expect(decodeState(link.hash)).toEqual({ kind: 'state', state: explorer.state });
  });

  test('where copying is forbidden, the link is shown', async () => {
    const explorer = await show();
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('', 'NotAllowedError'));
    await userEvent.click(one(explorer, 'button.main'));
    await expect.poll(() => one<HTMLInputElement>(explorer, 'input.link')?.value, patiently).toBe(explorer.link);
  });
});

describe('language', () => {
  test('is switched, said in the attribute, and written in', async () => {
    const explorer = await show();
    await userEvent.selectOptions(one(explorer, 'select'), 'pt-BR');
    await expect.poll(() => outputs(explorer, 'average')[0], patiently).toBe('2,5');
    expect([explorer.getAttribute('lang'), one(explorer, '.explorer').lang]).toEqual(['pt-BR', 'pt-BR']);
    expect(one(explorer, 'h2').textContent).toBe('Imagem');
    explorer.lang = 'en';
    await expect.poll(() => one(explorer, 'h2').textContent, patiently).toBe('Image');
  });

  test('is that of the page around it, where there are strings for it', async () => {
    document.documentElement.lang = 'pt';
    const explorer = await show('');
    expect(explorer.lang).toBe('pt-BR');
    document.documentElement.lang = 'en';
  });
});

describe('accessibility', () => {
  test.each(['light', 'dark'])('axe finds nothing wrong: %s', async (theme) => {
    document.documentElement.lang = 'en';
    document.title = 'Test';
    for (const preset of ['start', 'shift'] as const) {
      const explorer = await show(`lang="pt-BR" theme="${theme}"`);
      await userEvent.click(one(explorer, `[data-preset=${preset}]`));
      await userEvent.hover(one(explorer, 'h2'));
      await expect.poll(() => all(explorer, '.effect').length, patiently).toBe(preset === 'shift' ? 4 : 0);
      const { violations } = await axe.run(document.body);
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
    }
  });

  test('focus is seen: an outline of at least two pixels on everything that takes it', async () => {
    const explorer = await show();
    document.body.focus();
    const seen: string[] = [];
    for (let i = 0; i < 18; i++) {
      await userEvent.keyboard('{Tab}');
      const element = focused();
      if (!element || element === document.body) break;
      const style = getComputedStyle(element);
      seen.push(element.tagName);
      if (element.getAttribute('type') !== 'radio') expect(parseFloat(style.outlineWidth)).toBeGreaterThanOrEqual(2);
    }
    expect(seen.filter((tag) => tag === 'BUTTON').length).toBe(8);
    expect(seen).toContain('SELECT');
    expect(explorer.isConnected).toBe(true);
  });
});
