/** Tests that a machine may be unable to run: left out, and said why in what the run prints. */

/** For `skipIf`: true, after printing why, unless the machine has what the tests need. */
export function lacking(isThere: boolean, tests: string, need: string): boolean {
  if (!isThere) console.warn(`Skipped: ${tests}. ${need}`)
  return !isThere
}
