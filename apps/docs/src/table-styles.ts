import { css } from 'lit';

/** Of the site's generated tables, which scroll on a small screen. */
export const tableStyles = css`
  :host {
    display: block;
    overflow-x: auto;
    color: light-dark(#16232e, #e6edf3);
    font:
      400 0.9375rem/1.5 system-ui,
      sans-serif;
  }
  table {
    border-collapse: collapse;
    inline-size: 100%;
  }
  th,
  td {
    padding: 0.35rem 0.6rem;
    border-block-end: 1px solid light-dark(#c3ced7, #3b4956);
    text-align: start;
    white-space: nowrap;
  }
  thead th {
    position: sticky;
    inset-block-start: 0;
    background: light-dark(#f4f7f9, #10181f);
  }
  tbody th {
    font:
      500 0.875rem/1.5 ui-monospace,
      monospace;
  }
`;
