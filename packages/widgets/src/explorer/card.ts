import { html, nothing, type TemplateResult } from 'lit';
import { strings, type CostName, type Language } from '../strings/index.ts';
import type { OperatorResult } from './calculator.ts';
import { diagram, outputsPerSide, reached, type DiagramOptions } from './diagram.ts';
import { formatNumber, formatShort } from './numbers.ts';
import type { OperatorCost, OperatorName } from './operators.ts';
import { CELLS, SIZE, WINDOW } from './state.ts';

export interface CardOptions extends Omit<DiagramOptions, 'result'> {
  readonly name: OperatorName;
  readonly cost: OperatorCost;
  readonly result: OperatorResult;
}

/** Always shown, zero or not: that pooling has costs too is half the point. Divisions only where there are any. */
const badges: readonly CostName[] = ['parameters', 'multiplyAccumulates', 'comparisons', 'additions', 'transcendentals', 'bytes'];

/** One operator: what it does, the drawing, what follows from it, and what it costs. */
export function card(options: CardOptions): TemplateResult {
  const { name, result, language, shifted, cost } = options;
  const text = strings[language];
  const operator = text.operators[name];
  return html`<section class="card" aria-labelledby="name-${name}" data-operator=${name}>
    <header>
      <h2 id="name-${name}">${operator.name}</h2>
      <p>${operator.does}</p>
    </header>
    ${diagram(options)}
    <div class="unseen">
      ${outputTable(options)}
      ${table(
        text.gradientTable(operator.name),
        SIZE,
        result.imageGradient.map((value) => formatNumber(value, language)),
      )}
    </div>
    <ul class="facts">
      <li class="reach" style="--share:${reached(result) / CELLS}">${text.reaches(reached(result), CELLS)}</li>
      ${shifted ? html`<li class="effect ${result.shift.kind}">${text.shiftEffect(result.shift)}</li>` : nothing}
    </ul>
    <div class="learning">
      ${
        result.filterGradient
          ? html`<p>${text.learns}</p>
              ${weightTable(text.learns, result.filterGradient, language)}`
          : html`<p class="nothing">${text.learnsNothing}</p>`
      }
    </div>
    <dl class="badges" aria-label="${text.cost}">
      ${badges.map((badge) => {
        const count = cost[badge];
        if (badge === 'transcendentals' && count === 0) return nothing;
        return html`<div class="${count === 0 ? 'free' : ''}" data-cost=${badge}>
          <dt>${text.costs[badge](count)}</dt>
          <dd>${formatNumber(count, language)}</dd>
        </div>`;
      })}
    </dl>
  </section>`;
}

function outputTable({ name, result, language }: CardOptions): TemplateResult {
  const text = strings[language];
  const caption = text.outputTable(text.operators[name].name);
  const perOutput = Array.from({ length: result.output.length / result.channels }, (_, output) =>
    result.output
      .slice(output * result.channels, (output + 1) * result.channels)
      .map((value, channel) => (result.channels > 1 ? `${text.channel(channel + 1)}: ` : '') + formatNumber(value, language))
      .join(', '),
  );
  return table(caption, outputsPerSide, perOutput);
}

/** Numbers of a drawing, for screen readers. */
function table(caption: string, columns: number, cells: readonly string[]): TemplateResult {
  return html`<table>
    <caption>
      ${caption}
    </caption>
    <tbody>
      ${rowsOf(cells, columns).map(
        (row) =>
          html`<tr>
            ${row.map((cell) => html`<td>${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function weightTable(label: string, weights: readonly number[], language: Language): TemplateResult {
  return html`<table class="weights" aria-label=${label}>
    <tbody>
      ${rowsOf(weights, WINDOW).map(
        (row) =>
          html`<tr>
            ${row.map((weight) => html`<td class=${weight < 0 ? 'negative' : weight > 0 ? 'positive' : ''}>${formatShort(weight, language)}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function rowsOf<T>(cells: readonly T[], columns: number): readonly (readonly T[])[] {
  return Array.from({ length: cells.length / columns }, (_, row) => cells.slice(row * columns, (row + 1) * columns));
}
