/** Short-lived messages at the foot of the page, read out by screen readers. */
import { css, html, type TemplateResult } from 'lit'
import type { App, Note } from '../app.ts'
import { controls, Panel } from './panel.ts'

const SHOWN_MS = { info: 2500, error: 9000 } as const

export class Toasts extends Panel {
  static override styles = [
    controls,
    css`
      :host {
        position: fixed;
        bottom: 18px;
        left: 50%;
        z-index: 45;
        max-width: min(560px, calc(100vw - 24px));
        transform: translateX(-50%);
        pointer-events: none;
      }
      div {
        display: grid;
        gap: 8px;
      }
      p {
        margin: 0;
        padding: 9px 14px;
        border: 1px solid var(--strong-border);
        border-radius: 8px;
        background: var(--raised);
        box-shadow: 0 8px 24px #0008;
        overflow-wrap: anywhere;
        white-space: pre-line;
      }
      .error {
        border-color: #7a3c3a;
        background: #2d1e20;
        color: #f3bcb8;
      }
    `,
  ]

  private shown: readonly Note[] = []

  override set app(app: App) {
    super.app = app
    app.addEventListener('note', (event) => this.add((event as CustomEvent<Note>).detail))
  }
  override get app(): App {
    return super.app
  }

  private add(note: Note): void {
    this.shown = [...this.shown, note].slice(-3)
    this.requestUpdate()
    setTimeout(() => {
      this.shown = this.shown.filter((other) => other !== note)
      this.requestUpdate()
    }, SHOWN_MS[note.kind])
  }

  override render(): TemplateResult {
    return html`<div aria-live="polite">${this.shown.map(({ kind, text }) => html`<p class=${kind}>${text}</p>`)}</div>`
  }
}
