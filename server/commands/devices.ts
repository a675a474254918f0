/** Chooses what this command runs on, and heddle devices: which execution providers work here. */
import {
  chooseDevice,
  explain,
  FACTS,
  PROVIDERS,
  tryDevice,
  useDevice,
  type DeviceOptions,
} from '../../diffusion/onnx/providers.ts'

/** Chooses, for this process and its children, and says what and why on standard error. `--cpu` is ComfyUI's name for one choice. */
export async function takeDevice({ cpu, ...options }: DeviceOptions & { readonly cpu?: boolean }): Promise<void> {
  const choice = await chooseDevice(cpu ? { provider: 'cpu' } : options)
  useDevice(choice)
  process.stderr.write(`heddle: runs on ${explain(choice)}\n`)
}

/** Takes `--provider X` and `--device-id N` out of arguments that go to another program. */
export function splitDevice(args: readonly string[]): {
  readonly device: readonly string[]
  readonly rest: readonly string[]
} {
  const owner = args.map((arg, i) => {
    const option = /^--(provider|device-id)(=|$)/
    return option.test(arg) || option.exec(args[i - 1] ?? '')?.[2] === ''
  })
  return { device: args.filter((_, i) => owner[i]), rest: args.filter((_, i) => !owner[i]) }
}

/** Tries each provider in turn and prints what came of it. */
export async function listDevices(): Promise<void> {
  for (const provider of PROVIDERS) {
    const trial = await tryDevice({ provider, id: 0 })
    const verdict = trial.works
      ? [`works, ${trial.milliseconds.toFixed(1)} ms for the trial graph`, ...trial.notes].join('; ')
      : `does not work: ${trial.reason} It needs ${FACTS[provider].needs}.`
    process.stdout.write(`${provider.padEnd(9)} ${verdict}\n`)
  }
}
