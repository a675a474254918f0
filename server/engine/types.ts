/** Which output can feed which input. */

/** Equal types, `*` on either side, or comma unions that overlap. */
export function typesMatch(output: string, input: string): boolean {
  const parts = (type: string) => type.split(',').map((part) => part.trim())
  const wanted = parts(input)
  return wanted.includes('*') || parts(output).some((part) => part === '*' || wanted.includes(part))
}
