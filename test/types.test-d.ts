/** Checked by the compiler alone: what the declarations of nodes must accept and refuse. */
import { defineNode } from '../nodes/define.ts'
import { hidden, port } from '../nodes/ports.ts'
import { choice, float, int, seed, text, toggle } from '../nodes/spec.ts'

export const accepted = defineNode({
  type: 'Accepted',
  category: 'test',
  help: '',
  inputs: {
    depth: int({ default: 1, min: 1, max: 5 }),
    threshold: float({ default: 0.4, min: 0, max: 1 }),
    drift: choice(['probe', 'input'], { default: 'probe' }),
    words: text(),
    on: toggle({ default: true }),
    seed: seed(),
    image: port('IMAGE'),
    mask: port('MASK', { optional: true }),
    id: hidden('UNIQUE_ID'),
  },
  outputs: { IMAGE: 'IMAGE' },
  run(values) {
    values.depth satisfies number
    values.drift satisfies 'probe' | 'input'
    values.seed satisfies bigint
    // @ts-expect-error a misspelt input is a compile error
    values.deppth satisfies undefined
    // @ts-expect-error an optional port may be absent
    values.mask.data satisfies Float32Array
    return { IMAGE: values.image }
  },
})

// @ts-expect-error a default outside the choices
choice(['a', 'b'], { default: 'c' })

// @ts-expect-error an unknown port
port('PICTURE')

defineNode({
  type: 'MissingOutput',
  category: 'test',
  help: '',
  inputs: {},
  outputs: { IMAGE: 'IMAGE' },
  // @ts-expect-error a declared output is not returned
  run: () => ({}),
})
