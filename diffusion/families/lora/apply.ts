/** Puts a LoRA on a model and its text encoders: new values beside the old ones, over the same files. */
import type { ChangeWeights } from '../changes.ts'
import type { DiffusionModel, TextEncoders } from '../contract.ts'
import { matchLora } from './match.ts'
import type { Lora } from './read.ts'

const SHOWN = 3

/** How strongly a LoRA is applied; 1 as it was trained. */
export interface Strengths {
  readonly model: number
  readonly clip: number
}

/** What was opened anew, to be closed by whoever keeps it: absent where nothing changed. */
export interface Applied {
  readonly model: DiffusionModel
  readonly clip: TextEncoders | null
  readonly opened: readonly { readonly value: object; release(): Promise<void> }[]
  readonly warnings: readonly string[]
}

/** Changes that remember which layers found a place. */
function watching(lora: Lora, strength: number) {
  const [used, misfits] = [new Set<string>(), new Set<string>()]
  const change: ChangeWeights = (model) => {
    const matched = matchLora(lora, model, strength)
    matched.used.forEach((module) => used.add(module))
    matched.misfits.forEach((line) => misfits.add(line))
    return matched.weights
  }
  return { change, used, misfits }
}

const listed = (lines: readonly string[]): string =>
  `${lines.slice(0, SHOWN).join('; ')}${lines.length > SHOWN ? `; and ${lines.length - SHOWN} more` : ''}`

/**
 * Strength 0 leaves a value as it is, the same object. Throws when no layer of the LoRA fits, naming some, or when the model cannot be opened
 * anew; layers without a place in an otherwise fitting LoRA are warnings.
 */
export async function applyLora(
  model: DiffusionModel,
  clip: TextEncoders | null,
  lora: Lora,
  strengths: Strengths,
): Promise<Applied> {
  const opened: { value: object; release(): Promise<void> }[] = []
  const warnings = lora.leftOut.length > 0 ? [`${lora.name}: left out: ${listed(lora.leftOut)}`] : []
  if (strengths.model === 0 && (strengths.clip === 0 || !clip)) return { model, clip, opened, warnings }
  const [onModel, onClip] = [watching(lora, strengths.model), watching(lora, strengths.clip)]
  let newModel = model
  let newClip = clip
  if (strengths.model !== 0) {
    if (!model.reopen) throw new Error(`${model.name}: LoRAs cannot be put on this model`)
    const changes = [...(model.changes ?? []), onModel.change]
    const transformer = model.reopen(changes)
    newModel = { ...model, transformer, changes }
    opened.push({ value: newModel, release: () => transformer.release() })
  }
  if (clip && strengths.clip !== 0 && clip.reopen) {
    const text = await clip.reopen([...(clip.changes ?? []), onClip.change])
    newClip = text
    opened.push({ value: text, release: () => text.release() })
  }
  const used = new Set([...onModel.used, ...onClip.used])
  const misfits = [...onModel.misfits, ...onClip.misfits]
  const unused = lora.layers.map(({ module }) => module).filter((module) => !used.has(module))
  if (used.size === 0 || (misfits.length > 0 && misfits.length >= used.size)) {
    for (const one of opened) await one.release()
    throw new Error(
      `${lora.name} is no LoRA for ${model.name} (${model.family}): none of its ${lora.layers.length} layers fits. ` +
        listed(misfits.length > 0 ? misfits : unused),
    )
  }
  // The part for what is left as it is has no place.
  const missed = unused.filter((module) =>
    /^(lora_te|text_encoder)/.test(module) ? newClip !== clip : newModel !== model,
  )
  if (missed.length > 0)
    warnings.push(
      `${lora.name}: ${missed.length} of ${lora.layers.length} layers have no place in the model: ${listed(missed)}`,
    )
  if (misfits.length > 0) warnings.push(`${lora.name}: other shapes: ${listed(misfits)}`)
  return { model: newModel, clip: newClip, opened, warnings }
}
