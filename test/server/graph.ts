/** Builds prompts and runs them over HTTP and WebSocket, telling of each node whether it ran, was cached, and what it showed. */
import sharp from 'sharp'
import { Client, entryOf, post, type TestServer } from './harness.ts'

/** A link: node id and slot. */
export type Out = readonly [string, number]
export interface Placed {
  readonly id: string
  readonly inputs: Record<string, unknown>
  out(slot: number): Out
}

/** A prompt that is being built; ids carry the name of the test, as those of ComfyUI's own tests do. */
export class Graph {
  readonly prompt: Record<string, { class_type: string; inputs: Record<string, unknown> }> = {}
  readonly #name: string
  #count = 0

  constructor(name: string) {
    this.#name = name
  }

  node(class_type: string, inputs: Readonly<Record<string, unknown>> = {}): Placed {
    const id = `${this.#name}.0.0.${++this.#count}`
    const own: Record<string, unknown> = {
      ...(class_type === 'SaveImage' ? { filename_prefix: 'test' } : {}),
      ...inputs,
    }
    this.prompt[id] = { class_type, inputs: own }
    return { id, inputs: own, out: (slot) => [id, slot] }
  }
}

export interface Ran {
  readonly id: string
  ran(node: Placed): boolean
  cached(node: Placed): boolean
  /** Smallest and largest value of each picture that a node showed. */
  pictures(node: Placed): Promise<[number, number][]>
  readonly error: Readonly<Record<string, unknown>> | undefined
}

interface Shown {
  readonly images?: readonly { readonly filename: string; readonly subfolder: string; readonly type: string }[]
}

async function extremes(url: string): Promise<[number, number]> {
  const bytes = Buffer.from(await (await fetch(url)).arrayBuffer())
  const { channels } = await sharp(bytes).removeAlpha().stats()
  return [Math.min(...channels.map(({ min }) => min)), Math.max(...channels.map(({ max }) => max))]
}

/** A body with numbers that were given as `float` written as Python writes them. */
const FLOAT = /"float:(-?\d+)"/g
export const float = (value: number): string => `float:${value}`
const bodyOf = (value: unknown): string => JSON.stringify(value).replace(FLOAT, '$1.0')

/** Posts a prompt; the answer's status is for the caller to look at. */
export const submit = (server: TestServer, graph: Graph, more: Readonly<Record<string, unknown>> = {}) =>
  post(server.url, '/prompt', bodyOf({ prompt: graph.prompt, ...more }))

/** Runs a prompt to its end as `client`. Throws when it is refused. */
export async function run(server: TestServer, client: Client, graph: Graph, targets?: readonly Placed[]): Promise<Ran> {
  const partial = targets ? { partial_execution_targets: targets.map(({ id }) => id) } : {}
  const answer = await submit(server, graph, { client_id: client.id, ...partial })
  if (answer.status !== 200) throw new Error(answer.text)
  const id = answer.json.prompt_id
  await client.ended(id)
  const heard = client.log.filter(({ data }) => data['prompt_id'] === id)
  const executing = new Set(heard.filter(({ type }) => type === 'executing').map(({ data }) => data['node']))
  const cached = heard.find(({ type }) => type === 'execution_cached')?.data['nodes'] as string[] | undefined
  const { outputs } = await entryOf(server.url, id)
  return {
    id,
    ran: (node) => executing.has(node.id),
    cached: (node) => cached?.includes(node.id) ?? false,
    async pictures(node) {
      const { images = [] } = (outputs[node.id] ?? {}) as Shown
      const urls = images.map((image) => `${server.url}/view?${new URLSearchParams({ ...image }).toString()}`)
      return Promise.all(urls.map(extremes))
    },
    error: heard.find(({ type }) => type === 'execution_error')?.data,
  }
}
