/** Compares schedules and solvers with diffusers' schedulers: noise levels, timesteps and every state of a toy run. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Json } from '../families/family.ts'
import { readTensors } from '../onnx/weights.ts'
import type { Medium } from '../sampling-types.ts'
import { concatRows, row, scale, tensor, zeros, type Tensor } from '../tensor.ts'
import { Comparison } from './shared/compare.ts'
import type { Checker, CheckResult } from './shared/contract.ts'
import { discreteSchedule } from './shared/discrete-schedule.ts'
import { flowSchedule } from './shared/flow-schedule.ts'
import type { ReferenceSchedule } from './shared/reference-schedule.ts'

const BAR = 1e-5

/** JSON as Python writes it: infinities and NaN, which JSON does not have, become null. */
const readPythonJson = async (path: string): Promise<Json> =>
  JSON.parse((await readFile(path, 'utf8')).replace(/: (-?Infinity|NaN)\b/g, ': null')) as Json

const vector = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), [values.length])

/** The toy model of the reference: elementwise tanh(0.3 x + 0.0005 t). */
const toy = ({ data, shape }: Tensor, timestep: number): Tensor => ({
  data: data.map((value) => Math.tanh(0.3 * value + 0.0005 * timestep)),
  shape,
})

interface ToyRun {
  /** As the scheduler hands them on: before each evaluation, and at the end. */
  readonly states: readonly Tensor[]
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
}

/** A run from `start`, as the scheduler would have it. */
async function runToy(schedule: ReferenceSchedule, start: Tensor): Promise<ToyRun> {
  const { timesteps, sampler, prediction, kept, kind } = schedule
  const [states, inputs, outputs]: [Tensor[], Tensor[], Tensor[]] = [[], [], []]
  const medium: Medium = { kind, ceiling: Infinity, noise: () => zeros(start.shape) }
  let state = start
  for (const sigmas of schedule.runs) {
    const end = await sampler.sample(
      (latent, sigma) => {
        const input = prediction.input(latent, sigma)
        const output = toy(input, timesteps[states.length]!)
        states.push(scale(latent, kept(sigma)))
        inputs.push(input)
        outputs.push(output)
        return Promise.resolve(prediction.denoised(latent, output, sigma))
      },
      scale(state, 1 / kept(sigmas[0]!)),
      sigmas,
      () => undefined,
      medium,
    )
    state = scale(end, kept(sigmas.at(-1)!))
  }
  return { states: [...states, state], inputs, outputs }
}

/**
 * Adds values whose differences count as shares of the reference's own size where that is above `unit`: states reach 40, where
 * float32 steps by 4e-6, and both programs have rounded twenty times.
 */
function addShares(into: Comparison, name: string, actual: Tensor, expected: Tensor | undefined, unit = 1): void {
  const shares = ({ data, shape }: Tensor): Tensor => ({
    data: data.map((value, i) => value / Math.max(unit, Math.abs(expected?.data[i] ?? 0))),
    shape,
  })
  into.add(name, shares(actual), expected && shares(expected))
}

function unsupported(label: string, config: Json): CheckResult {
  const kind = typeof config['prediction_type'] === 'string' ? config['prediction_type'] : 'flow'
  const details = [`unsupported: no ${String(config['_class_name'])} with these settings over ${kind}`]
  return { name: label, kind: 'schedule', maxAbs: NaN, bar: BAR, pass: false, unsupported: true, details }
}

async function checkOne(dir: string, name: string): Promise<CheckResult> {
  const label = `${basename(dir)}: ${name}`
  const json = await readPythonJson(join(dir, `${name}.json`))
  const config = json['scheduler_config'] as Json
  const mu = (json['set_timesteps'] as { readonly mu?: number } | undefined)?.mu
  const steps = Number(json['num_inference_steps'])
  const schedule = flowSchedule(config, steps, mu) ?? discreteSchedule(config, steps)
  if (!schedule) return unsupported(label, config)
  const { sigmas, timesteps, trainSteps, alphas } = schedule
  const expected = await readTensors(join(dir, `${name}.safetensors`))
  const trajectory = expected['trajectory']!
  const { states, inputs, outputs } = await runToy(schedule, {
    ...row(trajectory, 0),
    shape: trajectory.shape.slice(1),
  })
  const comparison = new Comparison(label, 'schedule', BAR)
  if (alphas)
    comparison.add('alphas_cumprod', tensor(Float32Array.from(alphas), [trainSteps]), expected['alphas_cumprod'])
  if (sigmas) comparison.add('sigmas', vector(sigmas), expected['sigmas'])
  addShares(comparison, `timesteps (of ${trainSteps})`, vector(timesteps), expected['timesteps'], trainSteps)
  addShares(comparison, 'model_input', concatRows(inputs), expected['model_input'])
  comparison.add('model_output', concatRows(outputs), expected['model_output'])
  addShares(comparison, 'trajectory', concatRows(states), trajectory)
  return comparison.result()
}

/** Names of the cases in a folder: a .json with a scheduler_config beside a .safetensors. */
async function casesIn(dir: string): Promise<string[]> {
  const files = new Set(await readdir(dir))
  const names = [...files].filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length))
  const paired = names.filter((name) => files.has(`${name}.safetensors`)).sort()
  const cases = []
  for (const name of paired)
    if ('scheduler_config' in (await readPythonJson(join(dir, `${name}.json`)))) cases.push(name)
  return cases
}

export default {
  kind: 'schedule',
  matches: async (dir) => (await casesIn(dir)).length > 0,
  check: async (dir) => Promise.all((await casesIn(dir)).map((name) => checkOne(dir, name))),
} satisfies Checker
