/** The column at the right: results, queue, cache report and log, one at a time; faults above all of them. */
import { css, html, nothing, type TemplateResult } from 'lit'
import { controls, Panel } from './panel.ts'

const TABS = [
  ['results', 'Results'],
  ['queue', 'Queue'],
  ['report', 'Cache report'],
  ['log', 'Log'],
] as const
type Tab = (typeof TABS)[number][0]

export class Side extends Panel {
  static override styles = [
    controls,
    css`
      :host {
        display: flex;
        flex-direction: column;
        width: 336px;
        border-left: 1px solid var(--border);
        background: var(--panel);
      }
      :host([closed]) {
        display: none;
      }
      [role='tablist'] {
        display: flex;
        padding: 6px 6px 0;
        border-bottom: 1px solid var(--border);
      }
      [role='tab'] {
        flex: 1 1 auto;
        padding: 0 8px;
        border: 0;
        border-bottom: 2px solid transparent;
        border-radius: 6px 6px 0 0;
        background: none;
        color: var(--label);
      }
      [role='tab'][aria-selected='true'] {
        border-bottom-color: var(--accent);
        color: var(--text);
      }
      [role='tabpanel'] {
        flex: 1;
        min-height: 0;
        overflow-y: auto;
      }
      .faults {
        max-height: 40%;
        margin: 0;
        padding: 10px 14px;
        border-bottom: 1px solid #5a3030;
        background: #2d1e20;
        overflow-y: auto;
        list-style: none;
      }
      .faults h2 {
        margin: 0 0 6px;
        font-size: 13px;
        color: #f0aaa5;
      }
      .faults button {
        display: block;
        width: 100%;
        height: auto;
        min-height: 30px;
        padding: 4px 8px;
        border: 0;
        background: none;
        text-align: left;
        white-space: normal;
        overflow-wrap: anywhere;
      }
      .faults small {
        display: block;
        color: #d9a7a3;
      }
      .log {
        margin: 0;
        padding: 10px 14px;
        list-style: none;
        font-size: 13px;
      }
      .log li {
        display: flex;
        gap: 10px;
        padding: 4px 0;
        overflow-wrap: anywhere;
        white-space: pre-line;
      }
      .log time {
        color: var(--dim);
        font-variant-numeric: tabular-nums;
      }
      .log .error {
        color: #f0aaa5;
      }
      @media (max-width: 760px) {
        :host {
          width: auto;
          height: 44vh;
          border-left: 0;
          border-top: 1px solid var(--border);
        }
      }
    `,
  ]

  private tab: Tab = 'results'

  constructor() {
    super()
    this.addEventListener('tab', (event) => {
      const asked = TABS.find(([tab]) => tab === (event as CustomEvent<unknown>).detail)
      if (asked) this.show(asked[0])
    })
  }

  show(tab: Tab): void {
    this.tab = tab
    this.removeAttribute('closed')
    this.requestUpdate()
  }

  private onKey(event: KeyboardEvent): void {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (step === 0) return
    const at = TABS.findIndex(([tab]) => tab === this.tab)
    this.show(TABS[(at + step + TABS.length) % TABS.length]![0])
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]')?.focus())
  }

  private faults(): TemplateResult | typeof nothing {
    const { faults } = this.app
    if (faults.length === 0) return nothing
    return html`<section class="faults" role="alert">
      <h2>${faults.length === 1 ? 'A problem' : `${faults.length} problems`}</h2>
      ${faults.map(
        ({ node, input, message }) =>
          html`<button @click=${() => node !== null && this.app.editor.reveal(node)}>
            ${node === null ? nothing : html`<strong>${this.app.titleOf(node)}</strong>${input === null ? '' : ` · ${input}`}`}
            <small>${message}</small>
          </button>`,
      )}
    </section>`
  }

  private log(): TemplateResult {
    if (this.app.notes.length === 0) return html`<p class="empty">Nothing has happened yet.</p>`
    return html`<ol class="log" role="log" aria-label="Events">
      ${this.app.notes.map(
        ({ at, kind, text }) =>
          html`<li class=${kind}><time>${at.toLocaleTimeString()}</time><span>${text}</span></li>`,
      )}
    </ol>`
  }

  private content(): TemplateResult {
    switch (this.tab) {
      case 'results':
        return html`<heddle-gallery .app=${this.app}></heddle-gallery>`
      case 'queue':
        return html`<heddle-queue .app=${this.app}></heddle-queue>`
      case 'report':
        return html`<heddle-report .app=${this.app}></heddle-report>`
      case 'log':
        return this.log()
    }
  }

  override render(): TemplateResult {
    const { queue } = this.app
    const count = queue.running.length + queue.pending.length
    return html`
      ${this.faults()}
      <div role="tablist" aria-label="Panels" @keydown=${(event: KeyboardEvent) => this.onKey(event)}>
        ${TABS.map(
          ([tab, title]) =>
            html`<button
              role="tab"
              id=${`tab-${tab}`}
              aria-selected=${this.tab === tab}
              tabindex=${this.tab === tab ? 0 : -1}
              @click=${() => this.show(tab)}
            >
              ${title}${tab === 'queue' && count > 0 ? ` ${count}` : ''}
            </button>`,
        )}
      </div>
      <div role="tabpanel" aria-labelledby=${`tab-${this.tab}`} tabindex="-1">${this.content()}</div>
    `
  }
}
