/** The queue: what runs and what waits, each with its own Cancel. */
import { css, html, type TemplateResult } from 'lit'
import type { JobSummary } from '../sdk/heddle.ts'
import { controls, Panel } from './panel.ts'

export class QueuePanel extends Panel {
  static override styles = [
    controls,
    css`
      ol {
        margin: 0;
        padding: 6px 14px;
        list-style: none;
      }
      li {
        display: flex;
        align-items: center;
        gap: 10px;
        padding: 7px 0;
        border-bottom: 1px solid var(--border);
      }
      span {
        flex: 1;
      }
      small {
        display: block;
        color: var(--dim);
        overflow-wrap: anywhere;
      }
      .running strong {
        color: var(--running);
      }
    `,
  ]

  private item({ id, number }: JobSummary, running: boolean): TemplateResult {
    const { app } = this
    const doing = running ? (app.progress ? app.progress.title : 'starting') : 'waiting'
    return html`<li class=${running ? 'running' : 'pending'} data-prompt=${id}>
      <span><strong>${running ? 'Running' : `Number ${number}`}</strong><small>${doing}</small></span>
      <button @click=${() => app.attempt(() => app.cancelItem(id))} aria-label=${`Cancel prompt ${number}`}>
        Cancel
      </button>
    </li>`
  }

  override render(): TemplateResult {
    const { running, pending } = this.app.queue
    if (running.length + pending.length === 0) return html`<p class="empty">Nothing is queued.</p>`
    return html`<ol aria-label="Queue">
      ${running.map((item) => this.item(item, true))}${pending.map((item) => this.item(item, false))}
    </ol>`
  }
}
