/** JSON with exact whole numbers. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cleanCopy, parseJson, stringifyJson } from '../../client/sdk/json.ts'

describe('exact JSON', () => {
  it('keeps 64-bit seeds and leaves other numbers alone', () => {
    const text =
      '{"seed":18446744073709551615,"sigma":0.03333333333333366,"e":12345678901234567e3,"n":-9007199254740993}'
    const value = parseJson(text)
    expect(value).toEqual({
      seed: 18446744073709551615n,
      sigma: 0.03333333333333366,
      e: 12345678901234567e3,
      n: -9007199254740993n,
    })
    expect(stringifyJson(value)).toContain('"seed":18446744073709551615,')
  })

  it('does not touch digits inside strings', () => {
    const text = JSON.stringify({ a: '18446744073709551615', b: 'x " 12345678901234567890' })
    expect(stringifyJson(parseJson(text))).toBe(text)
  })

  it('changes nothing on the way in and out, beyond exact digits', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(JSON.parse(stringifyJson(parseJson(text)))).toEqual(JSON.parse(text))
      }),
    )
  })

  it('brings every 64-bit integer back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), fc.string(), (number, words) => {
        const back = parseJson(stringifyJson({ number, words })) as { number: number | bigint; words: string }
        expect(BigInt(back.number)).toBe(number)
        expect(back.words).toBe(words)
      }),
    )
  })

  it('drops keys that reach prototypes, at every level', () => {
    const copy = cleanCopy(JSON.parse('{"a":[{"__proto__":{"polluted":1},"b":2}],"constructor":{"prototype":{}}}'))
    expect(Object.keys(copy as object)).toEqual(['a'])
    expect(JSON.stringify(copy)).toBe('{"a":[{"b":2}]}')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('refuses values nested without end', () => {
    const deep = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown
    expect(() => cleanCopy(deep)).toThrow('nested more than 64')
  })
})
