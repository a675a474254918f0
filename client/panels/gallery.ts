/** Results: the newest runs first, each with its pictures, its time, and how it ended. */
import { css, html, nothing, type TemplateResult } from 'lit'
import type { HistoryItem } from '../sdk/heddle.ts'
import { server } from '../server.ts'
import { summaryText } from '../reports.ts'
import { controls, duration, Panel } from './panel.ts'

const OUTCOME = { success: '', error: 'Failed', cancelled: 'Cancelled' } as const

export class Gallery extends Panel {
  static override styles = [
    controls,
    css`
      .run {
        padding: 12px 14px;
        border-bottom: 1px solid var(--border);
      }
      .pictures {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(130px, 1fr));
        gap: 8px;
      }
      .pictures.single {
        grid-template-columns: 1fr;
      }
      .picture {
        display: block;
        width: 100%;
        height: auto;
        padding: 0;
        border: 1px solid var(--border);
        border-radius: 7px;
        background: #101216;
        overflow: hidden;
        cursor: zoom-in;
      }
      img {
        display: block;
        width: 100%;
        max-height: 260px;
        object-fit: contain;
      }
      .line {
        display: flex;
        align-items: center;
        gap: 6px;
        margin-top: 8px;
        font-size: 12.5px;
      }
      .line span {
        flex: 1;
        overflow-wrap: anywhere;
      }
      .line button {
        min-height: 28px;
        padding: 0 8px;
        font-size: 12.5px;
      }
      .error {
        color: #f0aaa5;
      }
    `,
  ]

  /** Shows the reports of a result in the panel beside this one. */
  private async report(promptId: string): Promise<void> {
    await this.app.reports.open(promptId)
    this.dispatchEvent(new CustomEvent('tab', { detail: 'report', bubbles: true, composed: true }))
  }

  /** Previews that the server no longer has: it empties its folder of temporary files at every start. */
  private readonly gone = new Set<string>()

  private missing({ type }: HistoryItem['images'][number]['file'], address: string): void {
    if (type !== 'temp') return
    this.gone.add(address)
    this.requestUpdate()
  }

  private pictures(item: HistoryItem): TemplateResult | typeof nothing {
    const files = item.images.map(({ file }) => file).filter((file) => !this.gone.has(server.address(file)))
    if (files.length === 0) return nothing
    return html`<div class="pictures ${files.length === 1 ? 'single' : ''}">
      ${files.map(
        (file, i) =>
          html`<button
            class="picture"
            aria-label=${`Show ${file.filename} large`}
            @click=${() => this.app.view(files, i)}
          >
            <img
              src=${server.address(file)}
              alt=${file.filename}
              loading="lazy"
              @error=${() => this.missing(file, server.address(file))}
            />
          </button>`,
      )}
    </div>`
  }

  private run(item: HistoryItem): TemplateResult {
    const { app } = this
    const time = item.seconds === null ? '' : duration(item.seconds)
    const reports = app.reports.summaries.get(item.id) ?? []
    const saved = [...new Set(reports.map(summaryText))].filter(Boolean).join(', ')
    return html`<article class="run" data-prompt=${item.id} data-outcome=${item.outcome}>
      ${item.images.length > 0 ? this.pictures(item) : nothing}
      <div class="line">
        <span class=${item.outcome === 'error' ? 'error' : 'dim'}
          >${[OUTCOME[item.outcome], item.error ?? '', time, saved].filter(Boolean).join(' · ') || 'Nothing to show'}</span
        >
        ${
          reports.length === 0
            ? nothing
            : html`<button
                class="plain"
                title="What the sampling runs of this result computed"
                @click=${() => app.attempt(() => this.report(item.id))}
              >
                Report
              </button>`
        }
        ${
          item.workflow === undefined
            ? nothing
            : html`<button
                class="plain"
                title="Open the workflow of this run"
                @click=${() => app.attempt(() => app.open(item.workflow, 'From a result'))}
              >
                Open
              </button>`
        }
        <button
          class="plain"
          aria-label="Remove this run from the list"
          title="Remove from the list"
          @click=${() => app.attempt(() => app.forget(item.id))}
        >
          ✕
        </button>
      </div>
    </article>`
  }

  override render(): TemplateResult {
    const { history } = this.app
    if (history.length === 0)
      return html`<p class="empty">Results appear here.<br />Press Queue to run the workflow.</p>`
    return html`${history.map((item) => this.run(item))}`
  }
}
