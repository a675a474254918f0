/** The cache report: the weave large, drift against its threshold, time per step, and what was saved; live or of a finished prompt. */
import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from 'lit'
import { driftChart } from '../model/drift-chart.ts'
import { timeChart } from '../model/time-chart.ts'
import {
  cells,
  COLORS,
  inWords,
  threads,
  thresholdOf,
  totals,
  type Cell,
  type Totals,
  type WeaveRun,
} from '../model/weave.ts'
import type { Choice } from '../reports.ts'
import { controls, duration, Panel } from './panel.ts'
import { reportStyles } from './report-styles.ts'

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`

const WIDTH = 304
const THREAD = 46
const CHART = 110
const TIME = 64
/** Room above a chart for the label of its highest value. */
const HEAD = 14

const LEGEND = [
  ['full', 'full: every block'],
  ['resumed', 'resumed after the probe'],
  ['skipped', 'skipped: a probe at most'],
  ['partial', 'partial'],
] as const

const number = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3))
const share = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(0)}\u00a0%`

/** Operations, one or more figures in the unit that suits the last. */
function operations(...figures: readonly number[]): string {
  const units = ['FLOP', 'kFLOP', 'MFLOP', 'GFLOP', 'TFLOP', 'PFLOP']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, figures.at(-1) ?? 0)) / 3)))
  return `${figures.map((flops) => number(flops / 1000 ** power)).join(' of ')} ${units[power]!}`
}

function cellTitle({ row, evaluation, thread }: Cell, depth: number): string {
  if (!row) return `Step ${evaluation + 1}, ${thread.label}: not yet`
  const kinds = Object.entries(row.modules)
  const parts = [
    `Step ${evaluation + 1}, ${thread.label}: ${row.decision}${row.forced === undefined ? '' : ` (${row.forced})`}`,
    `${number(row.blocks)} of ${depth} blocks, ${row.milliseconds.toFixed(0)} ms`,
    ...(kinds.length === 0 ? [] : [`modules: ${kinds.map(([kind, count]) => `${kind} ${number(count)}`).join(', ')}`]),
    ...(row.flops === 0 ? [] : [operations(row.flops)]),
    `sigma ${number(row.sigma)}`,
    ...(row.drift === undefined ? [] : [`drift ${number(row.drift)}`]),
    ...(row.accumulated === undefined ? [] : [`accumulated ${number(row.accumulated)}`]),
    ...(row.gain === undefined ? [] : [`gain ${number(row.gain)}`]),
  ]
  return parts.join('\n')
}

export class Report extends Panel {
  static override styles = [controls, reportStyles]

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

  private drift(run: WeaveRun): TemplateResult | typeof nothing {
    const threshold = thresholdOf(run)
    const chart = driftChart(run, threshold, { width: WIDTH, height: CHART })
    if (!chart) return nothing
    const what = run.rows.some((row) => row.accumulated !== undefined) ? 'Accumulated drift' : 'Drift'
    return html`<h3>${what}${threshold === null ? '' : ` against the threshold ${threshold}`}</h3>
      <svg class="drift" viewBox="0 ${-HEAD} ${WIDTH} ${CHART + HEAD + 4}" role="img" aria-label="Drift by step">
        ${
          chart.line === null
            ? nothing
            : svg`<line x1="0" x2=${WIDTH} y1=${chart.line} y2=${chart.line} stroke="#e06c66" stroke-dasharray="4 3"></line>`
        }
        ${chart.paths.map(({ d, branch }) => svg`<path d=${d} fill="none" stroke=${branch === 'cond' ? '#e2a14a' : '#6c8fb8'} stroke-width="1.5"></path>`)}
        ${chart.points.map((point) => svg`<circle cx=${point.x} cy=${point.y} r="2.6" fill=${point.branch === 'cond' ? '#e2a14a' : '#6c8fb8'}><title>${point.title}</title></circle>`)}
        <text x="0" y="-5">${number(chart.top)}</text>
        <text x="0" y=${CHART}>0</text>
      </svg>`
  }

  private time(run: WeaveRun): TemplateResult | typeof nothing {
    const chart = timeChart(run, { width: WIDTH, height: TIME })
    if (!chart) return nothing
    return html`<h3>Time per step</h3>
      <svg class="time" viewBox="0 ${-HEAD} ${WIDTH} ${TIME + HEAD + 2}" role="img" aria-label="Milliseconds by step">
        ${chart.bars.map((bar) => svg`<rect x=${bar.x} y=${bar.y} width=${bar.width} height=${bar.height} fill=${bar.color}><title>${bar.title}</title></rect>`)}
        <text x="0" y="-5">${number(chart.top)} ms</text>
      </svg>`
  }

  private figures(run: WeaveRun, t: Totals): TemplateResult {
    const flops = run.end?.totalFlops ?? 0
    const memory = run.end?.memory
    const line = (name: string, value: string) =>
      html`<dt>${name}</dt>
        <dd>${value}</dd>`
    return html`<dl>
      ${line('Skipped', `${t.skipped} of ${t.rows}`)}
      ${t.partial > 0 ? line('Partial', `${t.partial} of ${t.rows}`) : nothing}
      ${line('Blocks computed', `${number(t.blocks)} of ${t.plain} (${share(t.blocks, Math.max(1, t.plain))})`)}
      ${Object.entries(t.modules).map(([kind, count]) => line(`Modules: ${kind}`, `${number(count)} of ${t.plain}`))}
      ${flops > 0 ? line('Operations', `${operations(t.flops, flops)} (${share(t.flops, flops)})`) : nothing}
      ${line('Saving in blocks', t.blocks > 0 ? `${(t.plain / t.blocks).toFixed(2)}×` : '–')}
      ${line('Time in the model', duration(t.seconds))}
      ${run.end ? line('Time of the sampler', duration(run.end.seconds)) : nothing}
      ${memory ? line('Memory, at most', `${gigabytes(memory.resident)}; open weights ${gigabytes(memory.weights)} of ${gigabytes(memory.budget)}`) : nothing}
    </dl>`
  }

  /** Which run is shown, where there are several, and the way back from a finished prompt's. */
  private source(all: readonly Choice[], shown: Choice | null): TemplateResult {
    const { reports } = this.app
    return html`${
      reports.isStored
        ? html`<p class="source">
            A finished result.
            <button @click=${() => reports.close()}>Back to the open workflow</button>
          </p>`
        : nothing
    }${
      all.length > 1
        ? html`<select
            aria-label="Sampling run"
            @change=${(event: Event) => reports.choose((event.target as HTMLSelectElement).value)}
          >
            ${all.map(({ key, label }) => html`<option value=${key} ?selected=${key === shown?.key}>${label}</option>`)}
          </select>`
        : nothing
    }`
  }

  /** What the node itself says, and the values that it proposes. */
  private words(node: string): TemplateResult {
    const { texts, proposals } = this.app.runs.of(node)
    const values = proposals.flatMap((one) =>
      Object.entries(one.values).map(([name, value]) => `${name} ${String(value)}`),
    )
    return html`${values.length > 0 ? html`<button class="adopt primary" @click=${() => this.app.adopt(node)}>Write ${values.join(', ')} into the workflow</button>` : nothing}
    ${texts.length > 0 ? html`<pre tabindex="0">${texts.join('\n')}</pre>` : nothing}`
  }

  override render(): TemplateResult {
    const { choices, shown } = this.app.reports
    if (!shown)
      return html`${this.source(choices, shown)}
        <p class="empty">
          ${
            this.app.reports.isStored
              ? 'No sampler reported anything for this result.'
              : 'The weave of a sampling run appears here: which blocks of the model each step really computed.'
          }
        </p>`
    const { run, node, label } = shown
    const legend = LEGEND.filter(([decision]) => run.rows.some((row) => row.decision === decision))
    return html`
      ${this.source(choices, shown)}
      <h2>${run.method ?? 'No cache'}</h2>
      <div class="dim">${label} · ${run.evaluations} evaluations · ${run.depth} blocks</div>
      ${run.end?.warnings.map((warning) => html`<p class="warning" role="note">${warning}</p>`)}
      ${node === null ? nothing : this.words(node)}
      <h3>Weave</h3>
      ${this.weave(run)}
      <ul class="legend">
        ${legend.map(([decision, text]) => html`<li><i style="background:${COLORS[decision]}"></i>${text}</li>`)}
        ${run.rows.some((row) => row.forced !== undefined) ? html`<li>• forced</li>` : nothing}
      </ul>
      ${this.drift(run)} ${this.time(run)} ${this.figures(run, totals(run))}
    `
  }
}
