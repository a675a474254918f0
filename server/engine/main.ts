/** The engine child: validates and runs prompts for the server process that forked it, and ends when that process is gone. */
import { memoryBudget } from '../../diffusion/onnx/budget.ts'
import { Batcher } from './batcher.ts'
import { describeAll } from './describe.ts'
import type { Engine } from './engine.ts'
import { execute } from './execute.ts'
import { ConfinedFiles } from './files.ts'
import { Line } from './line.ts'
import { Memo } from './memo.ts'
import { ModelStore } from './models.ts'
import { Outbox } from './outbox.ts'
import { Pace } from './pace.ts'
import type { EngineInit, FromEngine, Prompt, RunJob, RunRequest, ToEngine, Verdict } from './protocol.ts'
import { loadRegistry } from './registry.ts'
import { validate } from './validate.ts'
import { isRecord, parseOwn, parseWithFloats } from '../json.ts'
import { inOrder, namesIn, orderedJson } from '../json-order.ts'
import { listFiles } from '../store/model-folders.ts'

const channel = new Batcher<FromEngine>((messages) => void process.send?.(messages))
const post = (message: FromEngine): void => channel.post(message)

let engine: (Engine & { readonly models: ModelStore }) | null = null
const line = new Line(run)
/** What `free` asked for while a prompt was running. */
let freeLater = { models: false, memory: false }

async function start(init: EngineInit): Promise<void> {
  if (init.memory !== null) memoryBudget.limit = init.memory
  const registry = await loadRegistry(init.nodeDirs)
  const memo = new Memo(init.cache)
  engine = {
    registry,
    memo,
    files: new ConfinedFiles(init.folders),
    models: new ModelStore(init.modelDirs, (value) => memo.holds(value)),
    lists: (folder) => listFiles(init.modelDirs, init.folders, folder),
    metadata: init.metadata,
    previewSize: init.previewSize,
    pace: new Pace(init.markFile),
  }
  post({ kind: 'ready', nodes: registry.nodes.size, problems: [...registry.problems] })
}

function free(what: { models: boolean; memory: boolean }): void {
  if (!what.models && !what.memory) return
  // Results may hold models, so they go together.
  engine?.memo.clear()
  void engine?.models.release()
}

const opened = ({ promptId, prompt, extraData, outputs, secrets }: RunRequest): RunJob => ({
  promptId,
  prompt: inOrder(parseOwn(prompt) as Prompt, namesIn(prompt)),
  extraData: parseOwn(extraData) as RunJob['extraData'],
  outputs,
  secrets,
})

/** A prompt may ask for no previews of its own; any other method is that of the model. */
const withPreviewsOf = ({ extraData }: RunJob, shared: Engine): Engine =>
  extraData['preview_method'] === 'none' ? { ...shared, previewSize: 0 } : shared

async function run(request: RunRequest, signal: AbortSignal): Promise<void> {
  if (!engine) return
  const job = opened(request)
  const outbox = new Outbox(job.promptId, (message) => {
    post(message)
    channel.flush()
  })
  const outcome = await execute(withPreviewsOf(job, engine), job, outbox, signal)
  free(freeLater)
  freeLater = { models: false, memory: false }
  post({ kind: 'done', promptId: job.promptId, outcome, ...outbox.take() })
}

/** Folder listings are read once per question, however many nodes ask for them. */
function withFreshLists<T>(answer: (lists: Engine['lists'], engine: Engine) => T): T {
  if (!engine) throw new Error('the engine has not started')
  const { lists } = engine
  const known = new Map<string, readonly string[]>()
  const cached = (folder: string) => {
    const names = known.get(folder) ?? lists(folder)
    known.set(folder, names)
    return names
  }
  return answer(cached, engine)
}

/** The prompt of a posted body; the body has been read once before, so it is JSON. */
function promptIn(posted: string): unknown {
  const body = parseWithFloats(posted) ?? parseOwn(posted)
  return isRecord(body) ? body['prompt'] : undefined
}

async function verdictOn(posted: string, targets: readonly string[] | null): Promise<Verdict> {
  const prompt = promptIn(posted)
  const found = await withFreshLists((lists, { registry }) => validate(prompt, targets, registry, lists))
  return found.ok ? { ...found, prompt: orderedJson(inOrder(found.prompt, namesIn(posted, 'prompt'))) } : found
}

async function reply(id: number, answer: () => unknown): Promise<void> {
  try {
    post({ kind: 'answer', id, value: await answer() })
  } catch (error) {
    post({ kind: 'answer', id, value: null, error: error instanceof Error ? error.message : String(error) })
  }
}

function receive(message: ToEngine): void {
  switch (message.kind) {
    case 'init':
      void start(message.init)
      return
    case 'objectInfo':
      void reply(message.id, () => withFreshLists((lists, { registry }) => describeAll(registry, lists)))
      return
    case 'validate':
      void reply(message.id, () => verdictOn(message.posted, message.targets))
      return
    case 'run':
      line.add(message.job)
      return
    case 'cancel':
      line.cancel(message.promptId)
      return
    case 'recall':
      post({ kind: 'recalled', promptIds: [...line.recall()] })
      return
    case 'free':
      if (line.isBusy)
        freeLater = { models: freeLater.models || message.models, memory: freeLater.memory || message.memory }
      else free(message)
      return
    case 'stop':
      process.exit(0)
  }
}

process.on('message', (messages: readonly ToEngine[]) => messages.forEach(receive))
// Without its parent nobody could stop it.
process.on('disconnect', () => process.exit(0))
// A pack that forgets a promise is no reason to end: whoever waits for it is told by the promise itself.
process.on('unhandledRejection', (error) =>
  process.stderr.write(
    `a promise of a node was rejected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  ),
)
// The parent decides when to end: a Ctrl-C in a terminal reaches both.
process.on('SIGINT', () => undefined)
