/** Menus and lists over the page: text only through textContent, arrow keys, Escape, a filter for long lists. */

export interface MenuItem {
  readonly label: string
  /** Shown at the right, dimmed. */
  readonly hint?: string
  readonly checked?: boolean
  readonly disabled?: boolean
  /** A line above this item. */
  readonly separated?: boolean
  readonly choose: () => void
}
export interface MenuOptions {
  readonly x: number
  readonly y: number
  readonly items: readonly MenuItem[]
  /** Accessible name. */
  readonly name: string
  /** Shows a text field that filters; by default when there are more than twelve items. */
  readonly filter?: boolean
  readonly minWidth?: number
  readonly closed?: () => void
}

let open: { root: HTMLElement; close: () => void } | null = null

function closeMenu(): void {
  open?.close()
}

/** How well `query` fits `text`: 0 = not at all; letters in order count, whole words at the start count most. */
function score(query: string, text: string): number {
  const [wanted, given] = [query.trim().toLowerCase(), text.toLowerCase()]
  if (wanted === '') return 1
  const at = given.indexOf(wanted)
  if (at >= 0) return 1000 - at - given.length / 100
  let from = 0
  let gaps = 0
  for (const letter of wanted) {
    if (letter === ' ') continue
    const found = given.indexOf(letter, from)
    if (found < 0) return 0
    gaps += found - from
    from = found + 1
  }
  return 100 / (1 + gaps)
}

function itemButton(item: MenuItem, choose: () => void): HTMLButtonElement {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'menu-item'
  button.role = item.checked === undefined ? 'menuitem' : 'menuitemradio'
  if (item.checked !== undefined) button.ariaChecked = String(item.checked)
  button.disabled = item.disabled ?? false
  if (item.separated) button.classList.add('separated')
  const label = document.createElement('span')
  label.textContent = item.label
  button.append(label)
  if (item.hint !== undefined) {
    const hint = document.createElement('small')
    hint.textContent = item.hint
    button.append(hint)
  }
  button.addEventListener('click', choose)
  return button
}

/** Keeps the menu inside the window. */
function place(root: HTMLElement, x: number, y: number): void {
  const { width, height } = root.getBoundingClientRect()
  root.style.left = `${Math.max(4, Math.min(x, innerWidth - width - 4))}px`
  root.style.top = `${Math.max(4, Math.min(y, innerHeight - height - 4))}px`
}

function moveFocus(root: HTMLElement, step: number): void {
  const buttons = [...root.querySelectorAll<HTMLButtonElement>('button:not(:disabled)')]
  const at = buttons.indexOf(document.activeElement as HTMLButtonElement)
  buttons[at < 0 ? (step > 0 ? 0 : buttons.length - 1) : (at + step + buttons.length) % buttons.length]?.focus()
}

function onKey(event: KeyboardEvent, root: HTMLElement, close: () => void): void {
  event.stopPropagation()
  if (event.key === 'Escape') close()
  else if (event.key === 'ArrowDown') moveFocus(root, 1)
  else if (event.key === 'ArrowUp') moveFocus(root, -1)
  else if (event.key === 'Enter' && event.target instanceof HTMLInputElement)
    root.querySelector<HTMLButtonElement>('button:not(:disabled)')?.click()
  else return
  event.preventDefault()
}

/** Opens a menu; an earlier one closes. Focus returns to where it was. */
export function openMenu(options: MenuOptions): void {
  closeMenu()
  const before = document.activeElement
  const root = document.createElement('div')
  root.className = 'menu'
  root.role = 'menu'
  root.ariaLabel = options.name
  if (options.minWidth !== undefined) root.style.minWidth = `${options.minWidth}px`
  const list = document.createElement('div')
  list.className = 'menu-list'

  const outside = (event: Event): void => {
    if (!root.contains(event.target as Node)) close()
  }
  function close(): void {
    if (open?.root !== root) return
    open = null
    root.remove()
    document.removeEventListener('pointerdown', outside, true)
    if (before instanceof HTMLElement) before.focus({ preventScroll: true })
    options.closed?.()
  }
  const show = (query: string): void => {
    const found = options.items
      .map((item) => ({ item, rank: score(query, `${item.label} ${item.hint ?? ''}`) }))
      .filter(({ rank }) => rank > 0)
    if (query.trim() !== '') found.sort((a, b) => b.rank - a.rank)
    list.replaceChildren(
      ...found.slice(0, 300).map(({ item }) =>
        itemButton(item, () => {
          close()
          item.choose()
        }),
      ),
    )
  }

  const filter = document.createElement('input')
  if (options.filter ?? options.items.length > 12) {
    filter.type = 'search'
    filter.placeholder = 'Search'
    filter.ariaLabel = `Search: ${options.name}`
    filter.addEventListener('input', () => show(filter.value))
    root.append(filter)
  }
  root.append(list)
  root.addEventListener('keydown', (event) => onKey(event, root, close))
  show('')
  document.body.append(root)
  open = { root, close }
  place(root, options.x, options.y)
  document.addEventListener('pointerdown', outside, true)
  const checked = list.querySelector<HTMLElement>('[aria-checked="true"]')
  const first = filter.isConnected ? filter : (checked ?? list.querySelector<HTMLElement>('button'))
  // The press that opened the menu is still going on: its default action would take the focus back.
  setTimeout(() => first?.focus(), 0)
  checked?.scrollIntoView({ block: 'nearest' })
}
