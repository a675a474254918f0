/** The only door to onnxruntime-node: opens sessions with the options that were measured, checks feeds, runs, closes. */
import { availableParallelism, freemem } from 'node:os'
import { InferenceSession, listSupportedBackends, Tensor as OrtTensor } from 'onnxruntime-node'
import { tensor, type Tensor } from '../tensor.ts'
import { memoryBudget, type Held, type MemoryBudget } from './budget.ts'
import { profilePlace, takePlacement, warnOfFallback } from './fallback.ts'
import { OUTPUT_PREFIX, type Model } from './graph.ts'
import { currentDevice, FACTS, nameOfDevice, type Device } from './providers.ts'

/**
 * How weights are held. 'private': each session has its own float32 copy, cast and packed for the matrix product once at
 * load, which saves 8 to 40 % of the time at few tokens. 'mapped': they stay in the file's page cache, shared by all sessions
 * and processes, 16-bit ones are cast at every run; for models that would not fit otherwise.
 */
export type WeightMode = 'private' | 'mapped'

const PRIVATE_LIMIT = 2 * 1024 ** 3

/** 'private' when the float32 copy takes at most 2 GiB, a quarter of the free memory and of the budget. */
export const chooseWeightMode = (float32Bytes: number): WeightMode =>
  float32Bytes <= Math.min(PRIVATE_LIMIT, freemem() / 4, memoryBudget.part) ? 'private' : 'mapped'

/**
 * What a graph is made of: matrix products over tokens; so few of them that waking other threads would cost more than they
 * save; or convolutions, which gain from a blocked memory layout.
 */
export type GraphKind = 'tokens' | 'small' | 'convolutions'

/** A feed: float32, or int64 for shapes and indices. */
export type Feed = Tensor | { readonly data: BigInt64Array; readonly shape: readonly number[] }

/** A loaded graph. */
export interface Session {
  /**
   * Runs the graph; blocks the event loop while it computes. Gives the outputs named in `wanted`, all when it is absent. Throws,
   * naming all of them, when feeds are missing or unknown.
   */
  run(feeds: Readonly<Record<string, Feed>>, wanted?: readonly string[]): Promise<Readonly<Record<string, Tensor>>>
  /** Frees its memory. Later runs throw; a second call does nothing. */
  release(): Promise<void>
  /** Bytes of weights that it maps or holds while it is open; 0 where that is not counted. */
  readonly weightBytes?: number
}

/**
 * Idle threads of a session's pool spin by default, and sessions beside each other then fight for the cores (12 sessions: 6.5
 * times slower). Never spinning costs a wake-up for every operator, which hits the short runs of a probe hardest: bridging just
 * the gaps between operators made plain and cached runs 9 to 11 % faster, with 20 as with 100 us (one run each; 2 cores, width 256, 96 tokens).
 * 'basic' folds casts and constants and nothing else: higher levels gain nothing on these graphs.
 */
const SPIN_MICROSECONDS = '50'

/** Names of what onnxruntime-node was built with here; that one is listed does not mean that it opens. */
export const backends = (): readonly string[] => listSupportedBackends().map(({ name }) => name)

function providersOf({ provider, id }: Device): InferenceSession.ExecutionProviderConfig[] {
  if (provider === 'cuda') return [{ name: 'cuda', deviceId: id }]
  if (provider === 'directml') return [{ name: 'dml', deviceId: id }]
  return [FACTS[provider].backend]
}

function options(model: Model, mode: WeightMode, kind: GraphKind, device: Device): InferenceSession.SessionOptions {
  const mapped = mode === 'mapped'
  // WebGPU has no bfloat16 nor float8: a cast that is not folded would run on the CPU each time.
  const unfolded = mapped && device.provider !== 'webgpu'
  return {
    executionProviders: providersOf(device),
    executionMode: 'sequential',
    graphOptimizationLevel: kind === 'convolutions' ? 'all' : unfolded ? 'disabled' : 'basic',
    intraOpNumThreads: kind === 'small' ? 1 : availableParallelism(),
    interOpNumThreads: 1,
    enableCpuMemArena: !mapped,
    enableMemPattern: !mapped,
    logSeverityLevel: 3,
    extra: {
      session: {
        model_external_initializers_file_folder_path: model.weightRoot,
        disable_prepacking: mapped ? '1' : '0',
        intra_op: { allow_spinning: '1', spin_duration_us: SPIN_MICROSECONDS },
        inter_op: { allow_spinning: '0' },
      },
    },
  }
}

function checkNames(model: Model, feeds: Readonly<Record<string, Feed>>, name: string): void {
  const names = Object.keys(feeds)
  if (names.length === model.inputs.length && model.inputs.every((input) => input in feeds)) return
  const missing = model.inputs.filter((input) => !(input in feeds))
  const unknown = names.filter((feed) => !model.inputs.includes(feed))
  const parts = [
    missing.length ? `missing: ${missing.join(', ')}` : '',
    unknown.length ? `unknown: ${unknown.join(', ')}` : '',
  ]
  throw new Error(`${name}: takes ${model.inputs.join(', ')}; ${parts.filter(Boolean).join('; ')}`)
}

const toOrt = ({ data, shape }: Feed): OrtTensor =>
  data instanceof Float32Array ? new OrtTensor('float32', data, [...shape]) : new OrtTensor('int64', data, [...shape])

function fromOrt(value: OrtTensor): Tensor {
  return tensor(value.data as Float32Array, value.dims)
}

const describe = (feeds: Readonly<Record<string, Feed>>): string =>
  Object.entries(feeds)
    .map(([name, { shape }]) => `${name} [${shape.join(', ')}]`)
    .join(', ')

/** A session of the runtime, and what is to be done after its first run. */
interface Loaded {
  readonly session: InferenceSession
  afterRun: (() => void) | null
}

/** Errors of this kind say that a provider lacks operators of the graph. */
const LACKS_OPERATORS = /fallback to CPU EP has been explicitly disabled/
const REFUSE_FALLBACK = { disable_cpu_ep_fallback: '1' }

/** On a device, with every node on it; where that cannot be, with the rest on the CPU, which its first run counts and tells. */
async function loadOnDevice(
  bytes: Uint8Array,
  settings: InferenceSession.SessionOptions,
  device: Device,
  name: string,
) {
  const { session: keys } = settings.extra as { session: Record<string, unknown> }
  const strict = { ...settings, logSeverityLevel: 4 as const, extra: { session: { ...keys, ...REFUSE_FALLBACK } } }
  try {
    return { session: await InferenceSession.create(bytes, strict), afterRun: null }
  } catch (error) {
    if (!LACKS_OPERATORS.test((error as Error).message)) throw error
  }
  const place = profilePlace()
  const profiled = { ...settings, enableProfiling: true, profileFilePrefix: place.prefix }
  const session = await InferenceSession.create(bytes, profiled)
  const afterRun = () => {
    session.endProfiling()
    warnOfFallback(name, nameOfDevice(device), takePlacement(place))
  }
  return { session, afterRun }
}

async function load(model: Model, mode: WeightMode, name: string, kind: GraphKind): Promise<Loaded> {
  const device = currentDevice()
  const settings = options(model, mode, kind, device)
  try {
    if (device.provider !== 'cpu') return await loadOnDevice(model.bytes, settings, device, name)
    return { session: await InferenceSession.create(model.bytes, settings), afterRun: null }
  } catch (error) {
    const where = device.provider === 'cpu' ? '' : ` on ${nameOfDevice(device)}`
    throw new Error(`${name}: ONNX Runtime could not load the graph${where}: ${(error as Error).message}`)
  }
}

async function runOn(
  loaded: Loaded,
  model: Model,
  name: string,
  feeds: Readonly<Record<string, Feed>>,
  wanted: readonly string[] | undefined,
): Promise<Readonly<Record<string, Tensor>>> {
  const inputs: Record<string, OrtTensor> = {}
  for (const key of model.inputs) inputs[key] = toOrt(feeds[key]!)
  const fetches = wanted?.map((output) => OUTPUT_PREFIX + output)
  const { session } = loaded
  const running = fetches ? session.run(inputs, fetches) : session.run(inputs)
  const outputs = await running.catch((error: unknown) => {
    throw new Error(`${name}: failed on ${describe(feeds)}: ${(error as Error).message}`)
  })
  loaded.afterRun?.()
  loaded.afterRun = null
  const named: Record<string, Tensor> = {}
  for (const key in outputs) named[key.slice(OUTPUT_PREFIX.length)] = fromOrt(outputs[key] as OrtTensor)
  return named
}

/** A graph that is loaded, and may be closed by the budget between two runs: then the next run loads it again. */
class BudgetedSession implements Session, Held {
  readonly weightBytes: number
  readonly #load: () => Promise<Loaded>
  readonly #model: Model
  readonly #name: string
  readonly #budget: MemoryBudget
  #loaded: Promise<Loaded> | null = null
  #running = 0
  #released = false

  constructor(model: Model, name: string, weightBytes: number, budget: MemoryBudget, open: () => Promise<Loaded>) {
    this.#model = model
    this.#name = name
    this.weightBytes = weightBytes
    this.#budget = budget
    this.#load = open
  }

  get bytes(): number {
    return this.weightBytes
  }

  async #open(): Promise<Loaded> {
    await this.#budget.makeRoom(this)
    try {
      return await this.#load()
    } catch (error) {
      this.#loaded = null
      this.#budget.forget(this)
      throw error
    }
  }

  async run(feeds: Readonly<Record<string, Feed>>, wanted?: readonly string[]) {
    if (this.#released) throw new Error(`${this.#name}: used after release`)
    checkNames(this.#model, feeds, this.#name)
    this.#running++
    this.#budget.use(this)
    try {
      this.#loaded ??= this.#open()
      return await runOn(await this.#loaded, this.#model, this.#name, feeds, wanted)
    } finally {
      this.#running--
      this.#settle()
    }
  }

  #settle(): void {
    if (this.#running === 0 && this.#loaded && !this.#released) this.#budget.idle(this)
  }

  async close(): Promise<void> {
    const closing = this.#loaded
    this.#loaded = null
    await (await closing)?.session.release()
  }

  async release(): Promise<void> {
    if (this.#released) return
    this.#released = true
    if (this.#loaded) this.#budget.forget(this)
    await this.close()
  }

  /** Loads it now, so that what is wrong shows at once. */
  async open(): Promise<this> {
    this.#loaded = this.#open()
    await this.#loaded
    this.#budget.idle(this)
    return this
  }
}

/** Weights of `model` that a session of this mode has in memory: mapped ones as the file has them. */
const weightBytesOf = ({ weights }: Model, mode: WeightMode): number =>
  mode === 'private' ? weights.float32 : weights.stored

/**
 * Loads a graph; `name` stands in front of every error. Where the weights of all open sessions exceed the memory budget, those least
 * recently run are closed, and load again when they are; one that would close others loads when it first runs.
 */
export async function openSession(
  model: Model,
  mode: WeightMode,
  name: string,
  kind: GraphKind = 'tokens',
): Promise<Session> {
  const bytes = weightBytesOf(model, mode)
  const session = new BudgetedSession(model, name, bytes, memoryBudget, () => load(model, mode, name, kind))
  return memoryBudget.fits(bytes) ? session.open() : session
}
