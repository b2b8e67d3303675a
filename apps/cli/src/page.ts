import { parseHTML } from 'linkedom';
import type { Environment } from './bench/environment.ts';
import { escapeHtml } from './html.ts';
import type { Column } from './table.ts';

/** A document for Plot to draw in, where there is no browser. */
export const plotDocument = (): Document => parseHTML('<!doctype html><html><body></body></html>').document;

const style = `
:root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff; }
body { max-width: 1140px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid #dde3ea; white-space: nowrap; }
td.right { text-align: right; } tr:target { background: #fff3cd; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } figure img { width: 200px; height: 200px; image-rendering: pixelated; display: block; }
figcaption, .note { color: #55606e; font-size: 13px; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: 13px; } dd { margin: 0; overflow-wrap: anywhere; }
.key b { display: inline-block; width: .8em; height: .8em; border-radius: 50%; }
svg { max-width: 100%; height: auto; }`;

/** One page that needs nothing from anywhere: styles and plots are inside. */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${style}
</style>
${body}
</html>
`;
}

/** A table; `idOf` gives rows a name that links can point at. */
export function htmlTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], idOf?: (row: Row) => string): string {
  const head = columns.map(({ title }) => `<th>${escapeHtml(title)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = columns.map(({ align, text }) => `<td class="${align ?? 'left'}">${escapeHtml(text(row))}</td>`).join('');
    return `<tr${idOf ? ` id="${escapeHtml(idOf(row))}"` : ''}>${cells}</tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

/** Where something was measured, after facts of its own. */
export function factList(own: Readonly<Record<string, string | number>>, { flags, notes, ...machine }: Environment): string {
  const known = {
    ...own,
    ...machine,
    flags: Object.entries(flags)
      .map(([flag, value]) => `${flag}=${value}`)
      .join(' '),
    ...(notes.length > 0 && { notes: notes.join('; ') }),
  };
  const facts = Object.entries(known).map(([key, value]) => `<dt>${escapeHtml(key)}</dt><dd>${escapeHtml(String(value))}</dd>`);
  return `<dl>${facts.join('\n')}</dl>`;
}
