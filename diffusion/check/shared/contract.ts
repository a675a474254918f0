/** What a parity checker is: it knows its kind of case by the folder's contents and measures the largest difference. */

/** One comparison with a reference; a case may make several. */
export interface CheckResult {
  /** Case and what was compared, e.g. 'flux-dev-a: original keys'. */
  readonly name: string
  /** Which checker: 'model', 'schedule', 'noise', 'cache-loop'. */
  readonly kind: string
  /** Largest absolute difference over everything compared; NaN when something could not be compared. */
  readonly maxAbs: number
  /** Largest `maxAbs` that passes. */
  readonly bar: number
  readonly pass: boolean
  /** The case asks for something this program does not have yet: listed, and neither a success nor a failure. */
  readonly unsupported?: boolean
  /** One line per compared tensor, or why it failed. */
  readonly details: readonly string[]
}

/** The default export of every file in `diffusion/check/` but its index. */
export interface Checker {
  readonly kind: string
  /** Whether `dir` holds a case of this kind; cheap, reads no weights. */
  matches(dir: string): Promise<boolean>
  check(dir: string): Promise<readonly CheckResult[]>
}
