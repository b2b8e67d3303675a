import { html, type TemplateResult } from 'lit';
import { languages, strings, type Language, type Strings } from '../strings/index.ts';
import type { CellChangeEvent, CellPointEvent } from './number-grid.ts';
import { presetNames, presetOf, presets } from './presets.ts';
import { MOST_SHIFT, ones, sameNumbers, SIZE, WINDOW, type Edge, type ExplorerState, type Numbers, type Shift } from './state.ts';

export interface ControlsOptions {
  readonly state: ExplorerState;
  readonly change: (change: Partial<Numbers>) => void;
  readonly speak: (language: Language) => void;
  readonly point: (event: CellPointEvent) => void;
}

const edges: readonly Edge[] = ['circular', 'zero'];

/** Everything that can be changed: presets, language, the three grids, the shift. */
export function controls(options: ControlsOptions): TemplateResult {
  const { state } = options;
  const text = strings[state.language];
  return html`${presetBar(options)}
    <div class="controls">
      ${gridControl(options, 'image', text.image, text.imageHint)}
      <div class="pair">
        ${gridControl(options, 'filter', text.filter, text.filterHint)}
        ${gridControl(options, 'upstream', text.upstream, text.upstreamHint)}
      </div>
      ${shiftControl(options)}
      <p class="keys">${text.keys}</p>
    </div>`;
}

function presetBar({ state, change, speak }: ControlsOptions): TemplateResult {
  const text = strings[state.language];
  const current = presetOf(state);
  return html`<div class="bar">
      <div class="presets" role="group" aria-label=${text.tryThis}>
        <span aria-hidden="true">${text.tryThis}</span>
        ${presetNames.map(
          (name) =>
            html`<button type="button" aria-pressed=${name === current} data-preset=${name} @click=${() => change(presets[name])}>
              ${text.presets[name].name}
            </button>`,
        )}
      </div>
      <label class="language">
        <span class="unseen">${text.language}</span>
        <select @change=${(event: Event) => speak(languages[(event.target as HTMLSelectElement).selectedIndex]!)}>
          ${languages.map(
            (language) =>
              html`<option lang=${language} value=${language} .selected=${language === state.language}>
                ${strings[language].languageName}
              </option>`,
          )}
        </select>
      </label>
    </div>
    <p class="notice" role="status">${current ? text.presets[current].notice : text.ownNumbers}</p>`;
}

function gridControl(
  { state, change, point }: ControlsOptions,
  name: 'image' | 'filter' | 'upstream',
  label: string,
  hint: string,
): TemplateResult {
  const values = state[name];
  const edit = ({ index, value }: CellChangeEvent): void => change({ [name]: values.with(index, value) });
  const reset =
    name === 'upstream' && !sameNumbers(values, ones)
      ? html`<button type="button" class="small" @click=${() => change({ upstream: ones })}>${strings[state.language].allOnes}</button>`
      : '';
  return html`<div class="control ${name}">
    <h2>${label}</h2>
    <p class="hint">${hint}</p>
    <shoal-number-grid
      data-grid=${name}
      .values=${values}
      .columns=${name === 'image' ? SIZE : WINDOW}
      .label=${label}
      .language=${state.language}
      .colors=${name === 'image' ? 'image' : 'signed'}
      @cell-change=${edit}
      @cell-point=${name === 'image' ? point : undefined}
    ></shoal-number-grid>
    ${reset}
  </div>`;
}

function shiftControl({ state, change }: ControlsOptions): TemplateResult {
  const text = strings[state.language];
  const { shift } = state;
  const moved = (by: Partial<Shift>): void => change({ shift: { ...shift, ...by } });
  return html`<div class="control shift" role="group" aria-labelledby="shift-title">
    <h2 id="shift-title">${text.shift}</h2>
    ${slider(text.shiftX, shift.x, text.shiftXBy(shift.x), (x) => moved({ x }))}
    ${slider(text.shiftY, shift.y, text.shiftYBy(shift.y), (y) => moved({ y }))}
    <fieldset>
      <legend>${text.edge}</legend>
      ${edges.map(
        (edge) =>
          html`<label
            ><input type="radio" name="edge" value=${edge} .checked=${shift.edge === edge} @change=${() => moved({ edge })} />${
              text.edges[edge]
            }</label
          >`,
      )}
    </fieldset>
  </div>`;
}

function slider(label: string, value: number, says: string, move: (value: number) => void): TemplateResult {
  return html`<label class="slider">
    <span class="name">${label}</span><span class="says" aria-hidden="true">${says}</span>
    <input
      type="range"
      min=${-MOST_SHIFT}
      max=${MOST_SHIFT}
      step="1"
      .value=${String(value)}
      aria-label=${label}
      aria-valuetext=${says}
      @input=${(event: InputEvent) => move(Number((event.target as HTMLInputElement).value))}
    />
    <span class="ticks" aria-hidden="true"
      >${Array.from({ length: 2 * MOST_SHIFT + 1 }, (_, i) => html`<i class=${i === MOST_SHIFT ? 'middle' : ''}></i>`)}</span
    >
  </label>`;
}

/** What the colours mean. */
export function legend({ legend: { value, positive, negative, winner } }: Strings): TemplateResult {
  return html`<ul class="legend" aria-hidden="true">
    <li><i class="key value"></i>${value}</li>
    <li><i class="key winner"></i>${winner}</li>
    <li><i class="key positive"></i>${positive}</li>
    <li><i class="key negative"></i>${negative}</li>
  </ul>`;
}
