/** What all panels share: the application they show, and the look of their controls. */
import { css, LitElement } from 'lit'
import type { App } from '../app.ts'

/** A part of the page that follows the application; it draws nothing before it has one. */
export abstract class Panel extends LitElement {
  private followed: App | null = null

  set app(app: App) {
    this.followed = app
    app.addEventListener('change', () => this.requestUpdate())
    this.requestUpdate()
  }
  get app(): App {
    if (!this.followed) throw new Error(`${this.localName} was drawn before it was given the application`)
    return this.followed
  }

  protected override shouldUpdate(): boolean {
    return this.followed !== null
  }
}

export const controls = css`
  :host {
    font: 14px/1.45 var(--font);
    color: var(--text);
  }
  * {
    box-sizing: border-box;
  }
  button {
    min-height: 34px;
    padding: 0 12px;
    border: 1px solid var(--strong-border);
    border-radius: 7px;
    background: var(--raised);
    color: var(--text);
    font: inherit;
    font-size: 13px;
    white-space: nowrap;
    cursor: pointer;
  }
  button:hover:not(:disabled) {
    background: var(--hover);
  }
  button:disabled {
    color: #6b7280;
    border-color: var(--border);
    cursor: default;
  }
  button.plain {
    border-color: transparent;
    background: none;
    color: var(--label);
  }
  button.plain:hover:not(:disabled) {
    background: var(--hover);
    color: var(--text);
  }
  button.primary {
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
    font-weight: 600;
  }
  button.primary:hover:not(:disabled) {
    background: #eeb264;
  }
  :focus-visible {
    outline: 2px solid #d9b779;
    outline-offset: 1px;
  }
  .dim {
    color: var(--dim);
  }
  .empty {
    padding: 28px 20px;
    color: var(--dim);
    text-align: center;
  }
  @media (pointer: coarse) {
    button {
      min-height: 44px;
      min-width: 44px;
    }
  }
`

/** A length of time in few characters. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 90) return `${Math.round(seconds)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
