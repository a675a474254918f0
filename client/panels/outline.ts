/** The node graph in words: a list for screen readers and keyboards that follows the canvas. */
import { html, nothing, type TemplateResult } from 'lit'
import type { GraphNode } from '../canvas/node.ts'
import { inWords } from '../model/weave.ts'
import { Panel } from './panel.ts'

function state(node: GraphNode): string {
  const { run } = node
  if (node.isMissing) return 'missing'
  if (run.faults.length > 0) return 'failed'
  if (run.running) return 'running'
  return run.images.length > 0 ? 'has pictures' : run.cached ? 'kept' : 'idle'
}

export class Outline extends Panel {
  private item(node: GraphNode): TemplateResult {
    const { run } = node
    const preview = node.pictures.preview(node.id) !== null
    return html`<li
      data-node=${node.id}
      data-state=${state(node)}
      data-preview=${preview}
      data-pictures=${run.images.length}
      data-cells=${run.weave?.rows.length ?? 0}
    >
      <button @click=${() => this.app.editor.reveal(String(node.id))}>
        ${node.title}: ${state(node)}${run.progress ? `, ${run.progress.value} of ${run.progress.max}` : ''}
      </button>
      ${run.weave ? html`<span>${inWords(run.weave)}</span>` : nothing}
      ${run.faults.map(({ input, message }) => html`<span>${input ?? 'Node'}: ${message}</span>`)}
      ${run.warnings.map((warning) => html`<span>Warning: ${warning}</span>`)}
    </li>`
  }

  override render(): TemplateResult {
    return html`<ul aria-label="Nodes">
      ${this.app.editor.nodes.map((node) => this.item(node))}
    </ul>`
  }
}
