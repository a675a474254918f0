/** Keyboard, drops and clipboard of the page. */
import type { App } from './app.ts'
import { BYPASSED, MUTED } from './canvas/node.ts'

/** True while the person writes into a field: single keys and the clipboard belong to it. */
const typing = (event: Event): boolean => {
  const target = event.composedPath()[0]
  return target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable)
}
const inDialog = (): boolean =>
  document.querySelector('heddle-library')?.shadowRoot?.querySelector('dialog[open]') != null

/** Shortcuts by name of the key, with Ctrl (or Cmd). */
function withControl(app: App, event: KeyboardEvent, ask: (what: 'open' | 'save') => void): boolean {
  const { editor } = app
  switch (event.key.toLowerCase()) {
    case 'enter':
      app.attempt(() => app.run())
      return true
    case 's':
      ask('save')
      return true
    case 'o':
      ask('open')
      return true
    default:
      break
  }
  if (typing(event)) return false
  switch (event.key.toLowerCase()) {
    case 'z':
      if (event.shiftKey) editor.redo()
      else editor.undo()
      return true
    case 'y':
      editor.redo()
      return true
    case 'a':
      editor.commands.selectAll()
      return true
    case 'd':
      editor.commands.duplicate()
      return true
    case 'g':
      editor.commands.group(editor.commands.selected, [0, 0])
      return true
    case 'b':
      editor.commands.toggleMode(BYPASSED)
      return true
    case 'm':
      editor.commands.toggleMode(MUTED)
      return true
    default:
      return false
  }
}

function alone(app: App, event: KeyboardEvent): boolean {
  const { editor } = app
  switch (event.key) {
    case 'Delete':
    case 'Backspace':
      editor.commands.remove()
      return true
    case '.':
      editor.fit()
      return true
    case 'Escape':
      editor.surface.deselectAllNodes()
      return true
    default:
      return false
  }
}

/** Binds shortcuts; `ask` opens the dialogs for files. */
export function bindKeys(app: App, ask: (what: 'open' | 'save') => void): void {
  document.addEventListener('keydown', (event) => {
    if (inDialog() || event.isComposing) return
    const control = event.ctrlKey || event.metaKey
    const onPage = event.target === document.body || event.target === app.editor.surface.canvas
    const taken = control ? withControl(app, event, ask) : onPage && !event.altKey ? alone(app, event) : false
    if (taken) event.preventDefault()
  })
}

/** Copy, cut and paste of nodes as text, across tabs. */
export function bindClipboard(app: App): void {
  const { commands } = app.editor
  const take = (event: ClipboardEvent): boolean => {
    if (typing(event) || !document.getSelection()?.isCollapsed) return false
    const text = commands.copy()
    if (text === null) return false
    event.clipboardData?.setData('text/plain', text)
    event.preventDefault()
    return true
  }
  document.addEventListener('copy', (event) => void take(event))
  document.addEventListener('cut', (event) => {
    if (take(event)) commands.remove()
  })
  document.addEventListener('paste', (event) => {
    if (typing(event)) return
    if (app.editor.paste(event.clipboardData?.getData('text/plain') ?? '')) event.preventDefault()
  })
}

/** Files dropped on the canvas: into an upload field, or opened as a workflow. */
export function bindDrops(app: App, stage: HTMLElement): void {
  const over = (event: DragEvent): void => {
    event.preventDefault()
    stage.classList.add('dropping')
  }
  stage.addEventListener('dragover', over)
  stage.addEventListener('dragleave', () => stage.classList.remove('dropping'))
  stage.addEventListener('drop', (event) => {
    event.preventDefault()
    stage.classList.remove('dropping')
    const file = event.dataTransfer?.files[0]
    if (!file) return
    app.attempt(async () => {
      const picture = file.type.startsWith('image/')
      if (picture && (await app.editor.dropPicture(file, event.clientX, event.clientY))) return
      await app.shelf.openFile(file)
    })
  })
}
