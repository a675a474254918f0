/** The choice of an execution provider, trials in processes of their own, and the count of nodes that run elsewhere. */
import { describe, expect, it } from 'vitest'
import { readPlacement } from '../../../diffusion/onnx/fallback.ts'
import {
  candidates,
  chooseDevice,
  currentDevice,
  ProviderError,
  tryDevice,
  type Trial,
} from '../../../diffusion/onnx/providers.ts'
import { splitDevice } from '../../../server/commands/devices.ts'

const broken: Trial = { works: false, reason: 'no adapter.' }
const runs = (milliseconds: number): Trial => ({ works: true, milliseconds, cpuMilliseconds: 10, notes: [] })

describe('the choice of a provider', () => {
  it('takes the first that works and is faster than the CPU, and says what came of those before it', async () => {
    const outcomes: Record<string, Trial> = { cuda: broken, directml: runs(50), webgpu: runs(2) }
    const attempt = ({ provider }: { provider: string }) => Promise.resolve(outcomes[provider] ?? broken)
    const { device, reason } = await chooseDevice({}, attempt, ['cuda', 'directml', 'webgpu'])
    expect(device).toEqual({ provider: 'webgpu', id: 0 })
    expect(reason).toMatch(/2\.0 ms against the CPU's 10\.0 ms.*cuda:0: no adapter.*directml:0: slower than the CPU/)
  })

  it('falls to the CPU where nothing works, with the reasons', async () => {
    const choice = await chooseDevice({ provider: 'auto' }, () => Promise.resolve(broken), ['webgpu'])
    expect(choice).toEqual({ device: { provider: 'cpu', id: 0 }, reason: 'webgpu: no adapter.' })
  })

  it('refuses a named one that does not work: what was tried, what there is, what to install', async () => {
    const refused = chooseDevice({ provider: 'cuda', deviceId: 1 }, ({ provider }) =>
      Promise.resolve(provider === 'webgpu' ? runs(99) : broken),
    )
    await expect(refused).rejects.toThrow(ProviderError)
    await expect(refused).rejects.toThrow(
      /cuda:1 was tried.*no adapter\. Available: cpu, webgpu .*ONNXRUNTIME_NODE_INSTALL=true npm rebuild/,
    )
  })

  it('refuses a device number where there are none', async () => {
    await expect(chooseDevice({ provider: 'webgpu', deviceId: 1 })).rejects.toThrow(/no numbered devices/)
  })

  it('tries by platform, and nothing on Linux without a device file of a GPU', () => {
    expect(candidates('linux', () => false)).toEqual([])
    expect(candidates('linux', (path) => path === '/dev/dri')).toEqual(['cuda', 'webgpu'])
    expect(candidates('win32', () => false)).toEqual(['directml', 'webgpu'])
    expect(candidates('darwin', () => false)).toEqual(['coreml', 'webgpu'])
  })

  it('is the CPU where nobody chose', () => expect(currentDevice()).toEqual({ provider: 'cpu', id: 0 }))
})

describe('a trial', () => {
  it('opens a graph for real: one that onnxruntime-node lacks is refused with what it has', async () => {
    const foreign = process.platform === 'darwin' ? ('directml' as const) : ('coreml' as const)
    const trial = await tryDevice({ provider: foreign, id: 0 })
    expect(trial).toMatchObject({ works: false, reason: expect.stringMatching(/on this platform, only cpu/) as string })
  }, 60_000)

  it('succeeds on the CPU', async () => {
    expect(await tryDevice({ provider: 'cpu', id: 0 })).toMatchObject({ works: true, notes: [] })
  }, 60_000)
})

it('nodes on the CPU are counted once each, by operator', () => {
  const node = (name: string, provider: string, op_name: string) => ({ cat: 'Node', name, args: { provider, op_name } })
  const events = [
    { cat: 'Session', name: 'model_run', args: {} },
    node('a_kernel_time', 'WebGpuExecutionProvider', 'Gemm'),
    node('b_kernel_time', 'CPUExecutionProvider', 'Attention'),
    node('b_kernel_time', 'CPUExecutionProvider', 'Attention'),
  ]
  expect(readPlacement(JSON.stringify(events))).toEqual({ nodes: 2, onCpu: 1, operators: ['Attention'] })
})

it('the device options of a bench are taken out of what is passed on', () => {
  const args = ['--steps', '4', '--provider', 'webgpu', '--device-id=1', 'x']
  expect(splitDevice(args)).toEqual({ device: ['--provider', 'webgpu', '--device-id=1'], rest: ['--steps', '4', 'x'] })
})
