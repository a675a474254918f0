/** A small picture to draw rectangles, lines and capital letters on, without any font of the system. */
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import glyphs from './font.json' with { type: 'json' }

/** Red, green, blue in 0..1. */
export type Colour = readonly [number, number, number]

/** Cells of a glyph and its advance, before scaling. */
const [GLYPH_WIDTH, GLYPH_HEIGHT, ADVANCE] = [5, 7, 6]
const GLYPHS: Readonly<Record<string, readonly number[]>> = glyphs

/** From #rrggbb. */
export const colour = (hex: string): Colour =>
  [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255) as unknown as Colour

export class Canvas {
  readonly width: number
  readonly height: number
  readonly #data: Float32Array

  constructor(width: number, height: number, background: Colour) {
    this.width = width
    this.height = height
    this.#data = new Float32Array(width * height * 3)
    this.fill(0, 0, width, height, background)
  }

  /** Fills a rectangle; fractions are rounded, what lies outside is cut off. */
  fill(left: number, top: number, width: number, height: number, ink: Colour): void {
    const [x0, x1] = [Math.max(0, Math.round(left)), Math.min(this.width, Math.round(left + width))]
    const [y0, y1] = [Math.max(0, Math.round(top)), Math.min(this.height, Math.round(top + height))]
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) this.#data.set(ink, (y * this.width + x) * 3)
  }

  /** A line two pixels wide. */
  line(x0: number, y0: number, x1: number, y1: number, ink: Colour): void {
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0))))
    for (let i = 0; i <= steps; i++)
      this.fill(x0 + ((x1 - x0) * i) / steps - 1, y0 + ((y1 - y0) * i) / steps - 1, 2, 2, ink)
  }

  /** Writes in capitals; a character without a glyph becomes a question mark, a space nothing. */
  text(left: number, top: number, words: string, ink: Colour, size = 2): void {
    Array.from(words.toUpperCase()).forEach((letter, index) => {
      if (letter === ' ') return
      const rows = GLYPHS[letter] ?? GLYPHS['?'] ?? []
      for (let y = 0; y < GLYPH_HEIGHT; y++)
        for (let x = 0; x < GLYPH_WIDTH; x++)
          if (((rows[y] ?? 0) >> (GLYPH_WIDTH - 1 - x)) & 1)
            this.fill(left + (index * ADVANCE + x) * size, top + y * size, size, size, ink)
    })
  }

  /** The picture as an IMAGE [1, H, W, 3]. */
  image(): Tensor {
    return tensor(this.#data, [1, this.height, this.width, 3])
  }
}

/** Pixels that a text of this size takes across. */
export const textWidth = (words: string, size = 2): number => Array.from(words).length * ADVANCE * size
