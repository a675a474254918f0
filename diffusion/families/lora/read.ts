/** Reads a LoRA: which layers it changes, under whatever names its trainer gave them, and by which low-rank products. */
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import { openWeights, type StoredTensor, type Weights } from '../../onnx/weights.ts'
import { sizeOf } from '../../tensor.ts'

/** What a LoRA does to one layer, before its strength. */
export interface LoraLayer {
  /** The layer's name in the file: 'lora_unet_double_blocks_0_img_attn_qkv', 'transformer.x_embedder'. */
  readonly module: string
  /** up [out, r], down [r, in, ...] and alpha / r; or differences of weight and bias as they are. */
  readonly lowRank: { readonly up: StoredTensor; readonly down: StoredTensor; readonly factor: number } | null
  readonly weightDifference: StoredTensor | null
  readonly biasDifference: StoredTensor | null
}

export interface Lora {
  /** File name, for messages. */
  readonly name: string
  readonly layers: readonly LoraLayer[]
  /** Layers that are left out, and why: 'x: LoHa (hada_w1_a)'. */
  readonly leftOut: readonly string[]
}

/** Ends of keys and what they mean; kohya's, PEFT's, and two that diffusers used before it took PEFT's. */
const ENDS: readonly (readonly [end: RegExp, role: Role])[] = [
  [/\.lora_(?:down|A)(?:\.default)?\.weight$/, 'down'],
  [/\.lora_(?:up|B)(?:\.default)?\.weight$/, 'up'],
  [/(?:\.lora|_lora|\.lora_linear_layer)\.down\.weight$/, 'down'],
  [/(?:\.lora|_lora|\.lora_linear_layer)\.up\.weight$/, 'up'],
  [/\.lora_B(?:\.default)?\.bias$/, 'biasDifference'],
  [/\.diff_b$/, 'biasDifference'],
  [/\.diff$/, 'weightDifference'],
  [/\.alpha$/, 'alpha'],
]
type Role = 'down' | 'up' | 'alpha' | 'weightDifference' | 'biasDifference'

/** Other ways to change weights, which are not read. */
const OTHERS: readonly (readonly [end: RegExp, what: string])[] = [
  [/\.hada_\w+$/, 'LoHa'],
  [/\.lokr_\w+$/, 'LoKr'],
  [/\.oft_\w+$|\.boft_\w+$/, 'OFT'],
  [/\.(dora_scale|lora_magnitude_vector(?:\.\w+)*)$/, 'DoRA'],
  [/\.lora_mid\.weight$/, 'LoCon with a middle part'],
  [/\.(reshape_weight|set_weight)$/, 'weights of another shape'],
]

function roleOf(key: string): readonly [module: string, role: Role] | null {
  for (const [end, role] of ENDS) if (end.test(key)) return [key.replace(end, '').replace('.processor', ''), role]
  return null
}

/** float16 bits as a number. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 0) return sign * fraction * 2 ** -24
  return exponent === 31 ? NaN : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** A single number out of the file. Throws when the tensor is no such thing. */
async function readNumber(handle: FileHandle, { name, dtype, shape, offset, length, file }: StoredTensor) {
  const bytes = new DataView(new ArrayBuffer(8))
  if (sizeOf(shape) === 1) await handle.read(bytes, 0, length, offset)
  const value =
    sizeOf(shape) !== 1
      ? NaN
      : dtype === 'F32'
        ? bytes.getFloat32(0, true)
        : dtype === 'F64'
          ? bytes.getFloat64(0, true)
          : dtype === 'F16'
            ? half(bytes.getUint16(0, true))
            : dtype === 'BF16'
              ? new Float32Array(Uint32Array.of(bytes.getUint16(0, true) << 16).buffer)[0]!
              : dtype === 'I64'
                ? Number(bytes.getBigInt64(0, true))
                : NaN
  if (!Number.isFinite(value))
    throw new Error(`${file}: '${name}' is ${dtype} [${shape.join(', ')}], expected one number`)
  return value
}

type Roles = Partial<Record<Role, StoredTensor>>

interface Sorted {
  readonly modules: ReadonlyMap<string, Roles>
  readonly leftOut: ReadonlyMap<string, string>
}

function sorted({ tensors }: Weights): Sorted {
  const modules = new Map<string, Roles>()
  const leftOut = new Map<string, string>()
  for (const [key, stored] of tensors) {
    const other = OTHERS.find(([end]) => end.test(key))
    if (other) leftOut.set(key.replace(other[0], ''), other[1])
    const [module, role] = roleOf(key) ?? []
    if (module !== undefined && role) modules.set(module, { ...modules.get(module), [role]: stored })
  }
  return { modules, leftOut }
}

/** Opens a LoRA file; reads its header and the alphas. Throws an Error that names the file when it changes no layer. */
export async function openLora(path: string): Promise<Lora> {
  const weights = await openWeights(path)
  const { modules, leftOut } = sorted(weights)
  const layers: LoraLayer[] = []
  const lost = new Map(leftOut)
  const handle = await open(path, 'r')
  try {
    for (const [module, { up, down, alpha, weightDifference, biasDifference }] of modules) {
      if (leftOut.has(module)) continue
      if ((up === undefined) !== (down === undefined)) lost.set(module, `no ${up ? 'down' : 'up'} part`)
      const rank = down?.shape[0] ?? 0
      const scale = alpha && down ? (await readNumber(handle, alpha)) / rank : 1
      const lowRank = up && down ? { up, down, factor: scale } : null
      if (lowRank && up!.shape[1] !== rank) lost.set(module, `up [${up!.shape.join(', ')}] and down of rank ${rank}`)
      else if (lowRank || weightDifference || biasDifference)
        layers.push({
          ...{ module, lowRank },
          weightDifference: weightDifference ?? null,
          biasDifference: biasDifference ?? null,
        })
    }
  } finally {
    await handle.close()
  }
  const lines = [...lost].map(([module, why]) => `${module}: ${why}`)
  if (layers.length === 0) {
    const keys = [...weights.tensors.keys()].slice(0, 3).join(', ')
    throw new Error(
      `${path}: no LoRA that can be read (${weights.tensors.size} tensors: ${keys}, ...)${lines.length > 0 ? `; ${lines[0]}` : ''}`,
    )
  }
  return { name: basename(path), layers, leftOut: lines }
}
