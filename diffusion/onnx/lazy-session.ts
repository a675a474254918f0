/** A session that opens at its first run and can be closed and opened again. */
import type { Tensor } from '../tensor.ts'
import type { Model } from './graph.ts'
import { openSession, type Feed, type GraphKind, type Session, type WeightMode } from './session.ts'

/** What a session is opened with; the graph is built only then. */
export interface LazyOptions {
  readonly mode: WeightMode
  /** Stands in front of every error. */
  readonly name: string
  readonly kind?: GraphKind
}

export class LazySession {
  readonly #open: () => Promise<Session>
  #opening: Promise<Session> | null = null

  constructor(build: () => Model, { mode, name, kind = 'tokens' }: LazyOptions) {
    this.#open = async () => openSession(build(), mode, name, kind)
  }

  /** See `Session.run`; a failure to open is tried again at the next run. */
  async run(feeds: Readonly<Record<string, Feed>>): Promise<Readonly<Record<string, Tensor>>> {
    const opening = (this.#opening ??= this.#open())
    const session = await opening.catch((error: unknown) => {
      this.#opening = null
      throw error
    })
    return session.run(feeds)
  }

  async release(): Promise<void> {
    const opening = this.#opening
    this.#opening = null
    await (await opening?.catch(() => null))?.release()
  }
}
