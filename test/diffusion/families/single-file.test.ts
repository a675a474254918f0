/** All-in-one files and loose parts: what is in them is found by keys and shapes, and gives the same numbers as folders do. */
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint, openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import type { Checkpoint } from '../../../diffusion/families/contract.ts'
import { openLooseAutoencoder, openLooseText } from '../../../diffusion/families/loose.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { zeros, type Tensor } from '../../../diffusion/tensor.ts'
import {
  asOpenClip,
  asOriginalKl,
  clipShapes,
  encode,
  fluxTensors,
  klShapes,
  prefixed,
  randomTensors,
  t5Shapes,
  tinyFlux,
} from './synthetic.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'

const [CLIP_WIDTH, T5_WIDTH, WORDS] = [64, 128, 99]
const flux = fluxTensors(tinyFlux(T5_WIDTH, CLIP_WIDTH), 1n, 'original')
const kl = randomTensors(klShapes([32, 32], 16), 500n)
const clip = randomTensors(clipShapes(CLIP_WIDTH, 2, WORDS, 77, false), 1000n)
const giant = randomTensors(clipShapes(2 * CLIP_WIDTH, 2, WORDS, 77, true), 1500n)
const t5 = randomTensors(t5Shapes(T5_WIDTH, 2, WORDS), 2000n)
const allInOne = {
  ...prefixed(flux, 'model.diffusion_model.'),
  ...prefixed(asOriginalKl(kl, 2), 'vae.'),
  ...prefixed(clip, 'text_encoders.clip_l.transformer.'),
  'text_encoders.clip_l.logit_scale': zeros([1]),
  ...prefixed(t5, 'text_encoders.t5xxl.transformer.'),
}

let root: string
/** Tokenizers as users put them: one folder a kind. */
const tokenizers = { of: (kind: string) => [join(root, 'tokenizers', kind)] }
const nowhere = { of: (kind: string) => [join(root, 'nowhere', kind)] }
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'single-'))
  await writeTinyCheckpoint(join(root, 'tiny'))
  await mkdir(join(root, 'tokenizers'))
  await rename(join(root, 'tiny/tokenizer'), join(root, 'tokenizers/clip'))
  await rename(join(root, 'tiny/tokenizer_2'), join(root, 'tokenizers/t5'))
  await writeFile(join(root, 'all.safetensors'), encode(allInOne))
  await writeFile(join(root, 'flux.safetensors'), encode(flux))
  await writeFile(join(root, 'ae.safetensors'), encode(asOriginalKl(kl, 2)))
  await writeFile(join(root, 'kl.safetensors'), encode(kl))
  await writeFile(join(root, 'clip_l.safetensors'), encode(clip))
  await writeFile(join(root, 'clip_g.safetensors'), encode(asOpenClip(giant)))
  await writeFile(join(root, 'clip_g_too.safetensors'), encode(giant))
  await writeFile(join(root, 't5.safetensors'), encode(t5))
})
afterAll(() => rm(root, { recursive: true }))

const path = (name: string): string => join(root, `${name}.safetensors`)
const far = (a: Tensor, b: Tensor): number =>
  a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i]!)), 0)

describe('an all-in-one file', () => {
  let opened: Checkpoint
  beforeAll(async () => {
    opened = await openCheckpoint(path('all'), tokenizers)
  })

  it('gives a model, text encoders and an autoencoder that suit each other', async () => {
    const { model, clip: text, vae } = opened
    expect(model).toMatchObject({
      family: 'flux',
      latent: { channels: 16, factor: 2, scaling: { scale: 0.3611, shift: 0.1159 } },
    })
    expect(vae).toMatchObject({ channels: 16, factor: 2, scaling: { scale: 0.3611, shift: 0.1159 } })
    const conditioning = await text.encode('red house')
    expect(conditioning.tokens.shape).toEqual([1, 12, T5_WIDTH])
    expect(conditioning.pooled?.shape).toEqual([1, CLIP_WIDTH])
    const prepared = await model.transformer.prepare(conditioning, [16, 4, 4])
    expect(prepared.tokens).toEqual({ image: 4, text: 12 })
  })

  it('reads the same text as its parts in files of their own, in any order', async () => {
    const whole = await opened.clip.encode('red house')
    for (const parts of [
      ['clip_l', 't5'],
      ['t5', 'clip_l'],
    ]) {
      const loose = await openLooseText(parts.map(path), 'flux', tokenizers)
      expect(await loose.encode('red house')).toEqual(whole)
      await loose.release()
    }
  })

  it('has the autoencoder of the file, which a VAE loader can take out of it, in both key layouts', async () => {
    const latent = normalNoise(3n, [1, 16, 4, 4])
    const pixels = await opened.vae.decode(latent)
    expect(new Set(pixels.data).size).toBeGreaterThan(50)
    for (const name of ['ae', 'all', 'kl']) {
      const loose = await openLooseAutoencoder(path(name))
      expect(far(await loose.decode(latent), pixels)).toBeLessThan(1e-5)
      await loose.release()
    }
  })
})

describe('a loose autoencoder', () => {
  it('decodes latents of any scaling, and gives what it encodes in a known one', async () => {
    const vae = await openLooseAutoencoder(path('ae'))
    const latent = normalNoise(3n, [1, 16, 4, 4])
    const scaling = { scale: 1.5305, shift: 0.0609 }
    const other = {
      ...latent,
      data: latent.data.map(
        (value) => (value / vae.scaling!.scale + vae.scaling!.shift - scaling.shift) * scaling.scale,
      ),
    }
    expect(far(await vae.decode(other, scaling), await vae.decode(latent))).toBeLessThan(1e-5)
    expect(far(await vae.decode(other), await vae.decode(latent))).toBeGreaterThan(1e-2)
    await vae.release()
  })

  it('names the kinds when the file is none', async () => {
    await expect(openLooseAutoencoder(path('flux'))).rejects.toThrow(
      /flux\.safetensors: no known autoencoder.*known are .*AutoencoderKL/,
    )
  })
})

describe('loose text encoders', () => {
  it('are told apart by width, and OpenCLIP gives what transformers keys give', async () => {
    const one = await openLooseText([path('clip_g'), path('clip_l')], 'sdxl', tokenizers)
    const two = await openLooseText([path('clip_l'), path('clip_g_too')], 'sdxl', tokenizers)
    const [first, second] = [await one.encode('red house'), await two.encode('red house')]
    expect(first.tokens.shape).toEqual([1, 77, 3 * CLIP_WIDTH])
    expect(far(first.tokens, second.tokens)).toBeLessThan(1e-5)
    expect(far(first.pooled!, second.pooled!)).toBeLessThan(1e-5)
    await one.release()
    await two.release()
  })

  it('say which is missing, and which file is none', async () => {
    await expect(openLooseText([path('t5')], 'flux', tokenizers)).rejects.toThrow(
      /missing: clip \(clip\); given: t5 of width 128/,
    )
    await expect(openLooseText([path('ae'), path('t5')], 'flux', tokenizers)).rejects.toThrow(
      /ae\.safetensors: no known text encoder/,
    )
    await expect(openLooseText([path('t5')], 'fluxx', tokenizers)).rejects.toThrow(/'fluxx'; known types: .*flux/)
  })

  it('say where to put a tokenizer', async () => {
    await expect(openLooseText([path('clip_l'), path('t5')], 'flux', nowhere)).rejects.toThrow(
      /CLIP text encoder has no tokenizer.*Put the tokenizer.*nowhere\/clip/,
    )
    const all = await openCheckpoint(path('all'), nowhere)
    await expect(all.clip.encode('a')).rejects.toThrow(/nowhere/)
    expect(all.model.family).toBe('flux')
  })

  it('take the tokenizer beside them before the shared one', async () => {
    await mkdir(join(root, 'beside'))
    for (const name of ['clip_l', 't5']) await cp(path(name), join(root, 'beside', `${name}.safetensors`))
    await cp(join(root, 'tokenizers/clip'), join(root, 'beside/clip_l'), { recursive: true })
    await cp(join(root, 'tokenizers/t5'), join(root, 'beside/t5'), { recursive: true })
    const files = ['clip_l', 't5'].map((name) => join(root, 'beside', `${name}.safetensors`))
    const text = await openLooseText(files, 'flux', nowhere)
    expect((await text.encode('red')).tokens.shape).toEqual([1, 12, T5_WIDTH])
    await text.release()
  })
})

describe('a transformer alone', () => {
  it('opens as a model and is refused as a checkpoint, with what to do', async () => {
    expect(await openDiffusionModel(path('flux'))).toMatchObject({
      family: 'flux',
      latent: { channels: 16, factor: 8 },
    })
    await expect(openCheckpoint(path('flux'), tokenizers)).rejects.toThrow(/holds a transformer alone.*UNETLoader/)
  })

  it('is found in a whole file too', async () => {
    const [alone, inside] = [await openDiffusionModel(path('flux')), await openDiffusionModel(path('all'))]
    const conditioning = {
      tokens: normalNoise(5n, [1, 12, T5_WIDTH]),
      pooled: normalNoise(6n, [1, CLIP_WIDTH]),
      extras: {},
    }
    const [one, two] = [
      await alone.transformer.prepare(conditioning, [16, 4, 4]),
      await inside.transformer.prepare(conditioning, [16, 4, 4]),
    ]
    expect(one.rows).toEqual(two.rows)
    await alone.transformer.release()
    await inside.transformer.release()
  })
})
