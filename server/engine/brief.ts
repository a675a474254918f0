/** Values as errors show them: small ones whole, of others the beginning, so that no answer grows with what was sent. */

/** Characters of a text, and members of all lists and objects together, that are shown. */
const [CHARACTERS, MEMBERS] = [1000, 100]

/** JSON that stands for the JSON value; texts and lists say at their end what is missing. */
export function brief(value: unknown, budget = { left: MEMBERS }): unknown {
  if (typeof value === 'string')
    return value.length <= CHARACTERS ? value : `${value.slice(0, CHARACTERS)}... (${value.length} characters)`
  if (typeof value !== 'object' || value === null || value instanceof Number) return value
  if (Array.isArray(value)) {
    const items = value.slice(0, budget.left)
    budget.left -= items.length
    const shown = items.map((item: unknown) => brief(item, budget))
    return items.length < value.length ? [...shown, `... (${value.length - items.length} more)`] : shown
  }
  const names = Object.keys(value)
  const taken = names.slice(0, budget.left)
  budget.left -= taken.length
  const shown = taken.map((name) => [brief(name), brief((value as Record<string, unknown>)[name], budget)])
  if (taken.length < names.length) shown.push(['...', `(${names.length - taken.length} more)`])
  return Object.fromEntries(shown)
}
