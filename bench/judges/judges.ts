/** Judges that the user brings as ONNX files: LPIPS, CLIP score, ImageReward. */
import type { Tensor } from '../../diffusion/tensor.ts'
import { openPairJudge } from './pair.ts'
import { openTextJudge } from './text.ts'

export interface Judge {
  /** Column of the table. */
  readonly name: string
  /** Judges a picture [1, H, W, 3] in 0..1, beside the uncached picture of the same caption. */
  judge(picture: Tensor, reference: Tensor, caption: string): Promise<number>
  release(): Promise<void>
}

export interface JudgeFiles {
  readonly lpips?: string
  readonly clip?: string
  readonly imageReward?: string
}

/** All judges of a bench as one. */
export interface Judges {
  /** Which files judge; part of what identifies a measurement. */
  readonly identity: Readonly<Record<string, string>>
  readonly names: readonly string[]
  judge(picture: Tensor, reference: Tensor, caption: string): Promise<Readonly<Record<string, number>>>
  release(): Promise<void>
}

/** Opens those that were given. Throws an error that names the file when one cannot be used. */
export async function openJudges({ lpips, clip, imageReward }: JudgeFiles): Promise<Judges> {
  const all: Judge[] = []
  if (lpips) all.push(await openPairJudge('LPIPS', lpips))
  if (clip) all.push(await openTextJudge('ClipScore', clip))
  if (imageReward) all.push(await openTextJudge('ImageReward', imageReward))
  return {
    identity: { ...(lpips && { lpips }), ...(clip && { clip }), ...(imageReward && { imageReward }) },
    names: all.map(({ name }) => name),
    async judge(picture, reference, caption) {
      const scores: Record<string, number> = {}
      for (const one of all) scores[one.name] = await one.judge(picture, reference, caption)
      return scores
    },
    async release() {
      for (const one of all) await one.release()
    },
  }
}
