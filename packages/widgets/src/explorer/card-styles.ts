import { css } from 'lit';

export const cards = css`
  .card {
    display: grid;
    grid-template-rows: auto auto auto auto 1fr;
    gap: 0.6rem;
    padding: 0.9rem;
    border: 1px solid var(--shoal-line);
    border-radius: 12px;
    background: var(--shoal-cell);
    position: relative;
  }
  .card header p {
    color: var(--shoal-muted);
    font-size: 0.9375rem;
  }
  .facts {
    list-style: none;
    /* Room for the effect of a shift, so that nothing jumps when there is one. */
    min-block-size: 3.9em;
    align-content: start;
    font-size: 0.875rem;
    display: grid;
    gap: 0.15rem;
  }
  /* How much of the image the gradient reaches, as a bar above the words. */
  .reach::before {
    content: '';
    display: block;
    block-size: 4px;
    margin-block-end: 0.45rem;
    border-radius: 999px;
    background: linear-gradient(to right, var(--shoal-positive) calc(100% * var(--share)), var(--shoal-line) calc(100% * var(--share)));
  }
  .effect.changed {
    font-weight: 650;
  }
  .learning {
    display: flex;
    gap: 0.75rem;
    align-items: center;
    font-size: 0.875rem;
  }
  .learning .nothing {
    color: var(--shoal-muted);
  }
  .weights {
    border-collapse: separate;
    border-spacing: 2px;
    font: 600 0.8125rem/1 var(--shoal-numbers);
    font-variant-numeric: tabular-nums;
  }
  .weights td {
    min-inline-size: 2.4rem;
    padding: 0.4rem 0.3rem;
    border-radius: 5px;
    text-align: center;
    background: var(--shoal-page);
    color: var(--shoal-muted);
  }
  .weights .positive {
    color: var(--shoal-on-positive);
    background: var(--shoal-positive);
  }
  .weights .negative {
    color: var(--shoal-on-negative);
    background: var(--shoal-negative);
  }
  .badges {
    display: flex;
    flex-wrap: wrap;
    gap: 0.3rem;
    align-content: end;
    font-size: 0.75rem;
  }
  .badges div {
    display: flex;
    flex-direction: row-reverse;
    gap: 0.3em;
    padding: 0.12rem 0.55rem;
    border: 1px solid var(--shoal-line);
    border-radius: 999px;
  }
  .badges dd {
    font-weight: 700;
    font-variant-numeric: tabular-nums;
  }
  .badges .free {
    color: var(--shoal-muted);
    border-style: dashed;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 0.25rem 1.25rem;
    list-style: none;
  }
  .key {
    display: inline-block;
    inline-size: 1.4em;
    block-size: 1em;
    margin-inline-end: 0.45em;
    vertical-align: -0.12em;
    border-radius: 999px;
  }
  .key.value {
    border-radius: 3px;
    background: color-mix(in oklab, var(--shoal-image) 40%, var(--shoal-cell));
  }
  .key.winner {
    border-radius: 3px;
    border: 2px solid var(--shoal-accent);
  }
  .key.positive {
    background: var(--shoal-positive);
  }
  .key.negative {
    background: var(--shoal-negative);
  }
`;

export const drawing = css`
  svg {
    display: block;
    inline-size: 100%;
    max-inline-size: 24rem;
    margin-inline: auto;
    overflow: visible;
    font: 500 14px/1 var(--shoal-numbers);
    font-variant-numeric: tabular-nums;
    text-anchor: middle;
    user-select: none;
  }
  .cell,
  .part {
    fill: color-mix(in oklab, var(--shoal-image) calc(var(--strength) * 1%), var(--shoal-cell));
    stroke: var(--shoal-line);
    stroke-width: 1;
    stroke-linejoin: round;
  }
  .cell.winner {
    stroke: var(--shoal-accent);
    stroke-width: 2.5;
  }
  .part {
    stroke: var(--shoal-muted);
  }
  .part.changed {
    stroke: var(--shoal-accent);
    stroke-width: 2.5;
  }
  .sheet {
    fill: none;
    stroke: var(--shoal-line);
    stroke-dasharray: 2 5;
    pointer-events: none;
  }
  text {
    fill: var(--shoal-ink);
    pointer-events: none;
    paint-order: stroke;
    stroke-linejoin: round;
  }
  .value {
    stroke: color-mix(in oklab, var(--shoal-cell) 75%, transparent);
    stroke-width: 4px;
  }
  .value {
    font-size: 13px;
  }
  text.output {
    font-size: 16px;
    font-weight: 700;
  }
  text.output.small {
    font-size: 13px;
  }
  .was {
    font-size: 11px;
    fill: var(--shoal-ink);
  }
  .arrow {
    pointer-events: none;
  }
  .arrow path {
    fill: none;
    stroke: var(--line);
    stroke-linecap: round;
  }
  .arrow polygon {
    fill: var(--line);
  }
  .pill rect {
    fill: var(--tone);
  }
  .pill {
    pointer-events: none;
  }
  .pill text {
    font-size: 11.5px;
    font-weight: 650;
    fill: var(--on-tone);
  }
  .positive {
    --tone: var(--shoal-positive);
    --on-tone: var(--shoal-on-positive);
    --line: var(--shoal-positive-line);
  }
  .negative {
    --tone: var(--shoal-negative);
    --on-tone: var(--shoal-on-negative);
    --line: var(--shoal-negative-line);
  }
  .arrow.negative path {
    stroke-dasharray: 7 4;
  }
  .zero {
    --tone: var(--shoal-line);
    --on-tone: var(--shoal-ink);
  }
  .faded {
    opacity: 0.28;
  }
  /* Outputs stay opaque, so that no arrow shows through them. */
  .tile .faded {
    opacity: 1;
  }
  .tile .faded text {
    opacity: 0.35;
  }
  .tile .faded rect {
    fill: color-mix(in oklab, var(--tone) 30%, var(--shoal-cell));
  }
  .tile .faded .part {
    stroke: var(--shoal-line);
  }
  @media (prefers-reduced-motion: no-preference) {
    .faded,
    .followed,
    .arrow,
    .numbers,
    .cell {
      transition: opacity 120ms;
    }
    .arrow path {
      transition: stroke-width 160ms;
    }
  }
  @media (forced-colors: active) {
    button[aria-pressed='true'] {
      outline: 2px solid;
    }
  }
`;
