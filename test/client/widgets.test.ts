/** Widgets: what object_info asks for, and what values they keep. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readValues, writeValues } from '../../client/model/values.ts'
import { accept, afterGenerate, shown, stepped, widgetOf, type NumberWidget } from '../../client/model/widgets.ts'
import { fixtureTypes } from './fixture.ts'

const types = fixtureTypes()
const widget = (type: string, name: string) => types.get(type)!.inputs.find((input) => input.name === name)!.widget!
const seed = widget('KSampler', 'seed') as NumberWidget

describe('widgets from object_info', () => {
  it('knows numbers, long texts, switches and both forms of combo', () => {
    expect(seed).toMatchObject({ kind: 'number', whole: true, control: true, max: 18446744073709551615n })
    expect(widget('CLIPTextEncode', 'text')).toMatchObject({ kind: 'text', multiline: true })
    expect(widget('DiCache', 'enabled')).toMatchObject({ kind: 'toggle', default: true })
    expect(widget('KSampler', 'sampler_name')).toMatchObject({ kind: 'combo', default: 'euler' })
    expect(widget('LegacyChoice', 'mode')).toMatchObject({ kind: 'combo', choices: ['slow', 'fast'], default: 'fast' })
    expect(types.get('LegacyChoice')!.outputs).toEqual([{ name: 'mode', type: 'COMBO', tooltip: null }])
    expect(widget('LoadImage', 'image')).toMatchObject({ kind: 'combo', upload: true })
    expect(types.get('BenchSink')!.inputs[0]!.widget).toBeNull()
    expect(types.get('KSampler')!.inputs.find((input) => input.name === 'cache')).toMatchObject({
      optional: true,
      widget: null,
    })
  })

  it('gives a control to every seed, and to nothing that declines it', () => {
    expect(widgetOf('noise_seed', 'INT', {})).toMatchObject({ control: true })
    expect(widgetOf('seed', 'INT', { control_after_generate: false })).toMatchObject({ control: false })
    expect(widgetOf('steps', 'INT', {})).toMatchObject({ control: false })
  })
})

describe('values', () => {
  it('evaluates nothing: text that is no number is refused', () => {
    const cfg = widget('KSampler', 'cfg')
    for (const text of ['1;code', '1+1', 'alert(1)', '', '0x10;', 'NaN', 'Infinity'])
      expect(accept(cfg, text)).toBeNull()
    expect(accept(cfg, '2.5')).toBe(2.5)
    expect(accept(seed, '1;code')).toBeNull()
  })

  it('clamps and rounds what is typed', () => {
    expect(accept(widget('KSampler', 'steps'), '99999999')).toBe(10000)
    expect(accept(widget('KSampler', 'denoise'), -3)).toBe(0)
    expect(accept(widget('KSampler', 'cfg'), '3.14159')).toBe(3.14)
    expect(accept(seed, '18446744073709551616')).toBe(18446744073709551615n)
    expect(accept(seed, '18446744073709551615')).toBe(18446744073709551615n)
  })

  it('steps exactly at both ends of 64 bits and without tails', () => {
    expect(stepped(seed, 18446744073709551614n, 1)).toBe(18446744073709551615n)
    expect(stepped(seed, 18446744073709551615n, 1)).toBe(18446744073709551615n)
    expect(stepped(seed, 0, -1)).toBe(0)
    const cfg = widget('KSampler', 'cfg') as NumberWidget
    expect(stepped(cfg, 0.1, 2)).toBe(0.3)
    expect(shown(cfg, 3)).toBe('3')
  })

  it('moves on after a run as its mode says', () => {
    expect(afterGenerate(seed, 7, 'fixed')).toBe(7)
    expect(afterGenerate(seed, 7, 'increment')).toBe(8)
    expect(afterGenerate(seed, 9007199254740991, 'increment')).toBe(9007199254740992n)
    expect(afterGenerate(seed, 7, 'randomize', () => 2n ** 64n - 1n)).toBe(18446744073709551615n)
    const sampler = widget('KSampler', 'sampler_name')
    expect(afterGenerate(sampler, 'euler', 'increment')).not.toBe('euler')
  })

  it('keeps random values within the widget', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.integer(), fc.nat(), (bits, min, span) => {
        const narrow: NumberWidget = { ...seed, min, max: min + span }
        const value = afterGenerate(narrow, min, 'randomize', () => bits)
        expect(Number(value)).toBeGreaterThanOrEqual(min)
        expect(Number(value)).toBeLessThanOrEqual(min + span)
      }),
    )
  })
})

describe('widgets_values', () => {
  const sampler = types.get('KSampler')!
  const list = [123, 'randomize', 20, 8, 'euler', 'normal', 1]

  it('reads the place of a control, and writes back what it read', () => {
    const values = readValues(sampler, list)
    expect(values.literals.get('steps')).toBe(20)
    expect(values.controls.get('seed')).toBe('randomize')
    expect(writeValues(sampler, values)).toEqual(list)
  })

  it('takes lists without controls, named values, and defaults for what is missing', () => {
    expect(readValues(sampler, [5, 12]).literals.get('steps')).toBe(12)
    expect(readValues(sampler, { steps: 9 }).literals.get('steps')).toBe(9)
    expect(readValues(sampler, []).literals.get('sampler_name')).toBe('euler')
  })

  it('skips the place of an upload button', () => {
    const load = types.get('LoadImage')!
    expect(writeValues(load, readValues(load, ['a.png', 'image']))).toEqual(['a.png', 'image'])
  })

  it('keeps a value out of range as it stands: the server says so, the file is not changed', () => {
    expect(readValues(sampler, [1, 'fixed', 99999999]).literals.get('steps')).toBe(99999999)
    expect(readValues(sampler, ['1;code', 'fixed']).literals.get('seed')).toBe('1;code')
  })
})
