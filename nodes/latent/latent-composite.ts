/** LatentComposite: one latent laid over another at a place. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'

/** Pixels per cell of ComfyUI's latents. */
const FACTOR = 8
const pixels = (help: string) => int({ default: 0, min: 0, max: 16384, step: FACTOR, help })

export default defineNode({
  type: 'LatentComposite',
  category: 'latent',
  title: 'Latent Composite',
  help: 'Lays a latent over another; the feather blends the edges that lie inside.',
  inputs: {
    samples_to: port('LATENT'),
    samples_from: port('LATENT'),
    x: pixels('Pixels from the left.'),
    y: pixels('Pixels from the top.'),
    feather: pixels('Pixels over which the edges are blended.'),
  },
  outputs: { LATENT: 'LATENT' },
  run({ samples_to, samples_from, ...places }) {
    const [x, y, feather] = [places.x, places.y, places.feather].map((side) => Math.floor(side / FACTOR)) as [
      number,
      number,
      number,
    ]
    const [under, over] = [samples_to.samples, samples_from.samples]
    const [h = 0, w = 0] = under.shape.slice(-2)
    const [fullRows = 0, fullColumns = 0] = over.shape.slice(-2)
    const [rows, columns] = [Math.min(fullRows, h - y), Math.min(fullColumns, w - x)]
    const rise = (distance: number): number => (distance < feather ? (distance + 1) / feather : 1)
    const share = (at: number, size: number, start: number, length: number): number =>
      (start === 0 ? 1 : rise(at)) * (start + size < length ? rise(size - 1 - at) : 1)
    const data = under.data.slice()
    const planes = data.length / (h * w)
    const given = over.data.length / (fullRows * fullColumns)
    for (let p = 0; p < planes; p++)
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < columns; j++) {
          const at = (p * h + y + i) * w + x + j
          const m = share(i, rows, y, h) * share(j, columns, x, w)
          const value = over.data[((p % given) * fullRows + i) * fullColumns + j]!
          data[at] = value * m + data[at]! * (1 - m)
        }
    return { LATENT: { ...samples_to, samples: { data, shape: under.shape } } }
  },
})
