/** What families' readers of config.json share: sizes of patched transformers and rotary axes, with all faults of a file in one error. */
import { describe, expect, it } from 'vitest'
import { parseDitConfig } from '../../../diffusion/families/dit/config.ts'
import { parseFlux2Config } from '../../../diffusion/families/flux2/config.ts'
import { parsePixArtConfig } from '../../../diffusion/families/pixart/config.ts'
import { parseZImageConfig } from '../../../diffusion/families/z-image/config.ts'

describe('transformers of patches', () => {
  it('have the sizes of their class where a file says nothing, and null says nothing', () => {
    const usual = { channels: 4, outChannels: 4, patch: 2, heads: 16, width: 1152, blocks: 28, attentionBias: true }
    expect(parseDitConfig({ out_channels: null }, 'file')).toMatchObject({ ...usual, epsilon: 1e-5, classes: 1000 })
    const pixart = parsePixArtConfig({ out_channels: 8, interpolation_scale: null }, 'file')
    expect(pixart).toMatchObject({ ...usual, outChannels: 8, epsilon: 1e-6, grid: { base: 64, interpolation: 2 } })
  })

  it('say all that is wrong at once, and hold each family to its own norm', () => {
    const wrong = { norm_type: 'ada_norm_single', out_channels: 5, norm_elementwise_affine: true }
    for (const fault of [
      /norm_type/,
      /out_channels is 5, expected in_channels 4 or twice that/,
      /affine must be false/,
    ])
      expect(() => parseDitConfig(wrong, 'file')).toThrow(fault)
    expect(() => parsePixArtConfig({ norm_type: 'ada_norm_single' }, 'file')).not.toThrow()
    expect(() => parsePixArtConfig({ norm_type: 'ada_norm_zero' }, 'file')).toThrow(/norm_type/)
  })
})

describe('rotary axes', () => {
  it.each([[[32, 32, 64]], [[31, 33, 32, 32]], [[32, 32, 32, 16]]])('%j are no four even parts of 128', (axes) => {
    const json = { attention_head_dim: 128, axes_dims_rope: axes }
    expect(() => parseFlux2Config(json, 'file')).toThrow(
      `axes_dims_rope [${axes.join(', ')}] must be 4 even numbers whose sum is the size of a head, 128`,
    )
  })

  it('are parts of the width over the heads where a file says it so', () => {
    expect(parseZImageConfig({}, 'file').axes.sizes).toEqual([32, 48, 48])
    expect(() => parseZImageConfig({ n_heads: 15 }, 'file')).toThrow('the size of a head, 256')
  })
})
