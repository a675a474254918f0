/** A graph from an .onnx file that somebody else made, in the form that sessions take. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ModelProtoSchema, NodeProtoSchema, ValueInfoProtoSchema } from './generated/onnx_pb.ts'
import { sizeOf } from '../tensor.ts'
import { OUTPUT_PREFIX, type Model } from './graph.ts'

/**
 * Reads a model in ONNX format; external data is looked for beside it. Its outputs are passed on under the names that
 * `Session` expects. Throws an error that names the file when it is no ONNX model with inputs and outputs.
 */
export async function readOnnx(path: string): Promise<Model> {
  const bytes = await readFile(path)
  try {
    const model = fromBinary(ModelProtoSchema, bytes)
    const { graph } = model
    if (!graph || graph.output.length === 0) throw new Error('it has no graph with outputs')
    const weights = new Set(graph.initializer.map(({ name }) => name))
    const inputs = graph.input.map(({ name }) => name).filter((name) => !weights.has(name))
    const float32 = graph.initializer.reduce((sum, { dims }) => sum + 4 * sizeOf(dims.map(Number)), 0)
    const held = { stored: float32, float32 }
    const renamed = graph.output.map((output) => ({ output, name: OUTPUT_PREFIX + output.name }))
    for (const { output, name } of renamed)
      graph.node.push(create(NodeProtoSchema, { opType: 'Identity', input: [output.name], output: [name] }))
    graph.output = renamed.map(({ output, name }) => create(ValueInfoProtoSchema, { ...output, name }))
    return { bytes: toBinary(ModelProtoSchema, model), weightRoot: dirname(resolve(path)), inputs, weights: held }
  } catch (error) {
    throw new Error(
      `${path}: expected a model in ONNX format (${error instanceof Error ? error.message : String(error)})`,
    )
  }
}
