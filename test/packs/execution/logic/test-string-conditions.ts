/** TestStringConditions: compares two texts. */
import { defineNode } from '../../../../nodes/define.ts'
import { choice, text, toggle } from '../../../../nodes/spec.ts'

/** Whether the pattern fits at the start of the text; a malformed one never does. */
function matches(text: string, pattern: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})`).test(text)
  } catch {
    return false
  }
}

export default defineNode({
  type: 'TestStringConditions',
  category: 'logic',
  help: 'Compares.',
  inputs: {
    a: text(),
    b: text(),
    operation: choice(['a == b', 'a != b', 'a IN b', 'a MATCH REGEX(b)', 'a BEGINSWITH b', 'a ENDSWITH b'], {
      default: 'a == b',
    }),
    case_sensitive: toggle({ default: true }),
  },
  outputs: { BOOLEAN: 'BOOLEAN' },
  run({ a: left, b: right, operation, case_sensitive }) {
    const [a, b] = case_sensitive ? [left, right] : [left.toLowerCase(), right.toLowerCase()]
    if (operation === 'a == b') return { BOOLEAN: a === b }
    if (operation === 'a != b') return { BOOLEAN: a !== b }
    if (operation === 'a IN b') return { BOOLEAN: b.includes(a) }
    if (operation === 'a BEGINSWITH b') return { BOOLEAN: a.startsWith(b) }
    if (operation === 'a ENDSWITH b') return { BOOLEAN: a.endsWith(b) }
    return { BOOLEAN: matches(a, b) }
  },
})
