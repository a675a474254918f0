/** Compares schedules and solvers with diffusers' schedulers: noise levels, timesteps and every state of a toy run. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Json } from '../families/family.ts'
import { readTensors } from '../onnx/weights.ts'
import { axpy, concatRows, tensor, type Tensor } from '../tensor.ts'
import { Comparison } from './shared/compare.ts'
import type { Checker, CheckResult } from './shared/contract.ts'
import { flowSchedule, type FlowSchedule } from './shared/flow-schedule.ts'

const BAR = 1e-4

/** JSON as Python writes it: infinities and NaN, which JSON does not have, become null. */
const readPythonJson = async (path: string): Promise<Json> =>
  JSON.parse((await readFile(path, 'utf8')).replace(/: (-?Infinity|NaN)\b/g, ': null')) as Json

const vector = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), [values.length])

/** The toy model of the reference: elementwise tanh(0.3 x + 0.0005 t), read as a velocity. */
const toyVelocity = ({ data, shape }: Tensor, timestep: number): Tensor => ({
  data: data.map((value) => Math.tanh(0.3 * value + 0.0005 * timestep)),
  shape,
})

/** Every state of a run from `start`, and what the model gave at each. */
async function runToy({ sigmas, timesteps, sampler }: FlowSchedule, start: Tensor) {
  const [states, velocities]: [Tensor[], Tensor[]] = [[], []]
  const end = await sampler.sample(
    (latent, sigma) => {
      const velocity = toyVelocity(latent, timesteps[states.length]!)
      states.push(latent)
      velocities.push(velocity)
      return Promise.resolve(axpy(latent, -sigma, velocity))
    },
    start,
    sigmas,
    () => undefined,
  )
  return { states, velocities, end }
}

async function checkOne(dir: string, name: string): Promise<CheckResult> {
  const label = `${basename(dir)}: ${name}`
  const json = await readPythonJson(join(dir, `${name}.json`))
  const config = json['scheduler_config'] as Json
  const mu = (json['set_timesteps'] as { readonly mu?: number } | undefined)?.mu
  const schedule = flowSchedule(config, Number(json['num_inference_steps']), mu)
  if (!schedule) {
    const details = [
      `unsupported: no ${String(config['_class_name'])} over ${typeof config['prediction_type'] === 'string' ? config['prediction_type'] : 'flow'}`,
    ]
    return { name: label, kind: 'schedule', maxAbs: NaN, bar: BAR, pass: false, unsupported: true, details }
  }
  const expected = await readTensors(join(dir, `${name}.safetensors`))
  const trajectory = expected['trajectory']!
  const stateShape = trajectory.shape.slice(1)
  const start = tensor(trajectory.data.slice(0, trajectory.data.length / trajectory.shape[0]!), stateShape)
  const { states, velocities, end } = await runToy(schedule, start)
  const comparison = new Comparison(label, 'schedule', BAR)
  comparison.add('sigmas', vector(schedule.sigmas), expected['sigmas'])
  comparison.add('timesteps', vector(schedule.timesteps), expected['timesteps'])
  comparison.add('model_input', concatRows(states), expected['model_input'])
  comparison.add('model_output', concatRows(velocities), expected['model_output'])
  comparison.add('trajectory', concatRows([...states, end]), trajectory)
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
