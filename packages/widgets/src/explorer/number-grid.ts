import { css, html, LitElement, nothing, type PropertyDeclarations, type PropertyValues, type TemplateResult } from 'lit';
import { strings, type Language } from '../strings/index.ts';
import { formatNumber, isUnfinished, parseNumber } from './numbers.ts';
import { LIMIT } from './state.ts';

/** One cell was given another number. */
export class CellChangeEvent extends Event {
  readonly index: number;
  readonly value: number;

  constructor(index: number, value: number) {
    super('cell-change', { bubbles: true, composed: true });
    this.index = index;
    this.value = value;
  }
}

/** A cell is pointed at or focused; null when none is any more. */
export class CellPointEvent extends Event {
  readonly index: number | null;

  constructor(index: number | null) {
    super('cell-point', { bubbles: true, composed: true });
    this.index = index;
  }
}

/**
 * A small square grid of numbers to edit, after the grid pattern of the ARIA authoring practices: one stop in the tab order, arrow keys
 * between cells; typing replaces a number at once, Enter (or F2) edits inside it, Enter again is done, Escape takes the edit back.
 */
export class NumberGrid extends LitElement {
  static override readonly properties: PropertyDeclarations = {
    values: { attribute: false },
    columns: { type: Number },
    label: { type: String },
    language: { type: String },
    colors: { attribute: false },
  };

  static override readonly styles = css`
    :host {
      display: inline-block;
    }
    [role='grid'] {
      display: inline-grid;
      gap: 3px;
    }
    [role='row'] {
      display: grid;
      grid-template-columns: repeat(var(--columns), var(--cell, 3rem));
      gap: 3px;
    }
    /* The windows of the operators, seen. */
    [role='row'].end {
      margin-block-end: 6px;
    }
    [role='grid'].windows [role='row'] {
      grid-template-columns: repeat(2, var(--cell, 3rem)) 3px repeat(2, var(--cell, 3rem));
    }
    input {
      box-sizing: border-box;
      inline-size: 100%;
      block-size: var(--cell, 3rem);
      border: 1px solid var(--shoal-line);
      border-radius: 6px;
      background: color-mix(in oklab, var(--shoal-tint) calc(var(--strength) * 1%), var(--shoal-cell));
      color: var(--shoal-ink);
      font: 500 1rem/1 var(--shoal-numbers);
      font-variant-numeric: tabular-nums;
      text-align: center;
      padding: 0;
      cursor: cell;
    }
    input:hover {
      border-color: var(--shoal-accent);
    }
    input:focus-visible {
      outline: 3px solid var(--shoal-focus);
      outline-offset: 1px;
      z-index: 1;
      position: relative;
    }
    input.editing {
      cursor: text;
    }
    input[aria-invalid='true'] {
      border-color: var(--shoal-error);
      color: var(--shoal-error);
      background: var(--shoal-cell);
    }
    .long {
      font-size: 0.8125rem;
    }
    p {
      margin: 0.4rem 0 0;
      color: var(--shoal-error);
      font-size: 0.8125rem;
    }
  `;

  declare values: readonly number[];
  declare columns: number;
  declare label: string;
  declare language: Language;
  /** How a cell is tinted: `image` by how large its number is among the others, `signed` by sign and magnitude. */
  declare colors: 'image' | 'signed';

  #active = 0;
  #draft: string | null = null;
  #editing = false;
  #before = 0;

  constructor() {
    super();
    this.values = [];
    this.columns = 1;
    this.label = '';
    this.language = 'en';
    this.colors = 'image';
  }

  protected override render(): TemplateResult {
    const rows = Array.from({ length: this.values.length / this.columns }, (_, row) => row);
    const text = strings[this.language];
    const invalid = this.#invalid;
    return html`<div
        role="grid"
        class=${this.columns === 4 ? 'windows' : ''}
        style="--columns:${this.columns}"
        aria-label=${this.label}
        aria-rowcount=${rows.length}
        aria-colcount=${this.columns}
      >
        ${rows.map((row) => html`<div role="row" class=${this.columns === 4 && row === 1 ? 'end' : ''}>${this.#cells(row)}</div>`)}
      </div>
      <p role="alert" id="problem">${invalid ? text.notANumber(formatNumber(LIMIT, this.language)) : nothing}</p>`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('values') && this.#active >= this.values.length) this.#active = 0;
  }

  get #invalid(): boolean {
    return this.#draft !== null && !isUnfinished(this.#draft) && parseNumber(this.#draft) === null;
  }

  #cells(row: number): readonly TemplateResult[] {
    const text = strings[this.language];
    return Array.from({ length: this.columns }, (_, column) => {
      const index = row * this.columns + column;
      const value = this.values[index]!;
      const active = index === this.#active;
      const shown = active && this.#draft !== null ? this.#draft : formatNumber(value, this.language);
      const invalid = active && this.#invalid;
      // In a grid of windows the second and third column have a gap between them, which is a column of its own.
      const place = this.columns === 4 && column > 1 ? column + 2 : column + 1;
      return html`<div role="gridcell" style="grid-column:${place}" aria-rowindex=${row + 1} aria-colindex=${column + 1}>
        <input
          type="text"
          autocomplete="off"
          spellcheck="false"
          enterkeyhint="done"
          class="${active && this.#editing ? 'editing' : ''} ${shown.length > 4 ? 'long' : ''}"
          style=${this.#tint(value)}
          aria-label=${text.cell(row + 1, column + 1)}
          aria-invalid=${invalid}
          aria-describedby=${invalid ? 'problem' : nothing}
          tabindex=${active ? 0 : -1}
          .value=${shown}
          @focus=${() => this.#enter(index)}
          @blur=${() => this.#leave()}
          @pointerenter=${() => this.dispatchEvent(new CellPointEvent(index))}
          @pointerleave=${() => this.dispatchEvent(new CellPointEvent(null))}
          @input=${(event: InputEvent) => this.#type(index, (event.target as HTMLInputElement).value)}
          @keydown=${(event: KeyboardEvent) => this.#key(event, index)}
        />
      </div>`;
    });
  }

  #tint(value: number): string {
    if (this.colors === 'signed') {
      const most = Math.max(...this.values.map(Math.abs), 1e-9);
      return `--shoal-tint: var(${value < 0 ? '--shoal-negative' : '--shoal-positive'}); --strength: ${Math.round((30 * Math.abs(value)) / most)}`;
    }
    const [least, most] = [Math.min(...this.values), Math.max(...this.values)];
    return `--shoal-tint: var(--shoal-image); --strength: ${most > least ? Math.round((55 * (value - least)) / (most - least)) : 0}`;
  }

  #enter(index: number): void {
    this.#active = index;
    this.#before = this.values[index]!;
    this.dispatchEvent(new CellPointEvent(index));
    this.requestUpdate();
    this.#inputAt(index)?.select();
  }

  #leave(): void {
    this.#settle();
    this.dispatchEvent(new CellPointEvent(null));
  }

  #settle(): void {
    this.#draft = null;
    this.#editing = false;
    this.requestUpdate();
  }

  #type(index: number, text: string): void {
    this.#draft = text;
    this.#editing = true;
    this.requestUpdate();
    const value = parseNumber(text);
    if (value !== null) this.dispatchEvent(new CellChangeEvent(index, value));
  }

  #key(event: KeyboardEvent, index: number): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Enter' || event.key === 'F2') this.#toggleEditing(index);
    else if (event.key === 'Escape') this.#undo(index);
    else if (!this.#move(event.key, index)) return;
    event.preventDefault();
  }

  #toggleEditing(index: number): void {
    const field = this.#inputAt(index);
    if (this.#editing) {
      this.#settle();
      this.#before = this.values[index]!;
      void this.updateComplete.then(() => field?.select());
    } else {
      this.#editing = true;
      field?.setSelectionRange(field.value.length, field.value.length);
      this.requestUpdate();
    }
  }

  #undo(index: number): void {
    if (this.values[index] !== this.#before) this.dispatchEvent(new CellChangeEvent(index, this.#before));
    this.#settle();
    void this.updateComplete.then(() => this.#inputAt(index)?.select());
  }

  /** Moves the focus; false where the key means nothing here, or belongs to the text that is edited. */
  #move(key: string, index: number): boolean {
    const [row, column] = [Math.floor(index / this.columns), index % this.columns];
    const last = this.values.length / this.columns - 1;
    const target: Readonly<Record<string, readonly [row: number, column: number]>> = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ...(this.#editing
        ? {}
        : { ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], Home: [row, 0], End: [row, this.columns - 1] }),
    };
    const to = target[key];
    if (!to) return false;
    const [toRow, toColumn] = [Math.min(Math.max(to[0], 0), last), Math.min(Math.max(to[1], 0), this.columns - 1)];
    this.#inputAt(toRow * this.columns + toColumn)?.focus();
    return true;
  }

  #inputAt(index: number): HTMLInputElement | undefined {
    return this.renderRoot.querySelectorAll('input')[index];
  }
}
