/** What running a part of a transformer counts for in the report: blocks, modules and estimated operations of one row. */
import { moduleKey, type ModuleKey } from './caching/contract.ts'
import type { Part, TokenCounts, Transformer } from './families/contract.ts'

/** What a row has cost so far. */
export interface Spent {
  blocks: number
  /** By kind. */
  modules: Record<string, number>
  flops: number
  milliseconds: number
}

export const nothingSpent = (): Spent => ({ blocks: 0, modules: {}, flops: 0, milliseconds: 0 })

/** Share of a module's tokens that a part computes: 1 when it is run, 0 when its output is given. */
function moduleShare(part: Part & { kind: 'blocks' }, key: ModuleKey, tokens: TokenCounts): number {
  const { modules } = part
  if (!modules?.given.includes(key)) return 1
  return (modules.refreshed[key] ?? 0) / (tokens.image + tokens.text)
}

/** Adds to `spent` what one row of `part` costs. */
export function charge(spent: Spent, transformer: Transformer, part: Part, tokens: TokenCounts): void {
  spent.flops += transformer.flops(part, tokens)
  if (part.kind !== 'blocks') return
  const kinds = [...transformer.facts.modules]
  if (!part.modules || kinds.length === 0) {
    const count = part.to - part.from
    spent.blocks += count
    for (const kind of kinds) spent.modules[kind] = (spent.modules[kind] ?? 0) + count
    return
  }
  for (let block = part.from; block < part.to; block++) {
    const shares = kinds.map((kind) => moduleShare(part, moduleKey(kind, block), tokens))
    shares.forEach((share, i) => (spent.modules[kinds[i]!] = (spent.modules[kinds[i]!] ?? 0) + share))
    spent.blocks += shares.reduce((sum, share) => sum + share, 0) / kinds.length
  }
}

/** Estimated operations of one plain evaluation of one row. */
export function plainFlops(transformer: Transformer, tokens: TokenCounts): number {
  const parts: readonly Part[] = [
    { kind: 'embed' },
    { kind: 'blocks', from: 0, to: transformer.facts.depth },
    { kind: 'head' },
  ]
  return parts.reduce((sum, part) => sum + transformer.flops(part, tokens), 0)
}
