/** The dialogs for opening a workflow and for saving one under a name. */
import { css, html, nothing, type TemplateResult } from 'lit'
import type { WorkflowEntry } from '../sdk/heddle.ts'
import { controls, Panel } from './panel.ts'

export class Library extends Panel {
  static override styles = [
    controls,
    css`
      dialog {
        width: min(560px, calc(100vw - 24px));
        max-height: min(640px, calc(100vh - 40px));
        padding: 18px 20px;
        border: 1px solid var(--strong-border);
        border-radius: 12px;
        background: var(--panel);
        color: var(--text);
        box-shadow: 0 20px 60px #000a;
      }
      dialog::backdrop {
        background: #0b0c0fa0;
      }
      h2 {
        margin: 0 0 12px;
        font-size: 16px;
      }
      h3 {
        margin: 14px 0 4px;
        font-size: 12.5px;
        font-weight: 600;
        color: var(--dim);
      }
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        gap: 6px;
      }
      li .entry {
        flex: 1;
        overflow: hidden;
        min-height: 38px;
        border: 0;
        background: none;
        text-align: left;
        text-overflow: ellipsis;
      }
      li .entry:hover {
        background: var(--hover);
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        justify-content: flex-end;
        margin-top: 18px;
      }
      .left {
        margin-right: auto;
      }
      input {
        width: 100%;
        min-height: 38px;
        padding: 0 12px;
        border: 1px solid var(--strong-border);
        border-radius: 7px;
        background: var(--background);
        color: var(--text);
        font: inherit;
      }
      .warning {
        margin: 10px 0 0;
        color: var(--warning);
      }
    `,
  ]

  private mode: 'open' | 'save' = 'open'
  private name = ''
  /** The name that is taken and waits for a second press. */
  private taken: string | null = null

  private get dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog')
  }

  show(mode: 'open' | 'save'): void {
    const { app } = this
    if (mode === 'save' && app.shelf.stored === 'own') {
      app.attempt(async () => {
        await app.shelf.saveAs(app.shelf.name, true)
      })
      return
    }
    this.mode = mode
    this.name = app.shelf.name
    this.taken = null
    this.requestUpdate()
    if (mode === 'open') app.attempt(() => app.shelf.list())
    void this.updateComplete.then(() => {
      this.dialog?.showModal()
      this.renderRoot.querySelector<HTMLInputElement>('input.name')?.select()
    })
  }

  private async save(): Promise<void> {
    const { shelf } = this.app
    const name = this.name.trim()
    if (await shelf.saveAs(name, this.taken === name)) this.dialog?.close()
    else this.taken = name
    this.requestUpdate()
  }

  private open(action: () => Promise<void> | void): void {
    this.app.attempt(async () => {
      await action()
      this.dialog?.close()
    })
  }

  private entry(entry: WorkflowEntry): TemplateResult {
    const { shelf } = this.app
    return html`<li>
      <button class="entry" @click=${() => this.open(() => shelf.openEntry(entry))}>${entry.title}</button>
      ${
        entry.shipped
          ? nothing
          : html`<button
              class="plain"
              aria-label=${`Remove ${entry.title}`}
              title="Remove"
              @click=${() => this.app.attempt(() => shelf.remove(entry))}
            >
              ✕
            </button>`
      }
    </li>`
  }

  private openForm(): TemplateResult {
    const { shelf } = this.app
    const [shipped, own] = [
      shelf.entries.filter((entry) => entry.shipped),
      shelf.entries.filter((entry) => !entry.shipped),
    ]
    return html`
      <h2>Open a workflow</h2>
      ${
        own.length > 0
          ? html`<h3>Yours</h3>
              <ul>
                ${own.map((entry) => this.entry(entry))}
              </ul>`
          : nothing
      }
      ${
        shipped.length > 0
          ? html`<h3>Shipped with Heddle</h3>
              <ul>
                ${shipped.map((entry) => this.entry(entry))}
              </ul>`
          : nothing
      }
      ${shelf.entries.length === 0 ? html`<p class="dim">The server has no workflows yet.</p>` : nothing}
      <div class="actions">
        <button class="left" @click=${() => this.open(() => shelf.openEmpty())}>New, empty</button>
        <button @click=${() => this.renderRoot.querySelector<HTMLInputElement>('input[type=file]')?.click()}>
          From a file…
        </button>
        <button class="plain" @click=${() => this.dialog?.close()}>Close</button>
      </div>
      <input
        type="file"
        accept=".json,application/json,image/png,image/webp,video/mp4,video/quicktime,video/webm,video/x-matroska"
        hidden
        @change=${(event: Event) => this.pick(event)}
      />
    `
  }

  private pick(event: Event): void {
    const input = event.target as HTMLInputElement
    const file = input.files?.[0]
    input.value = ''
    if (file) this.open(() => this.app.shelf.openFile(file))
  }

  private saveForm(): TemplateResult {
    return html`<form
      @submit=${(event: Event) => {
        event.preventDefault()
        this.app.attempt(() => this.save())
      }}
    >
      <h2>Save the workflow</h2>
      <input
        class="name"
        aria-label="Name"
        maxlength="120"
        .value=${this.name}
        @input=${(event: Event) => (this.name = (event.target as HTMLInputElement).value)}
      />
      ${this.taken === null ? nothing : html`<p class="warning">'${this.taken}' exists. Press Replace to overwrite it.</p>`}
      <div class="actions">
        <button type="button" class="left" @click=${() => this.app.shelf.download()}>Download</button>
        <button type="button" class="plain" @click=${() => this.dialog?.close()}>Close</button>
        <button class="primary">${this.taken !== null ? 'Replace' : 'Save'}</button>
      </div>
    </form>`
  }

  override render(): TemplateResult {
    return html`<dialog aria-label=${this.mode === 'open' ? 'Open a workflow' : 'Save the workflow'}>
      ${this.mode === 'open' ? this.openForm() : this.saveForm()}
    </dialog>`
  }
}
