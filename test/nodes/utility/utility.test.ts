/** Values for several inputs, and values shown as text. */
import { expect, it } from 'vitest'
import { fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import { nodeOf, runNode } from '../run-node.ts'

it.each([
  ['PrimitiveInt', -7, 'INT'],
  ['PrimitiveFloat', 0.125, 'FLOAT'],
  ['PrimitiveString', 'a line', 'STRING'],
  ['PrimitiveStringMultiline', 'two\nlines', 'STRING'],
  ['PrimitiveBoolean', true, 'BOOLEAN'],
] as const)('%s gives its value', async (type, value, port) => {
  expect(await runNode(type, { value })).toEqual({ [port]: value })
  expect(nodeOf(type).outputTypes).toEqual([port])
})

it.each([
  ['text', 'text'],
  [3.5, '3.5'],
  [12345678901234567890n, '12345678901234567890'],
  [true, 'true'],
  [undefined, 'nothing'],
  [[1, 0.5, 0], '[\n  1,\n  0.5,\n  0\n]'],
  [{ samples: tensor(Float32Array.of(-1, 2), [1, 2]) }, '{\n  "samples": "[1, 2] from -1 to 2"\n}'],
])('PreviewAny shows %o', async (source, expected) => {
  const { ui } = (await nodeOf('PreviewAny').definition.run({ source }, {} as never)) as { ui: { text: string[] } }
  expect(ui.text).toEqual([expected])
})

it('PreviewAny shows a model without opening it up', async () => {
  class Opened {
    readonly secret = 'weights'
  }
  const source = { ...fakeModel(fakeTransformer()), session: new Opened() }
  const { ui } = (await nodeOf('PreviewAny').definition.run({ source }, {} as never)) as { ui: { text: string[] } }
  expect(ui.text[0]).toContain('"session": "(Opened)"')
  expect(ui.text[0]).not.toContain('weights')
})
