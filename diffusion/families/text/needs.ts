/** What a family reads prompts with: which encoders it takes, and how their states become its conditioning. */
import { join } from 'node:path'
import { openWeightsFolder } from '../../onnx/weights.ts'
import type { ChangeWeights, Place, Role } from '../changes.ts'
import type { TextEncoders } from '../contract.ts'
import type { Releasable } from '../family.ts'
import { fileExists, readJsonIfAny } from '../json.ts'
import type { EncoderKind, EncoderSource } from './kind.ts'

/** One encoder that a family takes. */
export interface Slot<E extends Releasable, Optional extends boolean = boolean> {
  readonly kind: EncoderKind<E>
  /** Folders of it and of its tokenizer in diffusers layout. */
  readonly folders: readonly [model: string, tokenizer: string]
  /** Whether the family can do without it; `assemble` is then given null. */
  readonly optional: Optional
  /** Most tokens of a text, by the folder of the whole model (null for loose files); what the encoder says where absent. */
  readonly tokens?: (folder: string | null) => number | Promise<number>
}

type EncoderOf<S> = S extends Slot<infer E, infer Optional> ? (Optional extends true ? E | null : E) : never
type Slots = Readonly<Record<string, Slot<Releasable>>>

/** An encoder on disk, before the family has said how many tokens it takes. */
export type LooseSource = Omit<EncoderSource, 'tokens'>

/** What `assemble` may want to know beside the encoders. */
export interface TextSurroundings {
  /** Folder of the whole model in diffusers layout, or null where encoders come from files. */
  readonly folder: string | null
}

/** A family's text encoders as the checkpoint and the CLIP loaders see them. */
export interface TextNeeds {
  /** What ComfyUI's CLIPLoader, DualCLIPLoader and TripleCLIPLoader call it in `type`; the family's own name where it has none. */
  readonly types: readonly string[]
  /** By name. Several of one kind stand in order of width, narrowest first, which is how loose files are told apart. */
  readonly slots: Readonly<Record<string, Slot<Releasable>>>
  /** Opens the encoders, with changes on their weights, and puts them together; `sources` by slot name. Closes what is open when one fails. */
  open(
    sources: Readonly<Record<string, LooseSource | undefined>>,
    around: TextSurroundings,
    changes?: readonly ChangeWeights[],
  ): Promise<TextEncoders & Releasable>
}

/** The encoder with changes on its weights. */
function changed(source: LooseSource, role: Role, changes: readonly ChangeWeights[]): LooseSource {
  const places = (key: string): readonly Place[] => [{ key, row: 0 }]
  const tensors = changes.reduce((weights, change) => change({ role, weights, places }), source.weights.tensors)
  return { ...source, weights: { ...source.weights, tensors } }
}

/** Declares what a family takes; `assemble` gets exactly the slots, typed, and gives what the CLIP port carries. */
export function textNeeds<const S extends Slots>(declared: {
  readonly types: readonly string[]
  readonly slots: S
  readonly assemble: (
    encoders: { readonly [K in keyof S]: EncoderOf<S[K]> },
    around: TextSurroundings,
  ) => TextEncoders | Promise<TextEncoders>
}): TextNeeds {
  const { types, slots, assemble } = declared
  const needs: TextNeeds = {
    ...{ types, slots },
    async open(sources, around, changes = []) {
      const opened: Record<string, Releasable | null> = {}
      const release = async (): Promise<void> => {
        for (const encoder of Object.values(opened)) await encoder?.release()
      }
      try {
        for (const [index, [name, slot]] of Object.entries(slots).entries()) {
          const source = sources[name]
          if (!source && !slot.optional)
            throw new Error(`there is no ${name} (${slot.kind.name}) among the text encoders`)
          const tokens = (await slot.tokens?.(around.folder)) ?? null
          const role: Role = { kind: 'text', slot: name, index, folder: slot.folders[0] }
          opened[name] = source ? await slot.kind.open({ ...changed(source, role, changes), tokens }) : null
        }
        const encoders = opened as { readonly [K in keyof S]: EncoderOf<S[K]> }
        const text = await assemble(encoders, around)
        const reopen = (others: readonly ChangeWeights[]) => needs.open(sources, around, others)
        return Object.assign(text, { release, reopen, changes })
      } catch (error) {
        await release()
        throw error
      }
    },
  }
  return needs
}

/** Opens the text encoders of a model in diffusers layout. */
export async function openTextFolders(needs: TextNeeds, folder: string): Promise<TextEncoders & Releasable> {
  const sources: Record<string, LooseSource> = {}
  for (const [name, { folders, optional }] of Object.entries(needs.slots)) {
    const [model, tokenizer] = folders.map((part) => join(folder, part)) as [string, string]
    const file = join(model, 'config.json')
    if (optional && !(await fileExists(file))) continue
    const config = await readJsonIfAny(file)
    sources[name] = {
      weights: await openWeightsFolder(model),
      config,
      tokenizer: { folders: [tokenizer], embedded: null, advice: null },
    }
  }
  return needs.open(sources, { folder })
}
