/** The inputs of the tiled autoencoder nodes, and the tiling that they describe. */
import type { Autoencoder } from '../../../diffusion/families/contract.ts'
import type { Tiling } from '../../../diffusion/tiling.ts'
import { int, type Values } from '../../spec.ts'

export const tileInputs = {
  tile_size: int({
    default: 512,
    min: 64,
    max: 4096,
    step: 32,
    help: 'Pixels along a tile. Smaller needs less memory.',
  }),
  overlap: int({ default: 64, min: 0, max: 4096, step: 32, help: 'Pixels over which neighbouring tiles are blended.' }),
  temporal_size: int({ default: 64, min: 8, max: 4096, step: 4, help: 'Video only: frames of a tile.' }),
  temporal_overlap: int({
    default: 8,
    min: 4,
    max: 4096,
    step: 4,
    help: 'Video only: frames over which tiles are blended.',
  }),
}

const cells = (pixels: number, per: number): number => Math.max(1, Math.floor(pixels / per))

/** In cells of `vae`. An overlap is at most a quarter of its tile, and half of it in time, as in ComfyUI. */
export function tilingOf(values: Values<typeof tileInputs>, vae: Autoencoder): Tiling {
  const { tile_size, temporal_size, temporal_overlap } = values
  const overlap = tile_size < values.overlap * 4 ? Math.floor(tile_size / 4) : values.overlap
  const space = { tile: cells(tile_size, vae.factor), overlap: Math.floor(overlap / vae.factor) }
  if (vae.temporalFactor === undefined) return space
  const shared = temporal_size < temporal_overlap * 2 ? Math.floor(temporal_overlap / 2) : temporal_overlap
  const tile = Math.max(2, cells(temporal_size, vae.temporalFactor))
  return {
    ...space,
    frames: { tile, overlap: Math.max(1, Math.min(Math.floor(tile / 2), cells(shared, vae.temporalFactor))) },
  }
}
