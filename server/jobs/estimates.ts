/** How long prompts will take, from how long nodes of the same classes took before. */
import type { Prompt } from '../engine/protocol.ts'
import type { NodeProgress, NodeTimes } from '../queue/node-times.ts'

/** Weight of the newest run in the mean of a class. */
const NEWEST = 0.3
const MAX_CLASSES = 2000

export class Estimates {
  readonly #seconds = new Map<string, number>()

  /** Takes up what the nodes of an ended prompt took. */
  learn(prompt: Prompt, nodes: Readonly<Record<string, NodeProgress>>): void {
    for (const [id, { state, seconds }] of Object.entries(nodes)) {
      const type = prompt[id]?.class_type
      if (type === undefined || state !== 'finished' || seconds === null) continue
      const known = this.#seconds.get(type)
      if (known === undefined && this.#seconds.size >= MAX_CLASSES) continue
      this.#seconds.set(type, known === undefined ? seconds : known + NEWEST * (seconds - known))
    }
  }

  /** Seconds a whole prompt takes when nothing of it is kept from before; null when a class of it never ran. */
  whole(prompt: Prompt): number | null {
    return this.#sum(Object.values(prompt).map(({ class_type }) => this.#seconds.get(class_type)))
  }

  /** Seconds until a running prompt ends: running nodes by their own progress where they report it. Null when unknown. */
  left(prompt: Prompt, times: NodeTimes): number | null {
    const [touched, running] = [times.all, times.running]
    const parts = Object.entries(prompt).map(([id, { class_type }]) => {
      const usual = this.#seconds.get(class_type)
      const now = running.get(id)
      if (now === undefined) return touched[id] ? 0 : usual
      if (now.done > 0) return (now.elapsed * (1 - now.done)) / now.done
      return usual === undefined ? undefined : Math.max(0, usual - now.elapsed)
    })
    return this.#sum(parts)
  }

  #sum(parts: readonly (number | undefined)[]): number | null {
    let sum = 0
    for (const part of parts) {
      if (part === undefined) return null
      sum += part
    }
    return Math.round(sum * 1000) / 1000
  }
}
