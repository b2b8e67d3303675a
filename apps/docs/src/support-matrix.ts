import type { SupportCell, SupportMatrix, SupportRow } from '@shoal/conformance';
import { css, html, LitElement, type PropertyDeclarations, type TemplateResult } from 'lit';
import { tableStyles } from './table-styles.ts';

const directions = ['forward', 'gradient', 'second-order'] as const;
const abbreviations = { forward: 'fwd', gradient: 'bwd', 'second-order': '2nd' } as const;
const marks: Readonly<Record<SupportCell['status'], string>> = { yes: '✓', partly: '◐', no: '–', wrong: '✗', none: '∅', untested: '·' };
const words: Readonly<Record<SupportCell['status'], string>> = {
  yes: 'right in every case',
  partly: 'right, some cases unsupported',
  no: 'not supported',
  wrong: 'wrong',
  none: 'has no derivative',
  untested: 'not tested',
};

/** `<shoal-support-matrix src="data/support-matrix.json">`: what the conformance tables found, op by backend. */
export class SupportMatrixTable extends LitElement {
  static override readonly properties: PropertyDeclarations = { src: { type: String }, matrix: { attribute: false } };

  static override readonly styles = [
    tableStyles,
    css`
      td.cell,
      .directions th {
        padding-inline: 0.2rem;
        text-align: center;
      }
      /* Where a backend's three begin. */
      td.cell:nth-child(3n + 2),
      th[colspan],
      .directions th:nth-child(3n + 1) {
        border-inline-start: 1px solid light-dark(#c3ced7, #3b4956);
      }
      .yes {
        color: light-dark(#0b6b66, #5cc8be);
      }
      .wrong {
        color: light-dark(#b3261e, #ffb4ab);
        font-weight: 700;
      }
      .partly {
        color: light-dark(#b04a00, #ffb266);
      }
      .no,
      .none,
      .untested {
        color: light-dark(#51606d, #a3b1be);
      }
      ul {
        display: flex;
        flex-wrap: wrap;
        gap: 0.2rem 1.5rem;
        padding: 0;
        list-style: none;
      }
      ol {
        padding-inline-start: 1.5rem;
        font-size: 0.875rem;
      }
    `,
  ];

  declare src: string;
  declare matrix: SupportMatrix | null;
  #problem = '';

  constructor() {
    super();
    this.src = '';
    this.matrix = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.src !== '' && !this.matrix) void this.#load();
  }

  async #load(): Promise<void> {
    try {
      const response = await fetch(this.src);
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      this.matrix = (await response.json()) as SupportMatrix;
    } catch (error) {
      this.#problem = `The matrix was not found (${error instanceof Error ? error.message : String(error)}): build the site with "npx -y pnpm@12 site:build".`;
      this.requestUpdate();
    }
  }

  protected override render(): TemplateResult {
    if (!this.matrix) return html`<p>${this.#problem || 'Loading …'}</p>`;
    const { backends, rows, notMeasured } = this.matrix;
    const notes = [...new Set(rows.flatMap((row) => notesOf(row, backends)))];
    return html`<ul aria-label="Marks">
        ${Object.entries(marks).map(
          ([status, mark]) => html`<li><span class=${status}>${mark}</span> ${words[status as SupportCell['status']]}</li>`,
        )}
      </ul>
      ${notMeasured.map(({ name, reason }) => html`<p><strong>${name}</strong> was not measured where this page was built: ${reason}.</p>`)}
      <table>
        <thead>
          <tr>
            <th rowspan="2" scope="col">op</th>
            ${backends.map((backend) => html`<th colspan="3" scope="colgroup">${backend}</th>`)}
          </tr>
          <tr class="directions">
            ${backends.map(() =>
              directions.map((direction) => html`<th scope="col"><abbr title=${direction}>${abbreviations[direction]}</abbr></th>`),
            )}
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) => this.#row(row, backends, notes))}
        </tbody>
      </table>
      <ol aria-label="Notes">
        ${notes.map((note) => html`<li>${note}</li>`)}
      </ol>`;
  }

  #row(row: SupportRow, backends: readonly string[], notes: readonly string[]): TemplateResult {
    const own = notesOf(row, backends).map((note) => notes.indexOf(note) + 1);
    return html`<tr>
      <th scope="row">${row.op} ${own.length > 0 ? html`<sup>${own.join(', ')}</sup>` : ''}</th>
      ${backends.map((backend) =>
        directions.map((direction) => {
          const { status, passed, checks } = row.support[backend]![direction];
          const says = `${words[status]}${checks > 0 ? `: ${passed} of ${checks} checks` : ''}`;
          return html`<td class="cell ${status}" title=${says} aria-label=${says}>${marks[status]}</td>`;
        }),
      )}
    </tr>`;
  }
}

/** What there is to say about a row, each once. */
function notesOf({ noGradient, support }: SupportRow, backends: readonly string[]): readonly string[] {
  const found = backends.flatMap((backend) =>
    directions.flatMap((direction) => support[backend]![direction].notes.map((note) => `${backend}: ${note}`)),
  );
  return [...new Set(noGradient === null ? found : [`no gradient: ${noGradient}`, ...found])];
}

/** Registers `<shoal-support-matrix>`. */
export function defineSupportMatrix(registry: CustomElementRegistry = customElements): void {
  if (!registry.get('shoal-support-matrix')) registry.define('shoal-support-matrix', SupportMatrixTable);
}
