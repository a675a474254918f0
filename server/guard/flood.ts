/** How much a websocket client may ask of the server: messages per second, and sockets at once. */

/** Sockets open at once; each may hold up to 16 MiB of unread events. */
export const MAX_SOCKETS = 512

/** Messages at once, and messages per second in the long run. Clients send one when they connect, and answers to pings. */
const BURST = 100
const PER_SECOND = 20

/** A bucket of BURST messages that fills again by PER_SECOND. */
export class MessageRate {
  #left = BURST
  #at = performance.now()

  /** Counts one message; false when it is one too many. */
  take(now = performance.now()): boolean {
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_SECOND)
    this.#at = now
    this.#left -= 1
    return this.#left >= 0
  }
}
