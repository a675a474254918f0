/** Undo and redo: whole snapshots of the workflow, one per gesture, capped by their size. */

const MAX_CHARACTERS = 30_000_000

export class History {
  private past: string[] = []
  private future: string[] = []
  private current: string

  constructor(current: string) {
    this.current = current
  }

  /** Starts anew with another workflow. */
  reset(current: string): void {
    this.past = []
    this.future = []
    this.current = current
  }

  /** Records the state after a gesture; false when nothing has changed. */
  record(next: string): boolean {
    if (next === this.current) return false
    this.past.push(this.current)
    this.future = []
    this.current = next
    let size = this.past.reduce((sum, text) => sum + text.length, 0)
    while (size > MAX_CHARACTERS && this.past.length > 1) size -= this.past.shift()!.length
    return true
  }

  get canUndo(): boolean {
    return this.past.length > 0
  }
  get canRedo(): boolean {
    return this.future.length > 0
  }

  /** The state to go back to, or null. */
  undo(): string | null {
    const before = this.past.pop()
    if (before === undefined) return null
    this.future.push(this.current)
    this.current = before
    return before
  }

  redo(): string | null {
    const after = this.future.pop()
    if (after === undefined) return null
    this.past.push(this.current)
    this.current = after
    return after
  }
}
