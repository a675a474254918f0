/** Which hardware sessions run on: the execution providers of ONNX Runtime, and the choice among those that really work here. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { z } from 'zod'

/** In the order `auto` tries them; the CPU is always there. */
export const PROVIDERS = ['cuda', 'directml', 'coreml', 'webgpu', 'cpu'] as const
export type Provider = (typeof PROVIDERS)[number]
export type ProviderWish = Provider | 'auto'

/** What sessions of this process run on. */
export interface Device {
  readonly provider: Provider
  /** Which of several; for CUDA and DirectML, 0 elsewhere. */
  readonly id: number
}

interface ProviderFacts {
  /** As onnxruntime-node calls it. */
  readonly backend: string
  readonly hasIds: boolean
  /** What it takes, for who asks for it in vain. */
  readonly needs: string
}

export const FACTS: Readonly<Record<Provider, ProviderFacts>> = {
  cuda: {
    backend: 'cuda',
    hasIds: true,
    needs:
      'Linux on x64 with an NVIDIA driver, CUDA 12 and cuDNN 9 on the library path, and the provider that onnxruntime-node does not bundle: ' +
      'ONNXRUNTIME_NODE_INSTALL=true npm rebuild onnxruntime-node',
  },
  directml: { backend: 'dml', hasIds: true, needs: 'Windows with a DirectX 12 device; it is bundled there' },
  coreml: { backend: 'coreml', hasIds: false, needs: 'macOS on Apple silicon; it is bundled there' },
  webgpu: {
    backend: 'webgpu',
    hasIds: false,
    needs:
      'a GPU with its driver, on Linux for Vulkan and with the loader libvulkan.so.1 (Debian: apt install libvulkan1 mesa-vulkan-drivers)',
  },
  cpu: { backend: 'cpu', hasIds: false, needs: 'nothing' },
}

/** Carries the device to child processes (engines, benches), which inherit it. */
const VARIABLE = 'HEDDLE_DEVICE'

const deviceKey = ({ provider, id }: Device): string => (FACTS[provider].hasIds ? `${provider}:${id}` : provider)
export { deviceKey as nameOfDevice }

/** The device of this process: the CPU unless `useDevice` was called here or in a parent process. Throws for an unknown name. */
export function currentDevice(): Device {
  const [name = 'cpu', id = '0'] = (process.env[VARIABLE] ?? 'cpu').split(':')
  const provider = PROVIDERS.find((known) => known === name)
  if (!provider || !/^\d+$/.test(id))
    throw new Error(`${VARIABLE}=${process.env[VARIABLE]}: expected one of ${PROVIDERS.join(', ')}, perhaps with :ID`)
  return { provider, id: Number(id) }
}

/** From now on this process and the children it starts open sessions on `device`; sessions that are open stay where they are. */
export function useDevice({ device, reason }: Choice): void {
  process.env[VARIABLE] = deviceKey(device)
  chosenBecause = reason
}

let chosenBecause = 'the default'

/** The device of this process and why it is that one. */
export const currentChoice = (): Choice => ({ device: currentDevice(), reason: chosenBecause })

/** What a trial on a device gave; times are of the second run, in milliseconds. */
export type Trial =
  | {
      readonly works: true
      readonly milliseconds: number
      readonly cpuMilliseconds: number
      readonly notes: readonly string[]
    }
  | { readonly works: false; readonly reason: string }

/** What the trial's process writes. */
export const Report = z.union([
  z.object({
    works: z.literal(true),
    milliseconds: z.number(),
    cpuMilliseconds: z.number(),
    notes: z.array(z.string()),
  }),
  z.object({ works: z.literal(false), reason: z.string() }),
])

/** Stands before the report among what else the process prints. */
export const REPORT_MARK = 'heddle-trial '
/** A driver's first compilation takes seconds; one that hangs must not hang us. (Milliseconds.) */
const PATIENCE = 60_000

/** `ended` is null when it was stopped for taking too long. */
function reportOf(output: string, ended: string | null): Trial {
  const line = output.split('\n').find((text) => text.startsWith(REPORT_MARK))
  const slow = `a small graph took more than ${PATIENCE / 1000} s.`
  if (line === undefined)
    return { works: false, reason: ended === null ? slow : `opening it ended the process (${ended}).` }
  return Report.parse(JSON.parse(line.slice(REPORT_MARK.length)))
}

/** Opens and runs a small graph on a device in a process of its own, since a driver may abort the process it is opened in. */
export function tryDevice(device: Device): Promise<Trial> {
  const args = ['--import', import.meta.resolve('tsx'), `${import.meta.dirname}/provider-trial.main.ts`]
  return new Promise((resolve) => {
    const env = { ...process.env, [VARIABLE]: deviceKey(device) }
    const child = spawn(process.execPath, args, {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', ({ message }) => resolve({ works: false, reason: message }))
    child.once('close', (code, signal) =>
      resolve(reportOf(output, child.killed ? null : (signal ?? `exit code ${code}`))),
    )
  })
}

/** The device that was chosen, why, and what came of the others. */
export interface Choice {
  readonly device: Device
  readonly reason: string
}

/** Files of a GPU's driver on Linux: Direct Rendering, NVIDIA, AMD's compute, Tegra, and Windows' subsystem for Linux. */
const GPU_FILES = ['/dev/dri', '/dev/nvidia0', '/dev/kfd', '/dev/nvhost-gpu', '/dev/dxg']

/** Providers worth a trial on this platform; on a Linux machine without a GPU's device file, none. */
export function candidates(platform: NodeJS.Platform, exists: (path: string) => boolean): readonly Provider[] {
  const here: readonly Provider[] =
    platform === 'win32' ? ['directml', 'webgpu'] : platform === 'darwin' ? ['coreml', 'webgpu'] : ['cuda', 'webgpu']
  return platform === 'linux' && !GPU_FILES.some(exists) ? [] : here
}

const tenths = (milliseconds: number): string => milliseconds.toFixed(1)

/** Why `auto` passes over a device that was tried; null when it takes it. */
function fault(trial: Trial): string | null {
  if (!trial.works) return trial.reason
  const { milliseconds, cpuMilliseconds } = trial
  // Software adapters (llvmpipe, SwiftShader) open and compute correctly, hundreds of times slower.
  if (milliseconds <= cpuMilliseconds) return null
  return `slower than the CPU: ${tenths(milliseconds)} ms against ${tenths(cpuMilliseconds)} ms for the trial graph`
}

/** The first of `worth` whose trial succeeds and is faster than the CPU, else the CPU; the reason says what came of all before it. */
async function choose(
  worth: readonly Provider[],
  id: number,
  attempt: (device: Device) => Promise<Trial>,
): Promise<Choice> {
  const passed: string[] = []
  for (const provider of worth) {
    const device = { provider, id: FACTS[provider].hasIds ? id : 0 }
    const trial = await attempt(device)
    const why = fault(trial)
    if (why === null && trial.works) {
      const times = `${tenths(trial.milliseconds)} ms against the CPU's ${tenths(trial.cpuMilliseconds)} ms for the trial graph`
      return { device, reason: [`it works: ${times}`, ...trial.notes, ...passed].join('; ') }
    }
    passed.push(`${deviceKey(device)}: ${why}`)
  }
  const none = 'no GPU was found on this machine'
  return { device: { provider: 'cpu', id: 0 }, reason: passed.length > 0 ? passed.join('; ') : none }
}

/** Asked for by name, a device that does not work here. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
}

async function named(device: Device, attempt: (device: Device) => Promise<Trial>): Promise<Choice> {
  const { provider } = device
  if (provider === 'cpu') return { device, reason: 'asked for' }
  const trial = await attempt(device)
  if (trial.works) return { device, reason: ['asked for', ...trial.notes].join('; ') }
  const others = PROVIDERS.filter((name) => name !== 'cpu' && name !== provider)
  const trials = await Promise.all(
    others.map(async (name) => [name, await attempt({ provider: name, id: 0 })] as const),
  )
  const available = ['cpu', ...trials.filter(([, { works }]) => works).map(([name]) => name)]
  throw new ProviderError(
    `--provider ${provider}: ${deviceKey(device)} was tried and does not work here: ${trial.reason} ` +
      `Available: ${available.join(', ')} (--provider auto picks). ${provider} needs ${FACTS[provider].needs}.`,
  )
}

/** What the command line says of it. */
export interface DeviceOptions {
  readonly provider?: ProviderWish
  readonly deviceId?: number
}

/**
 * The device to run on. `auto` takes the first provider that opens, computes correctly and is faster than the CPU. Throws
 * ProviderError when one that is asked for by name does not work, or has no numbered devices and is given a number.
 */
export async function chooseDevice(
  { provider = 'auto', deviceId }: DeviceOptions,
  attempt: (device: Device) => Promise<Trial> = tryDevice,
  worth: readonly Provider[] = candidates(process.platform, existsSync),
): Promise<Choice> {
  if (provider === 'auto') return choose(worth, deviceId ?? 0, attempt)
  if (deviceId !== undefined && !FACTS[provider].hasIds)
    throw new ProviderError(`--device-id ${deviceId}: ${provider} has no numbered devices; cuda and directml have`)
  return named({ provider, id: deviceId ?? 0 }, attempt)
}

/** `cuda:0 (it works: ...)`, for people. */
export const explain = ({ device, reason }: Choice): string => `${deviceKey(device)} (${reason})`
