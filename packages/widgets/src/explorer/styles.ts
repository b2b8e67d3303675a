import { css } from 'lit';
import { cards, drawing } from './card-styles.ts';

/** Colours are chosen for a contrast of at least 4.5 for text and 3 for lines that carry meaning, in both schemes. */
const colors = css`
  :host {
    --shoal-ink: light-dark(#16232e, #e6edf3);
    --shoal-muted: light-dark(#51606d, #a3b1be);
    --shoal-line: light-dark(#c3ced7, #3b4956);
    --shoal-page: light-dark(#f4f7f9, #10181f);
    --shoal-cell: light-dark(#ffffff, #17222b);
    --shoal-image: light-dark(#2aa198, #2f8f88);
    --shoal-accent: light-dark(#0b6b66, #5cc8be);
    --shoal-on-accent: light-dark(#ffffff, #06201e);
    --shoal-focus: light-dark(#0a58ca, #8ab8ff);
    --shoal-positive: light-dark(#b04a00, #ffb266);
    --shoal-positive-line: light-dark(#d9660a, #f5953d);
    --shoal-on-positive: light-dark(#ffffff, #2b1400);
    --shoal-negative: light-dark(#1d56c2, #8db9ff);
    --shoal-negative-line: light-dark(#2f6fe0, #6ea5ff);
    --shoal-on-negative: light-dark(#ffffff, #061a3a);
    --shoal-error: light-dark(#b3261e, #ffb4ab);
    --shoal-numbers: ui-rounded, 'SF Pro Rounded', 'Nunito', system-ui, sans-serif;
    display: block;
    color: var(--shoal-ink);
    font:
      400 1rem/1.5 system-ui,
      sans-serif;
    container: shoal-explorer / inline-size;
  }
  :host([theme='light']) {
    color-scheme: light;
  }
  :host([theme='dark']) {
    color-scheme: dark;
  }
  :host([hidden]) {
    display: none;
  }
`;

const layout = css`
  * {
    box-sizing: border-box;
  }
  .explorer {
    display: grid;
    gap: 1rem;
    padding: clamp(0.75rem, 2cqi, 1.5rem);
    border-radius: 16px;
    background: var(--shoal-page);
  }
  p,
  h2,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  h2 {
    font-size: 1rem;
    font-weight: 650;
    line-height: 1.3;
  }
  .unseen {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .bar {
    display: flex;
    flex-direction: column-reverse;
    gap: 0.6rem 1rem;
  }
  .language {
    align-self: end;
  }
  .presets {
    flex: 1;
    display: flex;
    flex-wrap: wrap;
    gap: 0.4rem;
    align-items: center;
  }
  .presets span {
    color: var(--shoal-muted);
    margin-inline-end: 0.2rem;
  }
  .notice {
    min-block-size: 3em;
    max-inline-size: 46rem;
    padding-inline-start: 0.8rem;
    border-inline-start: 3px solid var(--shoal-accent);
    font-size: 1.0625rem;
    text-wrap: pretty;
  }
  .problem:empty,
  .status:empty {
    display: none;
  }
  .problem {
    color: var(--shoal-error);
    font-weight: 600;
  }
  .loading {
    min-block-size: 30rem;
    color: var(--shoal-muted);
  }
  .controls {
    display: flex;
    flex-wrap: wrap;
    gap: 1rem clamp(1rem, 3cqi, 1.75rem);
    align-items: start;
  }
  .pair {
    flex: 1 1 6.5rem;
    display: flex;
    flex-direction: column;
    gap: 1rem 1.75rem;
  }
  .control .hint,
  .keys,
  .computed,
  .legend {
    color: var(--shoal-muted);
    font-size: 0.8125rem;
    line-height: 1.4;
  }
  .control .hint {
    margin-block: 0.1rem 0.5rem;
  }
  .shift {
    flex: 1 1 14rem;
    max-inline-size: 24rem;
    display: grid;
    gap: 0.6rem;
  }
  .keys {
    flex-basis: 100%;
  }
  @media (hover: none) {
    .keys {
      display: none;
    }
  }
  .cards {
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    gap: 1rem;
  }
  @container shoal-explorer (inline-size >= 620px) {
    .bar {
      flex-direction: row;
    }
    .language {
      align-self: start;
    }
    .pair {
      flex: none;
      flex-direction: row;
    }
    .learning {
      min-block-size: 3.6rem;
    }
    .cards {
      grid-template-columns: repeat(2, minmax(0, 1fr));
    }
  }
  @container shoal-explorer (inline-size >= 1180px) {
    .cards {
      grid-template-columns: repeat(4, minmax(0, 1fr));
    }
  }
  footer {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem 1rem;
    align-items: center;
  }
  .status {
    margin-inline-start: auto;
    color: var(--shoal-accent);
    font-size: 0.875rem;
  }
  .actions {
    display: flex;
    gap: 0.5rem;
    margin-inline-start: auto;
  }
  .status:not(:empty) + .actions {
    margin-inline-start: 0;
  }
`;

const inputs = css`
  button,
  select,
  input.link {
    border: 1px solid var(--shoal-line);
    border-radius: 999px;
    background: var(--shoal-cell);
    color: var(--shoal-ink);
    font: inherit;
    font-size: 0.9375rem;
    padding: 0.3rem 0.85rem;
    min-block-size: 2.1rem;
    cursor: pointer;
  }
  input.link {
    border-radius: 6px;
    inline-size: 16rem;
    max-inline-size: 100%;
    cursor: text;
  }
  button:hover,
  select:hover {
    border-color: var(--shoal-accent);
  }
  button:focus-visible,
  select:focus-visible,
  input:focus-visible {
    outline: 3px solid var(--shoal-focus);
    outline-offset: 2px;
  }
  button[aria-pressed='true'],
  button.main {
    background: var(--shoal-accent);
    border-color: var(--shoal-accent);
    color: var(--shoal-on-accent);
  }
  button.small {
    display: block;
    margin-block-start: 0.5rem;
    font-size: 0.8125rem;
    min-block-size: 1.75rem;
    padding-block: 0.1rem;
  }
  .slider {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 0 0.75rem;
    font-size: 0.9375rem;
  }
  .says {
    color: var(--shoal-muted);
    text-align: end;
  }
  .slider input,
  .ticks {
    grid-column: 1 / -1;
    margin: 0;
  }
  .slider input,
  fieldset input {
    accent-color: var(--shoal-accent);
  }
  .slider input {
    block-size: 1.6rem;
    cursor: grab;
  }
  .ticks {
    display: flex;
    justify-content: space-between;
    padding-inline: 7px;
    margin-block-start: -2px;
  }
  .ticks i {
    inline-size: 2px;
    block-size: 5px;
    background: var(--shoal-line);
  }
  .ticks i.middle {
    block-size: 9px;
    background: var(--shoal-muted);
  }
  fieldset {
    border: 0;
    padding: 0;
    margin: 0;
    font-size: 0.9375rem;
    display: flex;
    flex-wrap: wrap;
    gap: 0.2rem 1rem;
  }
  fieldset legend {
    padding: 0;
    float: inline-start;
    inline-size: 100%;
  }
  fieldset label {
    display: inline-flex;
    gap: 0.35rem;
    align-items: center;
    min-block-size: 1.75rem;
  }
`;

export const explorerStyles = [colors, layout, inputs, cards, drawing];
