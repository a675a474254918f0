/** A progress bar with the time left on standard error: one line that is rewritten on a terminal, a line now and then elsewhere. */

const WIDTH = 28
/** Least milliseconds between two lines where they cannot be rewritten. */
const QUIET = 10_000

/** Seconds as people say them: '42 s', '7 min', '1 h 05 min'. */
export function spoken(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}

export class Progress {
  /** Estimated seconds of all work. */
  readonly #total: number
  readonly #began = performance.now()
  #done = 0
  #printed = -Infinity

  constructor(total: number) {
    this.#total = total
  }

  /** Work estimated at `seconds` is done; `doing` says at what the bench is. */
  advance(seconds: number, doing: string): void {
    this.#done += seconds
    const now = performance.now()
    const { isTTY } = process.stderr
    if (!isTTY && now - this.#printed < QUIET && this.#done < this.#total) return
    this.#printed = now
    const share = Math.min(1, this.#done / this.#total)
    const filled = Math.round(share * WIDTH)
    const bar = '#'.repeat(filled) + '.'.repeat(WIDTH - filled)
    const line = `[${bar}] ${(100 * share).toFixed(0).padStart(3)} %  ${spoken(this.left())} left  ${doing}`
    process.stderr.write(isTTY ? `\r\u001b[K${line.slice(0, process.stderr.columns)}` : `${line}\n`)
  }

  /** Seconds left: the estimate of what is left, corrected by how wrong the estimate was so far. */
  left(): number {
    const elapsed = (performance.now() - this.#began) / 1000
    return this.#done === 0 ? this.#total : (elapsed * Math.max(0, this.#total - this.#done)) / this.#done
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\n')
  }
}
