/** Loads a graph, runs it once and closes it. */
import type { Model } from '../../onnx/graph.ts'
import { openSession, type Feed, type GraphKind } from '../../onnx/session.ts'
import type { Tensor } from '../../tensor.ts'

export async function runOnce(
  model: Model,
  feeds: Readonly<Record<string, Feed>>,
  name: string,
  kind: GraphKind = 'tokens',
): Promise<Readonly<Record<string, Tensor>>> {
  const session = await openSession(model, 'private', name, kind)
  try {
    return await session.run(feeds)
  } finally {
    await session.release()
  }
}
