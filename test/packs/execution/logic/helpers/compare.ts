/** Comparisons by their sign. */

export const OPERATORS = ['==', '!=', '<', '>', '<=', '>='] as const

export function compare(a: number, b: number, operator: (typeof OPERATORS)[number]): boolean {
  if (operator === '==') return a === b
  if (operator === '!=') return a !== b
  if (operator === '<') return a < b
  if (operator === '>') return a > b
  return operator === '<=' ? a <= b : a >= b
}
