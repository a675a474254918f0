/** A result, large: arrows move through the pictures of a run, Escape closes. */
import { css, html, nothing, type TemplateResult } from 'lit'
import { server } from '../server.ts'
import { controls, Panel } from './panel.ts'

export class Viewer extends Panel {
  static override styles = [
    controls,
    css`
      dialog {
        width: 100vw;
        max-width: none;
        height: 100vh;
        max-height: none;
        padding: 0;
        border: 0;
        background: #0d0e11f2;
        color: var(--text);
      }
      dialog[open] {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto;
      }
      img {
        width: 100%;
        height: 100%;
        padding: 24px;
        object-fit: contain;
        image-rendering: auto;
      }
      footer {
        display: flex;
        gap: 10px;
        align-items: center;
        justify-content: center;
        padding: 10px;
      }
      a {
        color: var(--accent);
      }
    `,
  ]

  protected override updated(): void {
    const dialog = this.renderRoot.querySelector('dialog')
    if (this.app.viewer && !dialog?.open) dialog?.showModal()
    else if (!this.app.viewer && dialog?.open) dialog.close()
  }

  private move(step: number): void {
    const { viewer } = this.app
    if (viewer) this.app.view(viewer.files, (viewer.index + step + viewer.files.length) % viewer.files.length)
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === 'ArrowRight') this.move(1)
    if (event.key === 'ArrowLeft') this.move(-1)
  }

  override render(): TemplateResult {
    const { viewer } = this.app
    const file = viewer?.files[viewer.index]
    return html`<dialog
      aria-label="Picture"
      @close=${() => this.app.closeViewer()}
      @keydown=${(event: KeyboardEvent) => this.onKey(event)}
    >
      ${
        !viewer || !file
          ? nothing
          : html`<img src=${server.address(file)} alt=${file.filename} @click=${() => this.app.closeViewer()} />
              <footer>
                ${viewer.files.length > 1 ? html`<button @click=${() => this.move(-1)} aria-label="Previous">←</button>` : nothing}
                <a href=${server.address(file)} download=${file.filename}>${file.filename}</a>
                ${viewer.files.length > 1 ? html`<button @click=${() => this.move(1)} aria-label="Next">→</button>` : nothing}
                <button @click=${() => this.app.closeViewer()}>Close</button>
              </footer>`
      }
    </dialog>`
  }
}
