/** The time a running node has left: by the pace of its steps, never by what came before the first. */
import { describe, expect, it } from 'vitest'
import { advanced, entered, secondsLeft, type Progress } from '../../client/model/progress.ts'

const OPENED = 18_000
const STEP = 2000

/** Twenty steps of two seconds, after the model was opened for eighteen. */
const after = (steps: number): Progress => {
  let progress = entered('3', 'KSampler', 0)
  for (let step = 1; step <= steps; step++) progress = advanced(progress, step, 20, OPENED + step * STEP)
  return progress
}

describe('time left', () => {
  it('is unknown until a second step has shown the pace', () => {
    expect(secondsLeft(entered('3', 'KSampler', 0), OPENED)).toBeNull()
    expect(secondsLeft(after(1), OPENED + STEP)).toBeNull()
  })

  it('does not count opening the model', () => {
    expect(secondsLeft(after(2), OPENED + 2 * STEP)).toBe(36)
    expect(secondsLeft(after(11), OPENED + 11 * STEP)).toBe(18)
  })

  it('runs down between two steps and not below nothing', () => {
    expect(secondsLeft(after(2), OPENED + 2 * STEP + 1000)).toBe(35)
    expect(secondsLeft(after(19), OPENED + 19 * STEP + 60_000)).toBe(0)
  })

  it('is not told when all steps are done', () => {
    expect(secondsLeft(after(20), OPENED + 20 * STEP)).toBeNull()
  })

  it('begins anew when the node counts anew', () => {
    const now = OPENED + 21 * STEP + 90_000
    const again = advanced(after(20), 1, 20, now)
    expect(secondsLeft(again, now)).toBeNull()
    expect(secondsLeft(advanced(again, 2, 20, now + 500), now + 500)).toBe(9)
    const other = advanced(after(5), 6, 40, now)
    expect(secondsLeft(other, now)).toBeNull()
  })

  it('keeps its pace when a count is told twice', () => {
    const twice = advanced(after(11), 11, 20, OPENED + 12 * STEP)
    expect(secondsLeft(twice, OPENED + 12 * STEP)).toBe(16)
  })

  it('takes no pace from a count of 0 at the start', () => {
    const told = advanced(entered('3', 'KSampler', 0), 0, 4, 100)
    const one = advanced(told, 1, 4, OPENED)
    expect(secondsLeft(one, OPENED)).toBeNull()
    expect(secondsLeft(advanced(one, 2, 4, OPENED + STEP), OPENED + STEP)).toBe(4)
  })
})
