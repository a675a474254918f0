/** The bar at the top: the workflow's name, files, undo, what is running, Queue and Cancel, the connection. */
import { css, html, nothing, type TemplateResult } from 'lit'
import { controls, duration, Panel } from './panel.ts'

const CONNECTION = { connecting: 'Connecting', open: 'Connected', lost: 'Connection lost, trying again' } as const

export class Toolbar extends Panel {
  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: 6px;
        padding: 0 12px;
        border-bottom: 1px solid var(--border);
        background: var(--panel);
      }
      .brand {
        display: flex;
        align-items: center;
        gap: 8px;
        margin-right: 10px;
        font-weight: 650;
        letter-spacing: 0.02em;
      }
      .brand img {
        width: 24px;
        height: 24px;
      }
      .name {
        overflow: hidden;
        max-width: 260px;
        margin-right: 6px;
        color: var(--label);
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .dirty {
        color: var(--accent);
      }
      .space {
        flex: 1;
      }
      .progress {
        min-width: 0;
        width: 230px;
        font-size: 12.5px;
        color: var(--label);
      }
      .progress div {
        display: flex;
        justify-content: space-between;
        gap: 10px;
        white-space: nowrap;
      }
      .progress span:first-child {
        overflow: hidden;
        text-overflow: ellipsis;
      }
      progress {
        display: block;
        width: 100%;
        height: 4px;
        margin-top: 3px;
        border: 0;
        border-radius: 2px;
        background: var(--raised);
        overflow: hidden;
        appearance: none;
      }
      progress::-webkit-progress-bar {
        background: var(--raised);
      }
      progress::-webkit-progress-value {
        background: var(--running);
      }
      progress::-moz-progress-bar {
        background: var(--running);
      }
      .connection {
        width: 10px;
        height: 10px;
        margin-left: 6px;
        border-radius: 50%;
        background: var(--warning);
      }
      .connection.open {
        background: var(--running);
      }
      .connection.lost {
        background: var(--error);
      }
      .separator {
        width: 1px;
        height: 24px;
        margin: 0 4px;
        background: var(--border);
      }
      button,
      .connection,
      .brand {
        flex: none;
      }
      @media (max-width: 560px) {
        :host {
          gap: 4px;
          padding: 0 6px;
        }
        .brand,
        .name,
        .separator {
          display: none;
        }
      }
      @media (max-width: 900px) {
        .brand span,
        .progress,
        .wide {
          display: none;
        }
      }
    `,
  ]

  private get sideOpen(): boolean {
    return !document.querySelector('heddle-side')?.hasAttribute('closed')
  }

  private toggleSide(): void {
    document.querySelector('heddle-side')?.toggleAttribute('closed')
    this.requestUpdate()
  }

  private status(): TemplateResult | typeof nothing {
    const { progress, queue, secondsLeft } = this.app
    if (!progress && queue.running.length === 0) return nothing
    const steps = progress && progress.max > 0 ? [`${progress.value} / ${progress.max}`] : []
    const left = secondsLeft === null ? [] : [`${duration(secondsLeft)} left`]
    const value = progress && progress.max > 0 ? progress.value / progress.max : undefined
    return html`<div class="progress" role="group" aria-label="Running">
      <div>
        <span>${progress?.title ?? 'Starting'}</span>
        <span>${[...steps, ...left].join(' · ')}</span>
      </div>
      ${
        value === undefined
          ? html`<progress aria-label="Progress"></progress>`
          : html`<progress aria-label="Progress" value=${value}></progress>`
      }
    </div>`
  }

  private name(): TemplateResult {
    const { shelf } = this.app
    return html`<span class="name" title=${shelf.name}
      >${shelf.name}${shelf.dirty ? html`<span class="dirty" title="Not saved" aria-label="(not saved)"> •</span>` : nothing}</span
    >`
  }

  override render(): TemplateResult {
    const { app } = this
    const { editor, queue } = app
    const waiting = queue.pending.length
    return html`
      <div class="brand"><img src="/icon.svg" alt="" /><span>Heddle</span></div>
      ${this.name()}
      <button @click=${() => this.ask('open')} title="Open a workflow (Ctrl O)">Open</button>
      <button @click=${() => this.ask('save')} title="Save the workflow (Ctrl S)">Save</button>
      <button
        class="plain wide"
        ?disabled=${!editor.canUndo}
        @click=${() => editor.undo()}
        aria-label="Undo"
        title="Undo (Ctrl Z)"
      >
        ↶
      </button>
      <button
        class="plain wide"
        ?disabled=${!editor.canRedo}
        @click=${() => editor.redo()}
        aria-label="Redo"
        title="Redo (Ctrl Shift Z)"
      >
        ↷
      </button>
      <span class="space"></span>
      ${this.status()}
      <button
        class="primary"
        id="queue"
        ?disabled=${!app.ready}
        @click=${() => app.attempt(() => app.run())}
        title="Run the workflow (Ctrl Enter)"
      >
        Queue${waiting > 0 ? ` (${waiting} waiting)` : ''}
      </button>
      <button
        id="cancel"
        ?disabled=${queue.running.length === 0}
        @click=${() => app.attempt(() => app.cancel())}
        title="Cancel what is running"
      >
        Cancel
      </button>
      <span class="separator"></span>
      <button
        class="plain"
        aria-pressed=${this.sideOpen}
        @click=${() => this.toggleSide()}
        title="Show or hide the panels"
      >
        Panels
      </button>
      <span
        class="connection ${app.connection}"
        role="img"
        aria-label=${CONNECTION[app.connection]}
        title=${CONNECTION[app.connection]}
      ></span>
    `
  }

  private ask(what: 'open' | 'save'): void {
    this.dispatchEvent(new CustomEvent('library', { detail: what, bubbles: true, composed: true }))
  }
}
