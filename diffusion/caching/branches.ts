/** State kept apart for the guidance branches, and the loop over them that every caching method has. */
import type { Branch, Call, Denoiser, Evaluated } from './contract.ts'

/** One state per branch, made when the branch is first seen; keyed by name, never by call parity. */
export class PerBranch<State> {
  readonly #make: () => State
  readonly #states = new Map<Branch, State>()

  constructor(make: () => State) {
    this.#make = make
  }

  of(branch: Branch): State {
    const known = this.#states.get(branch)
    if (known !== undefined) return known
    const fresh = this.#make()
    this.#states.set(branch, fresh)
    return fresh
  }
}

/** Answers all branches of a call at the same time, so that equal parts of them become one run. */
export async function eachBranch(
  call: Call,
  evaluate: (branch: Branch) => Promise<Evaluated>,
): Promise<ReadonlyMap<Branch, Evaluated>> {
  const answers = await Promise.all(call.branches.map(async (branch) => [branch, await evaluate(branch)] as const))
  return new Map(answers)
}

/** The answer of a method that is off, or has to compute: the plain forward pass. */
export const inFull = async (denoiser: Denoiser, call: Call, branch: Branch): Promise<Evaluated> => ({
  prediction: await denoiser.predict(call, branch),
  trace: { decision: 'full' },
})
