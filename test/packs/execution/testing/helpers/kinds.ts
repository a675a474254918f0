/** Checks that some nodes do themselves. */

/** Refuses every input whose type, of a link or of a literal, is neither a picture nor a number with a fraction. */
export function kinds(types: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const wrong = Object.entries(types).filter(([, type]) => type !== 'IMAGE' && type !== 'FLOAT')
  return Object.fromEntries(wrong.map(([name, type]) => [name, `Invalid type of ${name}: ${type}`]))
}
