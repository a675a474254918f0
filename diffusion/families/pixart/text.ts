/** What PixArt reads a prompt with: T5, whose padding is not looked at. */
import { join } from 'node:path'
import { readJson } from '../json.ts'
import t5 from '../text/kinds/t5.ts'
import { textNeeds } from '../text/needs.ts'

/** Most tokens of a text: PixArt-sigma, and PixArt-alpha (Chen et al. 2023, section 3.1). */
const TOKENS = { sigma: 300, alpha: 120 }

/** By the pipeline that a folder names; loose files are taken for the newer model's. */
async function textTokens(folder: string | null): Promise<number> {
  if (folder === null) return TOKENS.sigma
  const { _class_name: pipeline } = await readJson(join(folder, 'model_index.json'))
  return pipeline === 'PixArtAlphaPipeline' ? TOKENS.alpha : TOKENS.sigma
}

export const pixartText = textNeeds({
  types: ['pixart'],
  slots: { t5: { kind: t5, folders: ['text_encoder', 'tokenizer'], optional: false, tokens: textTokens } },
  assemble: (encoders) => ({
    encode: async (text, onWarning) => ({ ...(await encoders.t5.masked(text, onWarning)), pooled: null, extras: {} }),
  }),
})
