/** Builds an ONNX graph in memory, node by node, with its weights left where they lie inside the safetensors files. */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { parse, relative, sep } from 'node:path'
import { sizeOf } from '../tensor.ts'
import {
  AttributeProto_AttributeType as AttributeType,
  type AttributeProtoSchema,
  ModelProtoSchema,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type GraphProto,
} from './generated/onnx_pb.ts'
import type { Dtype } from './safetensors.ts'
import type { StoredTensor, WeightChange } from './weights.ts'

/** A tensor inside a graph under construction; only the graph that made it can use it. */
export interface Value {
  readonly name: string
}

/** An attribute: whole numbers become INT, others FLOAT unless given as { float }. */
export type Attribute = number | string | readonly number[] | { readonly float: number }

/** A finished graph, ready for a session. */
export interface Model {
  readonly bytes: Uint8Array
  /** Folder that the locations of the external data are relative to: the root of the file system. */
  readonly weightRoot: string
  readonly inputs: readonly string[]
  /** Bytes of the weights that it refers to, as they are stored and as float32. */
  readonly weights: { readonly stored: number; readonly float32: number }
}

type GraphInit = Exclude<MessageInitShape<typeof ModelProtoSchema>['graph'], undefined>
type Part<K extends keyof GraphProto> = NonNullable<GraphInit[K & keyof GraphInit]>

const OPSET = 23n
const IR_VERSION = 10n
/** Stands before the names of outputs in the file, so that a graph can give back what it takes under the same name. */
export const OUTPUT_PREFIX = 'out:'
const MICROSOFT = 'com.microsoft'

const ELEMENT: Partial<Record<Dtype, DataType>> = {
  F32: DataType.FLOAT,
  F16: DataType.FLOAT16,
  BF16: DataType.BFLOAT16,
  F8_E4M3: DataType.FLOAT8E4M3FN,
  F8_E5M2: DataType.FLOAT8E5M2,
  F64: DataType.DOUBLE,
}

/** Tells lists of changes apart: where they lie and how strong they are. */
const changesKey = (changes: readonly WeightChange[]): string =>
  changes
    .map((change) => {
      const { file, offset, length } = change.kind === 'full' ? change.difference : change.up
      return `${file}:${offset}+${length} x ${change.factor}`
    })
    .join()

function attribute(name: string, value: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  if (typeof value === 'string') return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) }
  if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value.map(BigInt) }
  if (typeof value === 'object') return { name, type: AttributeType.FLOAT, f: (value as { float: number }).float }
  return Number.isInteger(value)
    ? { name, type: AttributeType.INT, i: BigInt(value) }
    : { name, type: AttributeType.FLOAT, f: value }
}

const dimension = (extent: number | string) =>
  typeof extent === 'number'
    ? { value: { case: 'dimValue' as const, value: BigInt(extent) } }
    : { value: { case: 'dimParam' as const, value: extent } }

const valueInfo = (name: string, elemType: DataType, dims: readonly (number | string)[]) => ({
  name,
  type: { value: { case: 'tensorType' as const, value: { elemType, shape: { dim: dims.map(dimension) } } } },
})

/** A graph under construction. Symbolic extents are strings: `['batch', 'tokens', 64]`. */
export class Graph {
  /** Of the graph, or of the branch under construction. */
  #nodes: Part<'node'>[number][] = []
  readonly #initializers: Part<'initializer'>[number][] = []
  readonly #inputs: Part<'input'>[number][] = []
  readonly #outputs: Part<'output'>[number][] = []
  /** Constants and weights by what they are, so that each is in the graph once. */
  readonly #held = new Map<string, Value>()
  /** Other values by what they are, as far as they can be seen from where the graph is being built. */
  #known = new Map<string, Value>()
  #count = 0
  readonly #weights = { stored: 0, float32: 0 }
  #root: string | null = null

  #fresh(stem: string): string {
    return `${stem}_${this.#count++}`
  }

  /** The root of the file system a weight lies on; one graph can use one only (Windows has several). */
  #rootOf(stored: StoredTensor): string {
    const { root } = parse(stored.file)
    this.#root ??= root
    if (root !== this.#root) throw new Error(`${stored.file}: the other weights of this graph are on ${this.#root}`)
    return root
  }

  #hold(key: string, make: () => Value): Value {
    const value = this.#held.get(key) ?? make()
    this.#held.set(key, value)
    return value
  }

  /** The value made under this key, made now if it is not: for what several layers need of one value. */
  once(key: string, make: () => Value): Value {
    const value = this.#known.get(key) ?? make()
    this.#known.set(key, value)
    return value
  }

  /** A float32 input (or int64, for shapes and indices). */
  input(name: string, dims: readonly (number | string)[], element: 'f32' | 'i64' = 'f32'): Value {
    this.#inputs.push(valueInfo(name, element === 'f32' ? DataType.FLOAT : DataType.INT64, dims))
    return { name }
  }

  /** Makes `value` a float32 output under `name`. */
  output(name: string, value: Value, dims: readonly (number | string)[]): void {
    this.#nodes.push({ opType: 'Identity', input: [value.name], output: [OUTPUT_PREFIX + name] })
    this.#outputs.push(valueInfo(OUTPUT_PREFIX + name, DataType.FLOAT, dims))
  }

  /** A tensor in a file, in its own type: for tables that are gathered from before the cast. */
  stored(tensor: StoredTensor): Value {
    return this.#hold(`stored ${tensor.file}:${tensor.offset}+${tensor.length}[${tensor.shape.join()}]`, () => {
      const dataType = ELEMENT[tensor.dtype]
      if (dataType === undefined)
        throw new Error(`${tensor.file}: tensor '${tensor.name}' is ${tensor.dtype}, which is no weight's type`)
      const name = this.#fresh(tensor.name)
      const location = relative(this.#rootOf(tensor), tensor.file).split(sep).join('/')
      const place = { location, offset: String(tensor.offset), length: String(tensor.length) }
      const externalData = Object.entries(place).map(([key, value]) => ({ key, value }))
      const dims = tensor.shape.map(BigInt)
      this.#weights.stored += tensor.length
      this.#weights.float32 += 4 * sizeOf(tensor.shape)
      this.#initializers.push({ name, dataType, dims, dataLocation: DataLocation.EXTERNAL, externalData })
      return { name }
    })
  }

  /** A tensor in a file as float32: other floats pass through a Cast; scales and changes are worked in. */
  weight(tensor: StoredTensor): Value {
    const stored = this.stored(tensor)
    const { scale, changes, ...plain } = tensor
    if (changes)
      return this.once(`changed ${stored.name} ${changesKey(changes)}`, () =>
        changes.reduce(
          (sum, change) => this.op('Add', [sum, this.#changeOf(change, tensor.shape)]),
          this.weight(scale ? { ...plain, scale } : plain),
        ),
      )
    if (tensor.dtype === 'F32' && !scale) return stored
    return this.once(`cast ${stored.name}`, () => {
      const float = tensor.dtype === 'F32' ? stored : this.toFloat(stored)
      return scale ? this.op('Mul', [float, this.#scaleOf(scale, tensor.shape.length)]) : float
    })
  }

  /** One value, or one a row with as many axes as the weight. */
  #scaleOf(scale: StoredTensor, rank: number): Value {
    const rows = sizeOf(scale.shape)
    return this.weight({ ...scale, shape: rows === 1 ? [] : [rows, ...new Array<number>(rank - 1).fill(1)] })
  }

  /** factor * up down, or factor * difference, in the shape of the weight. */
  #changeOf(change: WeightChange, shape: readonly number[]): Value {
    const factor = this.constant([change.factor], [])
    if (change.kind === 'full') return this.op('Mul', [this.weight({ ...change.difference, shape }), factor])
    const { up, down } = change
    const flat = (tensor: StoredTensor): Value => {
      const rows = tensor.shape[0] ?? 1
      return this.weight({ ...tensor, shape: [rows, sizeOf(tensor.shape) / rows] })
    }
    const product = this.op('Gemm', [flat(up), flat(down)], { alpha: { float: change.factor } })
    return this.op('Reshape', [product, this.ints(shape)])
  }

  toFloat(value: Value): Value {
    return this.op('Cast', [value], { to: DataType.FLOAT })
  }

  /** A float32 constant. */
  constant(values: readonly number[], dims: readonly number[] = [values.length]): Value {
    if (values.length !== sizeOf(dims)) throw new Error(`constant: ${values.length} values for [${dims.join(', ')}]`)
    return this.#hold(`f32 ${dims.join()}:${values.join()}`, () => {
      const name = this.#fresh('constant')
      this.#initializers.push({ name, dataType: DataType.FLOAT, dims: dims.map(BigInt), floatData: [...values] })
      return { name }
    })
  }

  /** An int64 vector, as shapes and axes are given. */
  ints(values: readonly number[]): Value {
    return this.#hold(`i64 ${values.join()}`, () => {
      const name = this.#fresh('ints')
      const dims = [BigInt(values.length)]
      this.#initializers.push({ name, dataType: DataType.INT64, dims, int64Data: values.map(BigInt) })
      return { name }
    })
  }

  /** An operator with one output; `null` leaves an optional input out. Types that start with `ms.` are com.microsoft's. */
  op(type: string, inputs: readonly (Value | null)[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.ops(type, inputs, attributes, 1)[0]!
  }

  /** An operator with `count` outputs. */
  ops(
    type: string,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
  ): readonly Value[] {
    const opType = type.replace(/^ms\./, '')
    const output = Array.from({ length: count }, () => this.#fresh(opType))
    this.#nodes.push({
      opType,
      domain: opType === type ? '' : MICROSOFT,
      name: output[0]!,
      input: inputs.map((value) => value?.name ?? ''),
      output,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    })
    return output.map((name) => ({ name }))
  }

  /**
   * Runs one of two ways, chosen by a bool of one element; of the other nothing is computed. Both may use values made before and
   * must give as many float32 values as each other; what they make inside cannot be seen outside.
   */
  branch(condition: Value, then: () => readonly Value[], otherwise: () => readonly Value[]): readonly Value[] {
    const ways = { then_branch: this.#way(then), else_branch: this.#way(otherwise) }
    const [count, other] = Object.values(ways).map((way) => way.output.length)
    if (count !== other) throw new Error(`branch: one way gives ${count} values, the other ${other}`)
    const output = ways.then_branch.output.map(() => this.#fresh('If'))
    const attribute = Object.entries(ways).map(([name, g]) => ({ name, type: AttributeType.GRAPH, g }))
    this.#nodes.push({ opType: 'If', name: output[0]!, input: [condition.name], output, attribute })
    return output.map((name) => ({ name }))
  }

  #way(make: () => readonly Value[]) {
    const [nodes, known] = [this.#nodes, this.#known]
    this.#nodes = []
    this.#known = new Map(known)
    const made = make().map(({ name }) => {
      // An output has to be made inside, and once.
      const output = [this.#fresh('way')]
      this.#nodes.push({ opType: 'Identity', input: [name], output })
      return output[0]!
    })
    const node = this.#nodes
    this.#nodes = nodes
    this.#known = known
    const output = made.map((name) => ({
      name,
      type: { value: { case: 'tensorType' as const, value: { elemType: DataType.FLOAT } } },
    }))
    return { name: this.#fresh('branch'), node, output }
  }

  /** The finished model. */
  build(): Model {
    const model = create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: 'heddle',
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: MICROSOFT, version: 1n },
      ],
      graph: {
        name: 'part',
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
    })
    return {
      bytes: toBinary(ModelProtoSchema, model),
      weightRoot: this.#root ?? parse(process.cwd()).root,
      inputs: this.#inputs.map(({ name }) => name ?? ''),
      weights: { ...this.#weights },
    }
  }
}
