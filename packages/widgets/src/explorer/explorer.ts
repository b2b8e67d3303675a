import { html, LitElement, nothing, type PropertyDeclarations, type PropertyValues, type TemplateResult } from 'lit';
import { debounceTime, distinctUntilChanged, fromEvent, map, skip, Subscription } from 'rxjs';
import { strings, type Language, type Strings } from '../strings/index.ts';
import { backendNames, type BackendName, type Results } from './calculator.ts';
import { card } from './card.ts';
import { controls, legend } from './controls.ts';
import { largestGradient } from './diagram.ts';
import { createModel, type Computation, type ExplorerModel } from './model.ts';
import type { CellPointEvent } from './number-grid.ts';
import { operatorCost, operatorNames, type OperatorCost, type OperatorName } from './operators.ts';
import { decodeState, encodeState } from './permalink.ts';
import { presets } from './presets.ts';
import { shiftSources } from './shift.ts';
import { chooseLanguage, type ExplorerState, type Numbers } from './state.ts';
import { explorerStyles } from './styles.ts';

/** The state has changed, by the reader's hand or by a link. */
export class StateChangeEvent extends Event {
  readonly state: ExplorerState;

  constructor(state: ExplorerState) {
    super('state-change', { bubbles: true, composed: true });
    this.state = state;
  }
}

type LinkNotice = { readonly kind: 'none' | 'copied' | 'broken' } | { readonly kind: 'shown'; readonly link: string };

/**
 * `<shoal-downsampling-explorer>`: one 4x4 image, four ways to halve it, forward and backward, computed by Shoal in the page.
 *
 * - `lang`: `en` or `pt-BR`; otherwise that of the page, or of the reader
 * - `backend`: `reference` (float64, the default), `wasm` or `webgpu`; where one cannot be had, the reason is shown and it is `reference`
 * - `sync-url`: keeps the whole state in the page's `#fragment`, and reads it from there
 * - `link-base`: the address that shared links lead to, a page with an explorer that has `sync-url`; default this page
 * - `theme`: `light` or `dark`; otherwise that of the page's `color-scheme`
 *
 * @fires state-change with the whole state
 */
export class DownsamplingExplorer extends LitElement {
  static override readonly properties: PropertyDeclarations = {
    lang: { type: String, reflect: true },
    backend: { type: String, reflect: true },
    syncUrl: { type: Boolean, attribute: 'sync-url' },
    linkBase: { type: String, attribute: 'link-base' },
  };

  static override readonly styles = explorerStyles;

  declare lang: string;
  declare backend: BackendName;
  declare syncUrl: boolean;
  declare linkBase: string | null;

  readonly #model: ExplorerModel = createModel({ ...presets.start, language: 'en' });
  readonly #costs = Object.fromEntries(operatorNames.map((name) => [name, operatorCost(name)])) as Record<OperatorName, OperatorCost>;
  #subscription = Subscription.EMPTY;
  #results: Results | null = null;
  #error: Error | null = null;
  /** The backend that was asked for and could not be had. */
  #missing: { readonly backend: BackendName; readonly reason: string } | null = null;
  #followed: ReadonlySet<number> | null = null;
  #notice: LinkNotice = { kind: 'none' };

  constructor() {
    super();
    this.lang = '';
    this.backend = 'reference';
    this.syncUrl = false;
    this.linkBase = null;
  }

  /** Everything shown. Assigning some of it changes that. */
  get state(): ExplorerState {
    return this.#model.state.value;
  }

  set state(change: Partial<ExplorerState>) {
    this.#model.update(change);
  }

  /** The link that shows somebody else the same. */
  get link(): string {
    const link = new URL(this.linkBase ?? location.href, document.baseURI);
    link.hash = encodeState(this.state);
    return link.href;
  }

  /** Shows what a link says, given the part of it after `#` or `?`; one that is broken is said to be. */
  open(link: string): void {
    const decoded = decodeState(link);
    if (decoded.kind === 'state') this.#model.update(decoded.state);
    this.#setNotice({ kind: decoded.kind === 'broken' ? 'broken' : 'none' });
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const around = this.closest('[lang]:not([lang=""])')?.getAttribute('lang');
    this.#model.update({ language: chooseLanguage([this.lang, around, ...navigator.languages]) });
    this.#subscription = new Subscription();
    if (this.syncUrl) this.#followUrl();
    const { state, computation } = this.#model;
    this.#subscription.add(computation.subscribe((each) => this.#show(each)));
    this.#subscription.add(
      state.subscribe(({ language }) => {
        this.lang = language;
        this.requestUpdate();
      }),
    );
    this.#subscription.add(state.pipe(skip(1)).subscribe((each) => this.dispatchEvent(new StateChangeEvent(each))));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#subscription.unsubscribe();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('lang') && this.lang !== this.state.language) this.#model.update({ language: chooseLanguage([this.lang]) });
    if (changed.has('backend')) this.#model.backend.next(backendNames.find((name) => name === this.backend) ?? 'reference');
  }

  /** Reads the fragment now and whenever it changes, and writes the state there. */
  #followUrl(): void {
    const { state } = this.#model;
    const read = (): void => this.open(location.hash);
    read();
    this.#subscription.add(fromEvent(window, 'hashchange').subscribe(read));
    const written = state.pipe(skip(1), map(encodeState), distinctUntilChanged(), debounceTime(100));
    // Replaced, not pushed: a slider is not a journey to go back through. Same-page navigation fires no hashchange this way.
    this.#subscription.add(written.subscribe((fragment) => history.replaceState(history.state, '', `#${fragment}`)));
  }

  #show(computation: Computation): void {
    const { value: backend } = this.#model.backend;
    if (computation.kind === 'failed' && backend !== 'reference') {
      this.#missing = { backend, reason: computation.error.message };
      this.backend = 'reference';
      return;
    }
    this.#error = computation.kind === 'failed' ? computation.error : null;
    // While new numbers are on their way the old ones stay.
    if (computation.kind === 'ready') {
      this.#results = computation.results;
      if (backend !== 'reference') this.#missing = null;
    }
    this.requestUpdate();
  }

  #setNotice(notice: LinkNotice): void {
    this.#notice = notice;
    this.requestUpdate();
  }

  #change(change: Partial<Numbers>): void {
    this.#notice = { kind: 'none' };
    this.#model.update(change);
  }

  #compute(backend: BackendName): void {
    this.#missing = null;
    this.backend = backend;
    this.requestUpdate();
  }

  #follow(cells: readonly number[] | null): void {
    this.#followed = cells && new Set(cells);
    this.requestUpdate();
  }

  /** A cell of the editable image is followed to wherever the shift has put it. */
  #followSource({ index }: CellPointEvent): void {
    if (index === null) return this.#follow(null);
    this.#follow(shiftSources(this.state.shift).flatMap((source, place) => (source === index ? [place] : [])));
  }

  async #copyLink(): Promise<void> {
    const { link } = this;
    try {
      await navigator.clipboard.writeText(link);
      this.#setNotice({ kind: 'copied' });
    } catch {
      // Not allowed here (an embedding page may forbid it): show the link instead.
      this.#setNotice({ kind: 'shown', link });
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLInputElement>('input.link')?.select();
    }
  }

  protected override render(): TemplateResult {
    const { state } = this;
    const text = strings[state.language];
    return html`<div class="explorer" role="group" aria-label=${text.explorer} lang=${state.language}>
      ${controls({
        state,
        change: (change) => this.#change(change),
        speak: (language: Language) => this.#model.update({ language }),
        point: (event) => this.#followSource(event),
      })}
      <p role="alert" class="problem">${this.#problem(text)}</p>
      ${this.#results ? this.#cards(this.#results) : html`<p class="loading">${this.#error ? nothing : text.loading}</p>`} ${legend(text)}
      <footer>
        ${this.#backendControl(text)}
        <p role="status" class="status">${this.#linkStatus(text)}</p>
        <div class="actions">
          <button type="button" @click=${() => this.#change(presets.start)}>${text.reset}</button>
          <button type="button" class="main" @click=${() => this.#copyLink()}>${text.copyLink}</button>
        </div>
      </footer>
    </div>`;
  }

  #cards({ image, numbers, operators }: Results): TemplateResult {
    const { shift, upstream } = numbers;
    const mostGradient = largestGradient(operatorNames.map((name) => operators[name]));
    return html`<div class="cards">
      ${operatorNames.map((name) =>
        card({
          name,
          cost: this.#costs[name],
          result: operators[name],
          image,
          upstream,
          language: this.state.language,
          mostGradient,
          shifted: shift.x !== 0 || shift.y !== 0,
          followed: this.#followed,
          follow: (cells) => this.#follow(cells),
        }),
      )}
    </div>`;
  }

  #backendControl(text: Strings): TemplateResult {
    const { value: current } = this.#model.backend;
    return html`<label class="computed"
      >${text.computedIn}
      <select
        data-control="backend"
        @change=${(event: Event) => this.#compute(backendNames[(event.target as HTMLSelectElement).selectedIndex]!)}
      >
        ${backendNames.map((name) => html`<option value=${name} .selected=${name === current}>${text.computedBy[name]}</option>`)}
      </select></label
    >`;
  }

  #problem(text: Strings): string | typeof nothing {
    if (this.#missing) return text.notHad(text.computedBy[this.#missing.backend], this.#missing.reason);
    if (this.#error) return text.failed(this.#error.message);
    return this.#notice.kind === 'broken' ? text.linkBroken : nothing;
  }

  #linkStatus(text: Strings): string | TemplateResult | typeof nothing {
    if (this.#notice.kind === 'copied') return text.linkCopied;
    if (this.#notice.kind !== 'shown') return nothing;
    return html`${text.linkNotCopied} <input class="link" readonly aria-label=${text.copyLink} .value=${this.#notice.link} />`;
  }
}
