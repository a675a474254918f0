/** The cache report: the weave large, the drift against its threshold, and what was saved. */
import { css, html, nothing, svg, type SVGTemplateResult, type TemplateResult } from 'lit'
import { cells, COLORS, inWords, threads, totals, type Cell, type WeaveRun } from '../model/weave.ts'
import { driftChart } from '../model/drift-chart.ts'
import { controls, duration, Panel } from './panel.ts'

const WIDTH = 304
const THREAD = 46
const CHART = 110

const LEGEND = [
  ['full', 'full: every block'],
  ['resumed', 'resumed after the probe'],
  ['skipped', 'skipped: the probe only'],
  ['partial', 'partial'],
] as const

const number = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3))

function cellTitle({ row, evaluation, thread }: Cell, depth: number): string {
  if (!row) return `Step ${evaluation + 1}, ${thread.label}: not yet`
  const parts = [
    `Step ${evaluation + 1}, ${thread.label}: ${row.decision}${row.forced === undefined ? '' : ` (${row.forced})`}`,
    `${row.blocks} of ${depth} blocks, ${row.milliseconds.toFixed(0)} ms`,
    `sigma ${number(row.sigma)}`,
    ...(row.drift === undefined ? [] : [`drift ${number(row.drift)}`]),
    ...(row.accumulated === undefined ? [] : [`accumulated ${number(row.accumulated)}`]),
    ...(row.gain === undefined ? [] : [`gain ${number(row.gain)}`]),
  ]
  return parts.join('\n')
}

export class Report extends Panel {
  static override styles = [
    controls,
    css`
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
        grid-template-columns: 1fr auto;
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
    `,
  ]

  private cell(cell: Cell, depth: number): SVGTemplateResult {
    const filled = cell.height * cell.share
    const color = cell.row ? COLORS[cell.row.decision] : COLORS.empty
    return svg`<g>
      <rect x=${cell.x} y=${cell.y} width=${cell.width} height=${cell.height} fill=${COLORS.empty}></rect>
      <rect x=${cell.x} y=${cell.y + cell.height - filled} width=${cell.width} height=${filled} fill=${color}></rect>
      ${cell.probe === null ? nothing : svg`<rect x=${cell.x} y=${cell.y + cell.height * (1 - cell.probe) - 0.5} width=${cell.width} height="1" fill=${COLORS.seam}></rect>`}
      ${cell.row?.forced === undefined ? nothing : svg`<circle cx=${cell.x + cell.width / 2} cy=${cell.y + 5} r="1.6" fill="#1d1608"></circle>`}
      <rect class="hit" x=${cell.x} y=${cell.y} width=${cell.width} height=${cell.height} fill="transparent"><title>${cellTitle(cell, depth)}</title></rect>
    </g>`
  }

  private weave(run: WeaveRun): TemplateResult {
    const lines = threads(run).length
    const height = lines * THREAD
    return html`
      <svg class="weave" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label=${inWords(run)}>
        ${cells(run, { x: 0, y: 0, width: WIDTH, height }).map((cell) => this.cell(cell, run.depth))}
      </svg>
      <div class="threads">
        from top:
        ${threads(run)
          .map((thread) => thread.label)
          .join(', ')}
      </div>
    `
  }

  private drift(run: WeaveRun, threshold: number | null): TemplateResult | typeof nothing {
    const chart = driftChart(run, threshold, { width: WIDTH, height: CHART })
    if (!chart) return nothing
    return html`<h3>Accumulated drift${threshold === null ? '' : ` against the threshold ${threshold}`}</h3>
      <svg viewBox="0 0 ${WIDTH} ${CHART + 4}" role="img" aria-label="Drift by step">
        ${
          chart.line === null
            ? nothing
            : svg`<line x1="0" x2=${WIDTH} y1=${chart.line} y2=${chart.line} stroke="#e06c66" stroke-dasharray="4 3"></line>`
        }
        ${chart.paths.map(({ d, branch }) => svg`<path d=${d} fill="none" stroke=${branch === 'cond' ? '#e2a14a' : '#6c8fb8'} stroke-width="1.5"></path>`)}
        ${chart.points.map((point) => svg`<circle cx=${point.x} cy=${point.y} r="2.6" fill=${point.branch === 'cond' ? '#e2a14a' : '#6c8fb8'}><title>${point.title}</title></circle>`)}
        <text x="0" y="9">${number(chart.top)}</text>
        <text x="0" y=${CHART}>0</text>
      </svg>`
  }

  override render(): TemplateResult {
    const id = this.app.runs.latestWeave
    const run = id === null ? null : this.app.runs.of(id).weave
    if (id === null || !run)
      return html`<p class="empty">
        The weave of a sampling run appears here: which blocks of the model each step really computed.
      </p>`
    const t = totals(run)
    const share = t.plain > 0 ? t.blocks / t.plain : 1
    const shown = LEGEND.filter(([decision]) => run.rows.some((row) => row.decision === decision))
    return html`
      <h2>${run.method ?? 'No cache'}</h2>
      <div class="dim">${this.app.titleOf(id)} · ${run.evaluations} evaluations · ${run.depth} blocks</div>
      <h3>Weave</h3>
      ${this.weave(run)}
      <ul class="legend">
        ${shown.map(([decision, label]) => html`<li><i style="background:${COLORS[decision]}"></i>${label}</li>`)}
        ${run.rows.some((row) => row.forced !== undefined) ? html`<li>• forced</li>` : nothing}
      </ul>
      ${this.drift(run, this.app.thresholdFor(id))}
      <dl>
        <dt>Skipped</dt>
        <dd>${t.skipped} of ${t.rows}</dd>
        <dt>Blocks computed</dt>
        <dd>${t.blocks} of ${t.plain} (${(share * 100).toFixed(0)} %)</dd>
        <dt>Saving in blocks</dt>
        <dd>${t.blocks > 0 ? `${(t.plain / t.blocks).toFixed(2)}×` : '–'}</dd>
        <dt>Time in the model</dt>
        <dd>${duration(t.seconds)}</dd>
      </dl>
    `
  }
}
