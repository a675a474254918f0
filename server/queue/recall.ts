/** Asking jobs back from the engine that were handed over early and have not begun. */
import type { Supervisor } from '../engine/supervisor.ts'

export class Recall {
  readonly #engine: Supervisor
  readonly #onBack: () => void
  #isOut = false

  /** `onBack` is called when all are back that the engine had. */
  constructor(engine: Supervisor, onBack: () => void) {
    this.#engine = engine
    this.#onBack = onBack
  }

  /** True until they are back. No others may be handed over meanwhile: those would run before them. */
  get isOut(): boolean {
    return this.#isOut
  }

  ask(): void {
    if (this.#isOut) return
    this.#isOut = true
    void this.#engine.recall().then(() => {
      this.#isOut = false
      this.#onBack()
    })
  }
}
