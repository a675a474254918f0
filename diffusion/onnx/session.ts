/** The only door to onnxruntime-node: opens sessions with the options that were measured, checks feeds, runs, closes. */
import { availableParallelism, freemem } from 'node:os'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { tensor, type Tensor } from '../tensor.ts'
import { OUTPUT_PREFIX, type Model } from './graph.ts'

/**
 * How weights are held. 'private': each session has its own float32 copy, cast and packed for the matrix product once at
 * load, which saves 8 to 40 % of the time at few tokens. 'mapped': they stay in the file's page cache, shared by all sessions
 * and processes, 16-bit ones are cast at every run; for models that would not fit otherwise.
 */
export type WeightMode = 'private' | 'mapped'

const PRIVATE_LIMIT = 2 * 1024 ** 3

/** 'private' when the float32 copy takes at most 2 GiB and a quarter of the free memory. */
export const chooseWeightMode = (float32Bytes: number): WeightMode =>
  float32Bytes <= Math.min(PRIVATE_LIMIT, freemem() / 4) ? 'private' : 'mapped'

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
}

/**
 * Idle threads of a session's pool spin by default, and sessions beside each other then fight for the cores (12 sessions: 6.5
 * times slower). Never spinning costs a wake-up for every operator, which hits the short runs of a probe hardest: bridging just
 * the gaps between operators made plain and cached runs 9 to 11 % faster, with 20 as with 100 us (one run each; 2 cores, width 256, 96 tokens).
 * 'basic' folds casts and constants and nothing else: higher levels gain nothing on these graphs.
 */
const SPIN_MICROSECONDS = '50'

function options(model: Model, mode: WeightMode, kind: GraphKind): InferenceSession.SessionOptions {
  const mapped = mode === 'mapped'
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    graphOptimizationLevel: kind === 'convolutions' ? 'all' : mapped ? 'disabled' : 'basic',
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

/** Loads a graph; `name` stands in front of every error. */
export async function openSession(
  model: Model,
  mode: WeightMode,
  name: string,
  kind: GraphKind = 'tokens',
): Promise<Session> {
  let session: InferenceSession | null
  try {
    session = await InferenceSession.create(model.bytes, options(model, mode, kind))
  } catch (error) {
    throw new Error(`${name}: ONNX Runtime could not load the graph: ${(error as Error).message}`)
  }
  return {
    async run(feeds, wanted) {
      if (!session) throw new Error(`${name}: used after release`)
      checkNames(model, feeds, name)
      const inputs: Record<string, OrtTensor> = {}
      for (const key of model.inputs) inputs[key] = toOrt(feeds[key]!)
      const fetches = wanted?.map((output) => OUTPUT_PREFIX + output)
      const running = fetches ? session.run(inputs, fetches) : session.run(inputs)
      const outputs = await running.catch((error: unknown) => {
        throw new Error(`${name}: failed on ${describe(feeds)}: ${(error as Error).message}`)
      })
      const named: Record<string, Tensor> = {}
      for (const key in outputs) named[key.slice(OUTPUT_PREFIX.length)] = fromOrt(outputs[key] as OrtTensor)
      return named
    },
    async release() {
      const closing = session
      session = null
      await closing?.release()
    },
  }
}
