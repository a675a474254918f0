/** Judges from ONNX files: what they are fed, and what is refused. The files are made here, of two or three operators. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openJudges } from '../../bench/judges/judges.ts'
import {
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  TensorProto_DataType as DataType,
} from '../../diffusion/onnx/generated/onnx_pb.ts'
import { tensor } from '../../diffusion/tensor.ts'

type Graph = Exclude<MessageInitShape<typeof ModelProtoSchema>['graph'], undefined>
type Nodes = NonNullable<(Graph & { node?: unknown })['node']>

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-judges-'))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer))
})
afterAll(() => rm(folder, { recursive: true }))

const tokenizer = {
  version: '1.0',
  added_tokens: [],
  normalizer: { type: 'Lowercase' },
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', unk_token: '?', vocab: { '?': 0, red: 2, house: 5 } },
}

const input = (name: string, elemType: DataType, dims: readonly (number | string)[]) => ({
  name,
  type: {
    value: {
      case: 'tensorType' as const,
      value: {
        elemType,
        shape: {
          dim: dims.map((extent) => ({
            value:
              typeof extent === 'number'
                ? { case: 'dimValue' as const, value: BigInt(extent) }
                : { case: 'dimParam' as const, value: extent },
          })),
        },
      },
    },
  },
})
const whole = { keepdims: 0n }
const attributes = (given: Readonly<Record<string, bigint>>) =>
  Object.entries(given).map(([name, i]) => ({ name, i, type: AttributeType.INT }))

async function write(file: string, inputs: readonly ReturnType<typeof input>[], node: Nodes): Promise<string> {
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 13n }],
    graph: { name: 'judge', node, input: [...inputs], output: [input('score', DataType.FLOAT, [])] },
  })
  const path = join(folder, file)
  await writeFile(path, toBinary(ModelProtoSchema, model))
  return path
}

/** mean|a - b| */
const pair = () =>
  write(
    'pair.onnx',
    ['a', 'b'].map((name) => input(name, DataType.FLOAT, [1, 3, 'h', 'w'])),
    [
      { opType: 'Sub', input: ['a', 'b'], output: ['d'] },
      { opType: 'Abs', input: ['d'], output: ['e'] },
      { opType: 'ReduceMean', input: ['e'], output: ['score'], attribute: attributes(whole) },
    ],
  )

/** The mean of the pixels plus the sum of the ids that are not masked. */
const text = (extra = 'attention_mask') =>
  write(
    'text.onnx',
    [
      input('pixel_values', DataType.FLOAT, [1, 3, 224, 224]),
      input('input_ids', DataType.INT64, [1, 'l']),
      input(extra, DataType.INT64, [1, 'l']),
    ],
    [
      { opType: 'Mul', input: ['input_ids', extra], output: ['ids'] },
      { opType: 'Cast', input: ['ids'], output: ['words'], attribute: attributes({ to: BigInt(DataType.FLOAT) }) },
      { opType: 'ReduceSum', input: ['words'], output: ['sum'], attribute: attributes(whole) },
      { opType: 'ReduceMean', input: ['pixel_values'], output: ['mean'], attribute: attributes(whole) },
      { opType: 'Add', input: ['sum', 'mean'], output: ['score'] },
    ],
  )

const picture = (level: number) => tensor(new Float32Array(16 * 16 * 3).fill(level), [1, 16, 16, 3])

describe('judges from files', () => {
  it('a pair of pictures goes in as planes in -1..1, and one number comes out', async () => {
    const judges = await openJudges({ lpips: await pair() })
    expect(judges.names).toEqual(['LPIPS'])
    const { LPIPS } = await judges.judge(picture(0.75), picture(0.5), '')
    expect(LPIPS).toBeCloseTo(0.5)
    await judges.release()
  })

  it('a picture goes in normalised as CLIP wants it, its caption as the ids of the tokenizer beside the file', async () => {
    const path = await text()
    const judges = await openJudges({ clip: path, imageReward: path })
    const scores = await judges.judge(picture(1), picture(0), 'red house red')
    const white = ((1 - 0.48145466) / 0.26862954 + (1 - 0.4578275) / 0.26130258 + (1 - 0.40821073) / 0.27577711) / 3
    expect(scores['ClipScore']).toBeCloseTo(2 + 5 + 2 + white, 3)
    expect(scores['ImageReward']).toBe(scores['ClipScore'])
    await judges.release()
  })

  it('files that cannot judge are refused by name, with what was expected', async () => {
    await writeFile(join(folder, 'none.onnx'), 'not a model')
    await expect(openJudges({ lpips: join(folder, 'none.onnx') })).rejects.toThrow(
      /none\.onnx: expected a model in ONNX/,
    )
    await expect(openJudges({ lpips: await text() })).rejects.toThrow(/LPIPS needs two inputs.*input_ids/)
    await expect(openJudges({ clip: await text('mask') })).rejects.toThrow(/ClipScore takes pixel_values.*mask/)
  })
})
