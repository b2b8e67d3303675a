import { engineDefects, type EngineDefect } from '@shoal/backend-tfjs/defects';
import { css, html, LitElement, type TemplateResult } from 'lit';
import { tableStyles } from './table-styles.ts';

const defects: readonly EngineDefect[] = Object.values(engineDefects);

/** `<shoal-engine-defects>`: what the engines of TensorFlow.js get wrong by themselves, from the list that tests prove. */
export class EngineDefectsTable extends LitElement {
  static override readonly styles = [
    tableStyles,
    css`
      td {
        white-space: normal;
        vertical-align: top;
      }
      code {
        font:
          400 0.875rem/1.5 ui-monospace,
          monospace;
      }
    `,
  ];

  protected override render(): TemplateResult {
    return html`<table>
      <thead>
        <tr>
          <th scope="col">engine</th>
          <th scope="col">by itself</th>
          <th scope="col">the adapter</th>
          <th scope="col">rows above</th>
        </tr>
      </thead>
      <tbody>
        ${defects.map(
          ({ engines, fact, instead, ops }) =>
            html`<tr>
              <td>${engines.join(', ')}</td>
              <td>${withCode(fact)}</td>
              <td>${instead}</td>
              <td>${ops.map((op, i) => html`${i > 0 ? ', ' : ''}<code>${op}</code>`)}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
  }
}

/** What is between backticks is code. */
const withCode = (text: string): readonly (string | TemplateResult)[] =>
  text.split('`').map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));

/** Registers `<shoal-engine-defects>`. */
export function defineEngineDefects(registry: CustomElementRegistry = customElements): void {
  if (!registry.get('shoal-engine-defects')) registry.define('shoal-engine-defects', EngineDefectsTable);
}
