/** Compares seeded noise with what PyTorch's CPU generator gave: two successive draws per case. */
import { access } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { readJson } from '../families/json.ts'
import { readTensors } from '../onnx/weights.ts'
import { NormalGenerator } from '../random.ts'
import { Comparison } from './shared/compare.ts'
import type { Checker, CheckResult } from './shared/contract.ts'

const BAR = 1e-6

/** One case of noise.json; the seed is text because it may not fit a number. */
interface NoiseCase {
  readonly name: string
  readonly seed: string
  readonly shape: readonly number[]
}

async function check(dir: string): Promise<readonly CheckResult[]> {
  const cases = (await readJson(join(dir, 'noise.json')))['cases'] as readonly NoiseCase[]
  const expected = await readTensors(join(dir, 'noise.safetensors'))
  return cases.map(({ name, seed, shape }) => {
    const comparison = new Comparison(`${basename(dir)}: seed ${seed}, [${shape.join(', ')}]`, 'noise', BAR)
    const generator = new NormalGenerator(BigInt(seed))
    for (const draw of ['first', 'second'])
      comparison.add(`${name}.${draw}`, generator.draw(shape), expected[`${name}.${draw}`])
    return comparison.result()
  })
}

export default {
  kind: 'noise',
  matches: (dir) =>
    access(join(dir, 'noise.json')).then(
      () => true,
      () => false,
    ),
  check,
} satisfies Checker
