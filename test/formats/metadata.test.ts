/** Texts inside pictures and videos: every place where programs put a workflow, and files made to do harm. */
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { embeddedWorkflow, isCarrier, readTexts } from '../../formats/metadata/read.ts'
import { MAX_TEXT } from '../../formats/metadata/texts.ts'
import { parseExact } from '../../server/json.ts'
import * as make from './containers.ts'

const WORKFLOW = '{"nodes":[],"seed":18446744073709551615,"text":"ж 🚢"}'
const PROMPT = '{"10":{"class_type":"B","inputs":{}},"2":{"class_type":"A","inputs":{"seed":9007199254740993}}}'
const BOTH = { prompt: PROMPT, workflow: WORKFLOW }
const texts = async (bytes: Uint8Array) => Object.fromEntries(await readTexts(bytes))
const carried = (bytes: Uint8Array) => embeddedWorkflow(bytes, parseExact)

const WHOLE: Readonly<Record<string, Buffer>> = {
  'PNG, tEXt': make.png(make.plainText('prompt', PROMPT), make.plainText('workflow', WORKFLOW)),
  'PNG, zTXt': make.png(make.packedText('prompt', PROMPT), make.packedText('workflow', WORKFLOW)),
  'PNG, iTXt': make.png(
    make.internationalText('prompt', PROMPT, false),
    make.internationalText('workflow', WORKFLOW, true),
  ),
  'animated PNG, comf behind the pixels': make.png(
    make.chunk('IDAT', Buffer.alloc(20)),
    make.chunk('comf', Buffer.from(`prompt\0${PROMPT}`)),
    make.chunk('comf', Buffer.from(`workflow\0${WORKFLOW}`)),
  ),
  'MP4, keys': make.mp4WithKeys(BOTH),
  'MOV, keys': make.movWithKeys(BOTH),
  'MP4, free form': make.mp4WithList([make.freeForm('prompt', PROMPT), make.freeForm('workflow', WORKFLOW)]),
  WebM: make.webm({ PROMPT, WORKFLOW }),
  'WebM, live': make.webm({ PROMPT, WORKFLOW }, true),
}

describe('metadata', () => {
  it.each(Object.keys(WHOLE))('%s: both texts, and the workflow with every digit', async (kind) => {
    const bytes = WHOLE[kind]!
    expect(isCarrier(bytes)).toBe(true)
    expect(await texts(bytes)).toEqual(BOTH)
    expect(await carried(bytes)).toEqual({ nodes: [], seed: 18446744073709551615n, text: 'ж 🚢' })
  })

  it('WebP as ComfyUI writes it, with and without the prefix of JPEG files', async () => {
    const block = make.exif([
      [0x010f, 'workflow:{"nodes":[]}\0'],
      [0x0110, 'prompt:{}\0'],
      [0x010e, 'x:1\0'],
    ])
    for (const prefix of ['', 'Exif\0\0'])
      expect(await texts(make.webp(block, prefix))).toEqual({ workflow: '{"nodes":[]}', prompt: '{}', x: '1' })
    const plain = sharp({ create: { width: 4, height: 4, channels: 3, background: 'teal' } })
    expect(await carried(await plain.webp().toBuffer())).toBeNull()
    expect(await carried(await plain.png().toBuffer())).toBeNull()
  })

  it('NaN and Infinity, as Python writes them, read as null; in texts they stay', async () => {
    const prompt = String.raw`{"1":{"is_changed":[NaN,-Infinity, Infinity],"text":"NaN \\\" Infinity","seed":18446744073709551615}}`
    const read = {
      '1': { is_changed: [null, null, null], text: String.raw`NaN \" Infinity`, seed: 18446744073709551615n },
    }
    expect(await carried(make.png(make.plainText('prompt', prompt)))).toEqual(read)
    expect(await carried(make.mp4WithKeys({ comment: `{"prompt":${prompt}}` }))).toEqual(read)
    await expect(carried(make.png(make.plainText('prompt', '{"a":NaNs}')))).rejects.toThrow('JSON')
  })

  it('a comment that holds all as JSON, parts of it as JSON once more', async () => {
    const comment = `{"prompt":${JSON.stringify(PROMPT)},"workflow":${WORKFLOW}}`
    const expected = { nodes: [], seed: 18446744073709551615n, text: 'ж 🚢' }
    const onlyPrompt = JSON.stringify({ prompt: PROMPT })
    for (const [all, prompt] of [
      [make.mp4WithKeys({ comment }), make.mp4WithKeys({ comment: onlyPrompt })],
      [make.mp4WithList([make.named('\xa9cmt', comment)]), make.mp4WithList([make.named('\xa9cmt', onlyPrompt)])],
      [make.movWithUserData('\xa9cmt', comment), make.movWithUserData('\xa9cmt', onlyPrompt)],
      [make.webm({ COMMENT: comment }), make.webm({ COMMENT: onlyPrompt })],
    ] as const) {
      expect(await carried(all)).toEqual(expected)
      expect(await carried(prompt)).toMatchObject({ 2: { inputs: { seed: 9007199254740993n } } })
    }
    for (const other of ['a walk by the sea', '{ not json', '{"title":1}', '[1]'])
      expect(await carried(make.webm({ COMMENT: other }))).toBeNull()
  })

  it('UTF-16 in MP4, Latin-1 in PNG, boxes with sizes of 64 bits, names given twice', async () => {
    const utf16 = Buffer.from('ж', 'utf16le').swap16()
    expect(await texts(make.mp4WithList([make.named('desc', utf16, 2)]))).toEqual({ description: 'ж' })
    const latin1 = make.chunk('tEXt', Buffer.from('a\0\x85\xe9', 'latin1'))
    expect(await texts(make.png(latin1))).toEqual({ a: '\x85é' })
    const file = make.mp4WithKeys({ a: '1' })
    expect(
      await texts(Buffer.concat([file.subarray(0, 16), make.longBox('mdat', Buffer.alloc(9)), file.subarray(16)])),
    ).toEqual({ a: '1' })
    expect(await texts(make.png(make.plainText('a', 'first'), make.plainText('a', 'second')))).toEqual({ a: 'first' })
  })

  it('nothing in other files', async () => {
    for (const other of ['', 'GIF89a', '{"nodes":[]}', 'RIFF....no webp']) {
      expect(isCarrier(Buffer.from(other))).toBe(false)
      expect(await texts(Buffer.from(other))).toEqual({})
    }
  })
})

describe('files made to do harm', () => {
  const REFUSED = /more than 32 MB/

  it('zip bombs are refused, in one chunk or many', async () => {
    const bomb = deflateSync(Buffer.alloc(96 << 20), { level: 1 })
    const packed = make.chunk('zTXt', Buffer.concat([Buffer.from('workflow\0\0'), bomb]))
    await expect(readTexts(make.png(packed))).rejects.toThrow(REFUSED)
    const international = make.chunk('iTXt', Buffer.concat([Buffer.from('workflow\0\x01\0\0\0'), bomb]))
    await expect(readTexts(make.png(international))).rejects.toThrow(REFUSED)
    const part = make.packedText('x', Buffer.alloc(MAX_TEXT / 4))
    expect((await readTexts(make.png(part, part, part))).size).toBe(1)
    await expect(readTexts(make.png(part, part, part, part, part))).rejects.toThrow(REFUSED)
  })

  it('many entries that point at one large text are refused', async () => {
    const many = Array.from({ length: 2000 }, (_, i): [number, string] => [
      i,
      i === 0 ? `a:${'x'.repeat(100_000)}` : '',
    ])
    const block = make.exif(many)
    for (let i = 1; i < many.length; i++) block.copy(block, 10 + 12 * i + 2, 12, 22)
    await expect(readTexts(make.webp(block))).rejects.toThrow(REFUSED)
  })

  it('a text that ends outside of its file or part is left out, not cut', async () => {
    const png = make.png(make.plainText('a', 'b'), make.plainText('workflow', 'x'.repeat(100)))
    expect(await texts(png.subarray(0, png.length - 30))).toEqual({ a: 'b' })
    const block = make.exif([
      [0x010f, 'workflow:{"nodes":[]}\0'],
      [0x0110, 'prompt:{}\0'],
    ])
    expect(await texts(make.webp(block.subarray(0, block.length - 1)))).toEqual({ workflow: '{"nodes":[]}' })
    const mp4 = make.mp4WithKeys(BOTH)
    expect(await texts(mp4.subarray(0, mp4.length - 1))).toEqual({})
    const webm = make.webm({ PROMPT, WORKFLOW }, true)
    expect(await texts(webm.subarray(0, webm.length - 1))).toEqual({ prompt: PROMPT })
  })

  it('damaged packing is left out, what stands behind it is read', async () => {
    const broken = make.chunk('zTXt', Buffer.from('workflow\0\0not zlib'))
    expect(await texts(make.png(broken, make.plainText('prompt', '{}')))).toEqual({ prompt: '{}' })
  })

  it('lengths beyond the end, sizes of nothing, huge counts, boxes in boxes: an end, and no text', async () => {
    const chunkBeyond = Buffer.concat([make.png(), make.chunk('tEXt', Buffer.from('a\0b'))])
    chunkBeyond.writeUInt32BE(0xffffffff, 8)
    const keys = Buffer.concat([make.u32(0), make.u32(0xffffffff)])
    const counted = make.box('ftyp', Buffer.alloc(8), make.box('moov', make.box('meta', make.box('keys', keys))))
    const tiny = Buffer.concat([make.box('ftyp', Buffer.alloc(8)), make.u32(7), Buffer.from('moov')])
    const endless = Buffer.concat([
      make.box('ftyp', Buffer.alloc(8)),
      make.u32(1),
      Buffer.from('moov'),
      Buffer.alloc(8, 255),
    ])
    let nested = make.box('ilst', make.named('\xa9cmt', 'x'))
    for (let i = 0; i < 200; i++) nested = make.box('moov', nested)
    const deep = Buffer.concat([make.box('ftyp', Buffer.alloc(8)), nested])
    let tag = make.element(0x4487, Buffer.from('x'))
    for (let i = 0; i < 500; i++) tag = make.element(0x67c8, tag)
    const tagged = Buffer.concat([make.element(0x1a45dfa3, Buffer.alloc(4), 1), make.element(0x18538067, tag, 8, true)])
    for (const file of [chunkBeyond, counted, tiny, endless, deep, tagged]) expect(await texts(file)).toEqual({})
  })

  it.each(Object.keys(WHOLE))(
    '%s: cut short anywhere, or with any bytes changed, gives texts or none, at once',
    async (kind) => {
      const whole = WHOLE[kind]!
      for (let length = 0; length < whole.length; length += 3) await readTexts(whole.subarray(0, length))
      const change = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
      const property = fc.asyncProperty(change, async (changes) => {
        const damaged = Buffer.from(whole)
        for (const [at, byte] of changes) damaged[at] = byte
        const began = performance.now()
        for (const text of (await readTexts(damaged)).values()) expect(text.length).toBeLessThan(10 * whole.length)
        return performance.now() - began < 1000
      })
      await fc.assert(property, { numRuns: 60 })
    },
  )

  it('random bytes behind each beginning do no harm', async () => {
    const starts = Object.values(WHOLE).map((whole) => whole.subarray(0, 12))
    const property = fc.asyncProperty(
      fc.constantFrom(...starts),
      fc.uint8Array({ maxLength: 400 }),
      async (start, rest) => {
        await readTexts(Buffer.concat([start, rest]))
      },
    )
    await fc.assert(property, { numRuns: 300 })
  })
})
