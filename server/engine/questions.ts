/** Questions that wait for their answer from another process, by number. */

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class Questions {
  readonly #pending = new Map<number, Pending>()
  #nextId = 1

  /** Puts a question, which `send` is to send with its number. */
  ask(send: (id: number) => void): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      send(id)
    })
  }

  answer(id: number, value: unknown, error: string | undefined): void {
    const question = this.#pending.get(id)
    this.#pending.delete(id)
    if (error === undefined) question?.resolve(value)
    else question?.reject(new Error(error))
  }

  /** Nobody will answer any more. */
  failAll(error: Error): void {
    for (const question of this.#pending.values()) question.reject(error)
    this.#pending.clear()
  }
}
