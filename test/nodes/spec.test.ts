/** Input declarations: what each accepts, refuses, and says about a fault. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choice, file, float, int, seed, text, toggle } from '../../nodes/spec.ts'

const lists = (folder: string): readonly string[] => (folder === 'input' ? ['a.png', 'b.png'] : [])
const fault = (result: { ok: boolean; fault?: { type: string } }) => (result.ok ? 'ok' : result.fault?.type)

describe('int', () => {
  const spec = int({ default: 1, min: 1, max: 5 })
  it.each([
    [3, 3],
    ['4', 4],
    [2.9, 2],
    [5n, 5],
    [true, 1],
  ])('takes %s as %i', (given, value) => expect(spec.parse(given, lists)).toEqual({ ok: true, value }))
  it.each([
    [0, 'value_smaller_than_min'],
    [6, 'value_bigger_than_max'],
    ['x', 'invalid_input_type'],
    [NaN, 'invalid_input_type'],
    [Infinity, 'invalid_input_type'],
    [null, 'invalid_input_type'],
    [{}, 'invalid_input_type'],
    ['', 'invalid_input_type'],
    ['9'.repeat(5000), 'invalid_input_type'],
  ])('refuses %s as %s', (given, type) => expect(fault(spec.parse(given, lists))).toBe(type))
  it('never gives a value outside its range', () => {
    fc.assert(
      fc.property(fc.anything(), (given) => {
        const result = spec.parse(given, lists)
        return !result.ok || (Number.isInteger(result.value) && result.value >= 1 && result.value <= 5)
      }),
    )
  })
})

describe('seed', () => {
  it('keeps 64 bits exact', () => {
    expect(seed().parse(18446744073709551615n, lists)).toEqual({ ok: true, value: 18446744073709551615n })
    expect(seed().parse('9007199254740993', lists)).toEqual({ ok: true, value: 9007199254740993n })
  })
  it.each([
    [-1, 'value_smaller_than_min'],
    [18446744073709551616n, 'value_bigger_than_max'],
    ['12a', 'invalid_input_type'],
    [1e999, 'invalid_input_type'],
  ])('refuses %s', (given, type) => expect(fault(seed().parse(given, lists))).toBe(type))
})

describe('others', () => {
  it('float refuses what is out of range and says by how much', () => {
    const result = float({ default: 0, min: 0, max: 1 }).parse(1.5, lists)
    expect(result).toMatchObject({ ok: false, fault: { type: 'value_bigger_than_max' } })
    if (!result.ok) expect(result.fault.message).toContain('1.5')
  })
  it('choice takes only its members', () => {
    const spec = choice(['probe', 'input'], { default: 'probe' })
    expect(spec.parse('input', lists)).toEqual({ ok: true, value: 'input' })
    expect(fault(spec.parse('toString', lists))).toBe('value_not_in_list')
    expect(fault(spec.parse(['probe'], lists))).toBe('value_not_in_list')
  })
  it('file lists the folder at the moment of the question', () => {
    expect(file('input').options(lists)).toMatchObject({ options: ['a.png', 'b.png'] })
    expect(file('input').parse('b.png', lists)).toEqual({ ok: true, value: 'b.png' })
    expect(fault(file('input').parse('../b.png', lists))).toBe('value_not_in_list')
    const none = file('vae').parse('b.safetensors', () => [])
    expect(none).toMatchObject({
      fault: { type: 'value_not_in_list', details: expect.stringContaining('vae/ has no files') },
    })
  })
  it('text takes numbers as text and refuses objects', () => {
    expect(text().parse(5, lists)).toEqual({ ok: true, value: '5' })
    expect(fault(text().parse({}, lists))).toBe('invalid_input_type')
  })
  it('toggle is truthiness, as ComfyUI has it', () =>
    expect(toggle({ default: false }).parse('false', lists)).toEqual({ ok: true, value: true }))
})
