/** Resizing pictures as PyTorch's interpolate does (align_corners false), which ComfyUI's nodes scale with. */
import { tensor, type Tensor } from './tensor.ts'

/** How a value between samples is made: from its nearest two, four or six. */
export type Kernel = 'bilinear' | 'bicubic' | 'lanczos'

interface Interpolation {
  readonly kernel: Kernel
  /** Whether a smaller picture averages over all it leaves out, as PIL does. */
  readonly antialias: boolean
}

/** Radius in samples of the original. */
const RADIUS = { bilinear: 1, bicubic: 2, lanczos: 3 }
/** Keys's parameter (1981): PyTorch takes PIL's with antialiasing, and another without. */
const SHARPNESS = { antialiased: -0.5, plain: -0.75 }

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x))

function weightAt(distance: number, { kernel, antialias }: Interpolation): number {
  const x = Math.abs(distance)
  if (kernel === 'bilinear') return Math.max(0, 1 - x)
  if (kernel === 'lanczos') return x < RADIUS.lanczos ? sinc(x) * sinc(x / RADIUS.lanczos) : 0
  const a = antialias ? SHARPNESS.antialiased : SHARPNESS.plain
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
}

/** Which samples make one value, and their shares. */
interface Blend {
  readonly places: readonly number[]
  readonly shares: readonly number[]
}

function blends(from: number, to: number, how: Interpolation): readonly Blend[] {
  const step = from / to
  const stretch = how.antialias ? Math.max(1, step) : 1
  const radius = RADIUS[how.kernel] * stretch
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * step - 0.5
    const first = Math.ceil(centre - radius)
    const places = Array.from({ length: Math.floor(centre + radius) - first + 1 }, (_, k) => first + k)
    const shares = places.map((place) => weightAt((place - centre) / stretch, how))
    // With antialiasing what lies outside is left out, without it the edge is repeated.
    const inside = (place: number) => place >= 0 && place < from
    const kept = shares.map((share, k) => (how.antialias && !inside(places[k]!) ? 0 : share))
    const sum = kept.reduce((a, b) => a + b, 0)
    return {
      places: places.map((place) => Math.min(Math.max(place, 0), from - 1)),
      shares: kept.map((share) => share / sum),
    }
  })
}

/** The sample that lies over the middle of each value ('nearest-exact'), or the mean of all that it covers ('area'). */
function wholes(from: number, to: number, how: 'nearest-exact' | 'area'): readonly Blend[] {
  return Array.from({ length: to }, (_, i) => {
    if (how === 'nearest-exact')
      return { places: [Math.min(Math.floor(((i + 0.5) * from) / to), from - 1)], shares: [1] }
    const [first, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)]
    const places = Array.from({ length: end - first }, (_, k) => first + k)
    return { places, shares: places.map(() => 1 / places.length) }
  })
}

/** The middle axis of [outer, size, inner] brought to `to` values. */
function along(
  data: Float32Array,
  axes: readonly [number, number, number],
  to: number,
  how: Interpolation | 'nearest-exact' | 'area',
): Float32Array {
  const [outer, size, inner] = axes
  const out = new Float32Array(outer * to * inner)
  const plan = typeof how === 'string' ? wholes(size, to, how) : blends(size, to, how)
  for (let o = 0; o < outer; o++)
    for (const [i, { places, shares }] of plan.entries()) {
      const at = (o * to + i) * inner
      for (const [k, place] of places.entries()) {
        const [share, start] = [shares[k]!, (o * size + place) * inner]
        for (let c = 0; c < inner; c++) out[at + c]! += share * data[start + c]!
      }
    }
  return out
}

/** [B, H, W, C] -> [B, height, width, C]; the same tensor where it fits already. */
export function resize(
  pictures: Tensor,
  height: number,
  width: number,
  how: Interpolation | 'nearest-exact' | 'area',
): Tensor {
  const [batch = 0, h = 0, w = 0, channels = 0] = pictures.shape
  if (h === height && w === width) return pictures
  const wide = w === width ? pictures.data : along(pictures.data, [batch * h, w, channels], width, how)
  const high = h === height ? wide : along(wide, [batch, h, width * channels], height, how)
  return tensor(high, [batch, height, width, channels])
}

/** The middle of [B, H, W, C], `height` x `width`; an odd row or column more is cut at the bottom or the right. */
export function centreCrop(pictures: Tensor, height: number, width: number): Tensor {
  const [batch = 0, h = 0, w = 0, channels = 0] = pictures.shape
  if (h === height && w === width) return pictures
  const [top, left] = [Math.floor((h - height) / 2), Math.floor((w - width) / 2)]
  const out = new Float32Array(batch * height * width * channels)
  for (let b = 0; b < batch; b++)
    for (let y = 0; y < height; y++) {
      const from = ((b * h + top + y) * w + left) * channels
      out.set(pictures.data.subarray(from, from + width * channels), (b * height + y) * width * channels)
    }
  return tensor(out, [batch, height, width, channels])
}

/** To the nearest whole number; of two equally near ones the even, as Python does. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value)
  if (value - low !== 0.5) return Math.round(value)
  return low % 2 === 0 ? low : low + 1
}

/** Cut to the shape of `height` x `width` around the centre, then resized: ComfyUI's crop 'center'. */
export function fill(
  pictures: Tensor,
  height: number,
  width: number,
  how: Interpolation | 'nearest-exact' | 'area',
): Tensor {
  return resize(cropToShape(pictures, height, width), height, width, how)
}

/** The middle of [B, H, W, C] that has the shape of `height` x `width`. */
export function cropToShape(pictures: Tensor, height: number, width: number): Tensor {
  const [, h = 0, w = 0] = pictures.shape
  const [old, wanted] = [w / h, width / height]
  const spare = (size: number, share: number): number => roundHalfEven((size - size * share) / 2)
  const [x, y] = [old > wanted ? spare(w, wanted / old) : 0, old < wanted ? spare(h, old / wanted) : 0]
  return centreCrop(pictures, h - 2 * y, w - 2 * x)
}
