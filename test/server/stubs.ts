/** Short names for the nodes of the execution pack that most of its tests are built of. */
import type { Graph, Placed } from './graph.ts'

export const SIZE = { height: 16, width: 16, batch_size: 1 }
export const image = (graph: Graph, content: 'BLACK' | 'WHITE' | 'NOISE', size = SIZE) =>
  graph.node('StubImage', { content, ...size })
export const mask = (graph: Graph, value: unknown) => graph.node('StubMask', { value, ...SIZE })
export const save = (graph: Graph, node: Placed, slot = 0) => graph.node('SaveImage', { images: node.out(slot) })
export const list = (graph: Graph, ...values: unknown[]) =>
  graph.node('TestMakeListNode', Object.fromEntries(values.map((value, i) => [`value${i + 1}`, value])))
export const mix = (graph: Graph, image1: Placed, image2: Placed, by: Placed) =>
  graph.node('TestLazyMixImages', { image1: image1.out(0), image2: image2.out(0), mask: by.out(0) })
