/** The page starts here: the application, its panels, and the keys. */
// First of all, since it settles how the schemas of all others are made.
import './sdk/zod.ts'
import { App } from './app.ts'
import { bindClipboard, bindDrops, bindKeys } from './keys.ts'
import { Gallery } from './panels/gallery.ts'
import { Library } from './panels/library.ts'
import { Outline } from './panels/outline.ts'
import { Panel } from './panels/panel.ts'
import { QueuePanel } from './panels/queue.ts'
import { Report } from './panels/report.ts'
import { Side } from './panels/side.ts'
import { Toasts } from './panels/toasts.ts'
import { Toolbar } from './panels/toolbar.ts'
import { Viewer } from './panels/viewer.ts'

const PANELS = {
  'heddle-toolbar': Toolbar,
  'heddle-side': Side,
  'heddle-gallery': Gallery,
  'heddle-queue': QueuePanel,
  'heddle-report': Report,
  'heddle-library': Library,
  'heddle-viewer': Viewer,
  'heddle-outline': Outline,
  'heddle-toasts': Toasts,
} as const

for (const [name, panel] of Object.entries(PANELS)) customElements.define(name, panel)

const stage = document.querySelector<HTMLElement>('.stage')!
const app = new App(stage.querySelector('canvas')!)
for (const element of document.body.querySelectorAll('*')) if (element instanceof Panel) element.app = app

const ask = (what: 'open' | 'save'): void => document.querySelector<Library>('heddle-library')?.show(what)
document.addEventListener('library', (event) => ask((event as CustomEvent<'open' | 'save'>).detail))
bindKeys(app, ask)
bindClipboard(app)
bindDrops(app, stage)

/** Zooms about the middle of the view. */
function zoom(factor: number): void {
  const rect = stage.getBoundingClientRect()
  app.editor.surface.zoomAt(factor, rect.left + rect.width / 2, rect.top + rect.height / 2)
}
const VIEW: Readonly<Record<string, () => void>> = {
  add: () => app.editor.addNode(),
  in: () => zoom(1.25),
  out: () => zoom(0.8),
  fit: () => app.editor.fit(),
}
for (const button of stage.querySelectorAll<HTMLButtonElement>('[data-view]'))
  button.addEventListener('click', () => VIEW[button.dataset['view'] ?? '']?.())

app.attempt(() => app.start())
