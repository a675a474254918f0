/** How the cache report looks. */
import { css } from 'lit'

export const reportStyles = css`
  :host {
    display: block;
    padding: 14px 16px;
  }
  h2 {
    margin: 0 0 2px;
    font-size: 15px;
  }
  h3 {
    margin: 18px 0 6px;
    font-size: 13px;
    font-weight: 600;
    color: var(--label);
  }
  svg {
    display: block;
    width: 100%;
    height: auto;
    overflow: visible;
  }
  .threads {
    font-size: 12px;
    color: var(--dim);
  }
  dl {
    display: grid;
    grid-template-columns: max-content 1fr;
    gap: 5px 12px;
    margin: 14px 0 0;
    font-size: 13px;
  }
  dt {
    color: var(--label);
  }
  dd {
    margin: 0;
    font-variant-numeric: tabular-nums;
    text-align: right;
  }
  .legend {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 14px;
    margin: 10px 0 0;
    padding: 0;
    list-style: none;
    font-size: 12px;
    color: var(--label);
  }
  .legend i {
    display: inline-block;
    width: 10px;
    height: 10px;
    margin-right: 6px;
    border-radius: 2px;
  }
  text {
    fill: var(--dim);
    font: 10.5px var(--font);
  }
  .hit:hover {
    stroke: #fff8;
    stroke-width: 1;
  }
  .source {
    margin: 0 0 8px;
    color: var(--dim);
    font-size: 13px;
  }
  select {
    width: 100%;
    min-height: 32px;
    margin: 0 0 10px;
    border: 1px solid var(--strong-border);
    border-radius: 7px;
    background: var(--raised);
    color: var(--text);
    font: inherit;
    font-size: 13px;
  }
  .warning {
    margin: 10px 0 0;
    padding: 7px 10px;
    border-radius: 7px;
    background: #332d1d;
    color: #e5cf93;
    font-size: 13px;
  }
  .adopt {
    width: 100%;
    margin-top: 12px;
    white-space: normal;
  }
  pre {
    max-height: 180px;
    margin: 12px 0 0;
    padding: 8px 10px;
    border-radius: 7px;
    background: var(--raised);
    font: 12px/1.5 var(--font);
    white-space: pre-wrap;
    overflow: auto;
  }
`
