/** Weights inside a prompt as ComfyUI reads them: (more) of something, (much:1.4), a bracket inside a bracket, \( for a bracket itself. */
import { tensor, type Tensor } from '../../tensor.ts'

/** A stretch of a prompt and how much it counts: 1 is as it stands there. */
export interface WeightedText {
  readonly text: string
  readonly weight: number
}

/** What a pair of brackets without a number multiplies by. */
const BRACKETS = 1.1
/** Stand for escaped brackets while the others are read; no text has them. */
const [OPEN, CLOSE] = ['\u0000\u0001', '\u0000\u0002']

/** Cuts at the outermost brackets, which stay on what they enclose; one that never closes runs to the end. */
function outermost(text: string): string[] {
  const parts: string[] = []
  let [depth, start] = [0, 0]
  const cut = (end: number): void => {
    if (end > start) parts.push(text.slice(start, end))
    start = end
  }
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(' && depth++ === 0) cut(i)
    else if (text[i] === ')' && --depth === 0) cut(i + 1)
  }
  cut(text.length)
  return parts
}

/** The number behind the last colon, if there is one with something before it. */
function numbered(inner: string): readonly [text: string, weight: number] | null {
  const colon = inner.lastIndexOf(':')
  const digits = inner.slice(colon + 1).trim()
  return colon > 0 && digits !== '' && Number.isFinite(Number(digits)) ? [inner.slice(0, colon), Number(digits)] : null
}

function weigh(text: string, weight: number): WeightedText[] {
  return outermost(text).flatMap((part) => {
    if (part.length < 2 || !part.startsWith('(') || !part.endsWith(')')) return [{ text: part, weight }]
    const inner = part.slice(1, -1)
    const [enclosed, own] = numbered(inner) ?? [inner, weight * BRACKETS]
    return weigh(enclosed, own)
  })
}

/** The stretches of a prompt in order; brackets that weigh are taken away. */
export function weightedTexts(prompt: string): readonly WeightedText[] {
  const escaped = prompt.replaceAll('\\)', CLOSE).replaceAll('\\(', OPEN)
  return weigh(escaped, 1).map(({ text, weight }) => ({
    text: text.replaceAll(CLOSE, ')').replaceAll(OPEN, '('),
    weight,
  }))
}

/** States [1, T, width] moved away from those of an empty prompt by the weight of each token: empty + weight (state - empty). */
export function emphasised(states: Tensor, empty: Tensor, weights: readonly number[]): Tensor {
  const width = states.shape[2] ?? 0
  const data = states.data.map((value, i) => {
    const weight = weights[Math.floor(i / width)] ?? 1
    const none = empty.data[i] ?? 0
    return weight === 1 ? value : none + weight * (value - none)
  })
  return tensor(data, states.shape)
}
